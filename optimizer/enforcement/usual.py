"""What a command usually uses, from its past runs → the lease that it gets unasked. Pure."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from optimizer.quantities import Unit, format_amount

RUNS_LOOKED_AT = 50
"""The newest ones; older runs were of another program, as like as not."""

QUANTILE = 0.95

FIRST: Mapping[str, float] = {"cpu": 1.0, "memory": 2.0**30}
FIRST_OF_SERVER: Mapping[str, float] = {"memory": 2.0**27}
"""Cores and bytes of a command without a past. A stdio MCP server mostly waits, so no CPU is
reserved for it: else a busy machine could start none. Eight of them took 58 to 83 MiB."""

LEAST: Mapping[str, float] = {"cpu": 0.05, "memory": 2.0**24}
LEAST_WALL_S = 1.0
"""A shorter run says little of the cores that it takes: starting is most of it."""

FAILED_AT_ONCE_S = 5.0
"""A run that fails sooner seldom got to its work, so what it used is not what the command uses."""

FEWEST_RUNS = 3
"""With fewer nobody knows how much the next may differ."""

_STEP: Mapping[str, float] = {"cpu": 0.05, "memory": 2.0**20}

_RUNTIMES = frozenset({"node", "nodejs", "python", "ruby", "perl", "bash", "sh", "java"})
_WRAPPERS = frozenset({"env", "nice", "nohup", "time", "timeout", "sudo", "command", "exec"})
_PLAIN = re.compile(r"[\w@.+/-]{1,80}")
_WORDS = 3


@dataclass(frozen=True)
class PastRun:
    """One run of a command that ended.

    Attributes:
        command: See `command_key`.
        directory: Where it ran.
        ended_at: Aware, UTC.
        wall_s: How long it took, in seconds.
        cpu_s: CPU time of all its processes, in seconds.
        peak_bytes: The most memory that it used.
        exit_code: As the shell has it; minus a signal's number when one ended it.
    """

    command: str
    directory: str
    ended_at: datetime
    wall_s: float
    cpu_s: float
    peak_bytes: int
    exit_code: int

    @property
    def cores(self) -> float:
        """Its mean use of CPU."""
        return self.cpu_s / max(self.wall_s, LEAST_WALL_S)

    @property
    def failed_at_once(self) -> bool:
        """Whether it ended with an error at its start; one ended by a signal used what it did."""
        return self.exit_code > 0 and self.wall_s < FAILED_AT_ONCE_S


@dataclass(frozen=True)
class Usual:
    """What a command gets when nobody says how much.

    Attributes:
        resources: Cores of cpu and bytes of memory.
        why: In words, with the number of runs.
    """

    resources: Mapping[str, float]
    why: str


def command_key(argv: Sequence[str]) -> str:
    """What the runs of one command have in common, without its options and secrets.

    The program, and up to two plain words before the first option: `make test`, `npm run build`,
    `python train.py`, `python -m pytest`. Options may hold anything, so none is kept, nor is
    anything with a `:` or `=` in it.
    """
    words = [word for word in argv if not re.match(r"\w+=", word)] or list(argv)
    while len(words) > 1 and _name(words[0]) in _WRAPPERS:
        words = words[1:]
        while len(words) > 1 and not re.match(r"[A-Za-z/.]", words[0]):
            words = words[1:]
    program, rest = _name(words[0]), words[1:]
    key = [program]
    if program in _RUNTIMES:
        return " ".join([program, *_script(rest)])
    for word in rest:
        if word in ("-y", "--yes"):
            continue
        if word.startswith("-") or not _PLAIN.fullmatch(word) or len(key) == _WORDS:
            break
        key.append(word)
    return " ".join(key)


def usual_of(runs: Sequence[PastRun], *, given: Collection[str], is_server: bool) -> Usual:
    """What to reserve for the next run.

    Args:
        runs: Past ones, in any order.
        given: Resources whose size is known already.
        is_server: Whether it is a stdio MCP server, which mostly waits.

    Returns:
        The 95th percentile of peaks of memory, and of mean cores where they are reserved, each
        rounded up, over the runs that did not fail at once; over all where all of them did.
        Without a past run a first guess, which says that it is one.
    """
    guesses = FIRST_OF_SERVER if is_server else FIRST
    first = {name: amount for name, amount in guesses.items() if name not in given}
    if not first:
        return Usual({}, "")
    if not runs:
        return Usual(first, f"no run of it is known yet, so {_shown(first)} to begin with")
    telling = _telling(runs)
    used = _used(telling)
    found = {name: _rounded(name, _quantile(used[name])) for name in first}
    times = "1 run" if len(telling) == 1 else f"{len(telling)} runs"
    left_out = len(runs) - len(telling)
    without = f"; {left_out} that failed at once left out" if left_out else ""
    return Usual(found, f"{times}, p95 {_shown(found)}{without}")


def used_before(runs: Sequence[PastRun]) -> Mapping[str, Sequence[float]]:
    """What each past run used, for how far the next one may burst before anybody saw it.

    Mean cores, and the peak of memory: a run seldom uses its peak, so a risk that rests on peaks is
    an upper bound. Empty with fewer than `FEWEST_RUNS`, of which little follows.
    """
    telling = _telling(runs)
    return _used(telling) if len(telling) >= FEWEST_RUNS else {}


def _telling(runs: Sequence[PastRun]) -> Sequence[PastRun]:
    return [run for run in runs if not run.failed_at_once] or runs


def _used(runs: Sequence[PastRun]) -> Mapping[str, Sequence[float]]:
    return {
        "cpu": [run.cores for run in runs],
        "memory": [float(run.peak_bytes) for run in runs],
    }


def _script(words: Sequence[str]) -> Sequence[str]:
    """The module, or the end of the path of the file, that a runtime is told to run."""
    for place, word in enumerate(words):
        if word == "-m":
            return words[place : place + 2]
        near = "/".join(word.split("/")[-_WORDS:])
        if _PLAIN.fullmatch(near) and re.search(r"[./]", word) and not word.startswith("-"):
            return [near]
    return []


def _name(word: str) -> str:
    name = "_".join(word.rpartition("/")[2].split())
    return re.sub(r"[\d.]+$", "", name) if name.startswith("python") else name


def _quantile(values: Sequence[float]) -> float:
    """The smallest value that at least 95 % of all do not exceed."""
    return sorted(values)[math.ceil(QUANTILE * len(values)) - 1]


def _rounded(resource: str, amount: float) -> float:
    step = _STEP[resource]
    return max(LEAST[resource], round(math.ceil(amount / step - 1e-9) * step, 6))


def _shown(resources: Mapping[str, float]) -> str:
    units: Mapping[str, Unit] = {"cpu": "core", "memory": "byte"}
    return " and ".join(format_amount(amount, units[name]) for name, amount in resources.items())
