"""Single processes in /proc: what each one used, and what it started. Formats: proc(5)."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be taken for another.

    Attributes:
        pid: Its number, which the kernel gives to another process later.
        started_ticks: When it started, in ticks since the boot.
    """

    pid: int
    started_ticks: int


@dataclass(frozen=True)
class ProcessUse:
    """What one process has used.

    Attributes:
        identity: Which one.
        cpu_s: CPU time of its own and of its children that ended and were waited for, in seconds.
        memory_bytes: Resident memory that no file stands behind and that it shares with nobody by
            name: what would come back if it ended. Pages that a fork shares count in both.
    """

    identity: ProcessId
    cpu_s: float
    memory_bytes: int


_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def identify(pid: int, root: Path = Path("/")) -> ProcessId:
    """The process that has this number now.

    Raises:
        ProcessLookupError: There is none.
    """
    try:
        return _from_stat(pid, (root / f"proc/{pid}/stat").read_bytes())[0]
    except OSError as error:
        raise ProcessLookupError(f"no process {pid}") from error


def read_process(pid: int, root: Path = Path("/")) -> ProcessUse | None:
    """What a process has used; None when it is gone."""
    folder = f"{root}/proc/{pid}"
    try:
        with open(f"{folder}/stat", "rb") as stat, open(f"{folder}/statm", "rb") as statm:
            identity, cpu_s = _from_stat(pid, stat.read())
            resident, shared = statm.read().split()[1:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return ProcessUse(identity, cpu_s, max(0, int(resident) - int(shared)) * _PAGE_BYTES)


def children_of(pid: int, root: Path = Path("/")) -> tuple[int, ...]:
    """Numbers of the processes that a process started; empty when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"{root}/proc/{pid}/task"):
            with open(f"{root}/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        return tuple(found)
    return tuple(found)


def resident_below(pid: int, in_parts: bool = False, root: Path = Path("/")) -> dict[int, int]:
    """All that a process started, and what these started: number to resident bytes.

    Args:
        pid: The process; it is not among them.
        in_parts: Whether each page counts in parts, one for each process that maps it (PSS): a
            program and its launcher share much, and asking costs milliseconds.
        root: Where /proc stands.
    """
    found: dict[int, int] = {}
    waiting = list(children_of(pid, root))
    while waiting:
        child = waiting.pop()
        if child in found:
            continue
        try:
            with open(f"{root}/proc/{child}/statm", "rb") as statm:
                found[child] = int(statm.read().split()[1]) * _PAGE_BYTES
        except (FileNotFoundError, ProcessLookupError):
            continue
        waiting += children_of(child, root)
    if not in_parts:
        return found
    return {child: _in_parts(child, root, resident) for child, resident in found.items()}


def _in_parts(pid: int, root: Path, resident: int) -> int:
    """Proportional bytes of a process; its resident ones where the kernel does not tell."""
    try:
        with open(f"{root}/proc/{pid}/smaps_rollup", "rb") as rollup:
            line = next(line for line in rollup if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return resident
    return int(line.split()[1]) * 1024


def _from_stat(pid: int, stat: bytes) -> tuple[ProcessId, float]:
    """Identity and CPU seconds; the name, in brackets, may hold blanks and brackets itself."""
    fields = stat[stat.rindex(b")") + 2 :].split()
    ticks = sum(int(field) for field in fields[11:15])
    return ProcessId(pid, int(fields[19])), ticks * _TICK_S
