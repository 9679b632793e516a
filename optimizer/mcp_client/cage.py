"""Meeting a server that nobody trusts yet: in a process of its own, watched, and ended (I/O).

The program inside (`optimizer.mcp_client.caged`) bounds what it reads. This side bounds the time
and the memory of everything below the cage, and ends the whole tree, whatever it did to get away:
the cage is the parent of all that the server orphans.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, Protocol

import anyio
from anyio.abc import ByteReceiveStream, Process
from mcp.client.stdio import get_default_environment

from optimizer.mcp_client.caged.bounds import Bounds

TOTAL_S = 30.0
MEMORY_BYTES = 150 * 2**20
"""Most memory of a server with all that it starts, by default. A server of Node takes 67 MiB, and
npx before it 50 more; measured on the servers of benchmarks/selection/real_servers.py."""

HELD_SHARE = 0.9
"""Part of the memory that a server is held to. The rest is for what a cell does not count, such as
pages of its program that somebody else read first, and for what comes between two looks."""

FILLED_BYTES_S = 2**33
"""How fast a process fills memory at most: the less is left, the sooner we look again, unless a
cell holds it."""

SOONEST_S, LATEST_S = 0.001, 0.1
STEP_S = 0.003
"""Speed is measured over no less: memory comes in steps."""

CLOSE_S, LATE_S = 0.01, 0.003
"""What would be too much after so long, at the speed of now: is counted exactly, while it stands
still; is too much already, as a look comes late on a busy machine."""

FAST_BYTES_S = 2**27
"""Slower ones need not stand still for the milliseconds that counting takes."""

MAX_REPORT_BYTES = 32 * 2**20

_ROOT = str(Path(__file__).parents[2])
_PROGRAM = (
    f"import sys; sys.path.insert(0, {_ROOT!r}); "
    "from optimizer.mcp_client.caged.__main__ import main; main()"
)

OnStage = Callable[[str], Awaitable[None]]

Below = Callable[[int, bool], Mapping[int, int]]
"""All that a process started, and what these started: number to resident bytes; the second argument
says whether shared pages are counted in parts, which costs milliseconds."""


class Cell(Protocol):
    """A bound of memory that the kernel keeps for a server and all that it starts."""

    @property
    def folder(self) -> Path:
        """Whoever writes itself to `cgroup.procs` below it is held."""

    def starved(self) -> bool:
        """Whether something in it was ended because there was no memory left."""

    def remove(self) -> None:
        """Take it away; it is empty."""


MakeCell = Callable[[int], Cell | None]
"""Makes a cell of so many bytes, where this machine lets us."""


@dataclass(frozen=True)
class Job:
    """A server to meet: a command, or a URL.

    Attributes:
        argv: The program and its arguments; no shell reads them.
        env: Variables beside HOME, LOGNAME, PATH, SHELL, TERM and USER, which alone are inherited.
        cwd: Its working folder; None for ours.
        url: Its address, instead of a command.
        headers: What every request to it carries.
        allow_local: Whether http, loopback and private addresses are allowed.
        era: How it speaks, if that is known; asking costs five seconds with some servers.
        probes: Tools that may be called if they say that they only read, with their arguments.
    """

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_local: bool = False
    era: str | None = None
    probes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Met:
    """How it went.

    Attributes:
        report: What the program in the cage said; None when it was ended before.
        problem: What ended it; None when it came to its end.
        detail: The same in words.
        resident_bytes: Of the server with all that it started, when it had listed its tools; 0 for
            one at a URL.
        left_over: How many processes a polite end left, which were ended then.
    """

    report: Mapping[str, Any] | None
    problem: str | None = None
    detail: str = ""
    resident_bytes: int = 0
    left_over: int = 0


async def meet(
    job: Job,
    *,
    below: Below,
    make_cell: MakeCell,
    bounds: Bounds | None = None,
    total_s: float = TOTAL_S,
    memory_bytes: int = MEMORY_BYTES,
    on_stage: OnStage | None = None,
) -> Met:
    """Meet a server in a cage; nothing of it is left afterwards.

    Args:
        job: The server.
        below: Tells what runs below the cage.
        make_cell: Makes what holds the server to its memory; where there is none, we look often.
        bounds: What the server may take and send.
        total_s: Seconds for everything.
        memory_bytes: Memory of the server and what it starts; more ends it.
        on_stage: Hears `connecting`, `listing` and `probing`.
    """
    held_bytes = int(memory_bytes * HELD_SHARE)
    cell = await anyio.to_thread.run_sync(make_cell, held_bytes)
    cage = await anyio.open_process(
        [sys.executable, "-I", "-c", _PROGRAM],
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={"PATH": os.environ.get("PATH", "")},
        start_new_session=True,
    )
    watch = _Watch(cage, below, held_bytes, is_held=cell is not None)
    with anyio.CancelScope() as over_memory:
        try:
            with anyio.move_on_after(total_s) as in_time:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(watch.look_again, over_memory)
                    report = await _talk(cage, cell, job, bounds or Bounds(), watch, on_stage)
                    resident = watch.resident
                    await _say(cage, b"close\n")
                    with anyio.move_on_after(5):
                        await watch.hear()
                    tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                left_over = await watch.end()
                starved = cell is not None and await anyio.to_thread.run_sync(_emptied, cell)
    if watch.is_over or starved:
        most = f"{held_bytes / 2**20:.0f} of {memory_bytes / 2**20:.0f} MiB of memory"
        detail = f"it wanted more than {most}; if it needs them, give --memory to `sro profile`"
        return Met(None, "too_much", detail, watch.resident, left_over)
    if in_time.cancelled_caught:
        return Met(None, "timeout", f"it was not done within {total_s:g} s", 0, left_over)
    if report is None:
        detail = "what it sent ended the process that read it"
        return Met(None, "too_much", detail, 0, left_over)
    return Met(report, resident_bytes=resident, left_over=left_over)


class _Watch:
    """Looks at what runs below the cage."""

    def __init__(self, cage: Process, below: Below, most_bytes: int, *, is_held: bool) -> None:
        self._cage = cage
        self._below = below
        self._most_bytes = most_bytes
        self._soonest_s = LATEST_S if is_held else SOONEST_S
        assert cage.stdout is not None
        self._lines = _Lines(cage.stdout)
        self._looked_s = time.monotonic()
        self._counted = 0
        self._speed = 0.0
        self.resident = 0
        self.is_over = False

    async def hear(self) -> Mapping[str, Any] | None:
        """The next thing that the cage says; None when it ended."""
        line = await self._lines.next()
        return None if line is None else json.loads(line)

    def look(self) -> Mapping[int, int]:
        """What runs below the cage now; when it is too much, all of it is ended at once."""
        below = self._below(self._cage.pid, False)
        resident, now_s = sum(below.values()), time.monotonic()
        grown = max(0, resident - self._counted)
        self._speed = grown / max(now_s - self._looked_s, STEP_S)
        self.resident = self._counted = resident
        self._looked_s = now_s
        return self._look_closely(below) if self._is_over_in(CLOSE_S) else below

    def _is_over_in(self, seconds: float) -> bool:
        return self.resident + self._speed * seconds > self._most_bytes

    def _look_closely(self, below: Mapping[int, int]) -> Mapping[int, int]:
        """Count pages that are shared in parts."""
        is_fast = self._speed > FAST_BYTES_S
        if is_fast:
            _signal(below, signal.SIGSTOP)
        below = self._below(self._cage.pid, True)
        self.resident = sum(below.values())
        self.is_over = self._is_over_in(LATE_S)
        if self.is_over:
            _signal(below, signal.SIGKILL)
        elif is_fast:
            _signal(below, signal.SIGCONT)
        return below

    async def look_again(self, over_memory: anyio.CancelScope) -> None:
        while not self.is_over:
            left_s = (self._most_bytes - self.resident) / FILLED_BYTES_S
            await anyio.sleep(min(LATEST_S, max(self._soonest_s, left_s)))
            self.look()
        over_memory.cancel()

    async def end(self) -> int:
        """End everything below the cage, then the cage; how many processes there were."""
        ended: set[int] = set()
        for _ in range(50):
            below = set(self._below(self._cage.pid, False)) - ended
            if not below:
                break
            _signal(below, signal.SIGKILL)
            ended |= below
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            assert self._cage.stdin is not None
            await self._cage.stdin.aclose()
        with anyio.move_on_after(2):
            await self._cage.wait()
        if self._cage.returncode is None:
            self._cage.kill()
            await self._cage.wait()
        await self._cage.aclose()
        return len(ended)


class _Lines:
    """Lines of a stream, none longer than a report may be."""

    def __init__(self, stream: ByteReceiveStream) -> None:
        self._stream = stream
        self._rest = bytearray()

    async def next(self) -> bytes | None:
        scanned = 0
        while (end := self._rest.find(b"\n", scanned)) < 0:
            scanned = len(self._rest)
            if scanned > MAX_REPORT_BYTES:
                return None
            try:
                self._rest += await self._stream.receive(2**20)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return None
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line


async def _talk(
    cage: Process,
    cell: Cell | None,
    job: Job,
    bounds: Bounds,
    watch: _Watch,
    on_stage: OnStage | None,
) -> Mapping[str, Any] | None:
    """Hand the job in and wait for the report; None when the cage ended without one."""
    values = asdict(job) | {
        "env": get_default_environment() | dict(job.env),
        "cwd": None if job.cwd is None else str(job.cwd),
        "bounds": asdict(bounds),
        "cell": None if cell is None else str(cell.folder),
    }
    await _say(cage, json.dumps(values).encode() + b"\n")
    while (heard := await watch.hear()) is not None:
        if heard["stage"] == "report":
            watch.look()
            return heard
        if on_stage is not None:
            await on_stage(heard["stage"])
    return None


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _emptied(cell: Cell) -> bool:
    """Take a cell away; whether something had starved in it."""
    starved = cell.starved()
    cell.remove()
    return starved


async def _say(cage: Process, line: bytes) -> None:
    assert cage.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await cage.stdin.send(line)
