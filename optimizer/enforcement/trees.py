"""A command and all that it started, by their processes (I/O): where there is no control group."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from optimizer.machine.processes import ProcessId, ProcessUse, children_of, identify, read_process

_NEAR = 3
"""A front, its watcher, the command."""


class Tree:
    """The processes below one.

    Args:
        pid: The first.

    Raises:
        ProcessLookupError: It is gone.
    """

    def __init__(self, pid: int) -> None:
        self._known: dict[int, ProcessId] = {pid: identify(pid)}

    def memory_bytes(self) -> int:
        """Memory of all of them now."""
        return sum(use.memory_bytes for use in self._running())

    def end(self) -> None:
        """Kill what is left, also what was seen before and has left its parents since."""
        for use in self._running():
            try:
                os.kill(use.identity.pid, signal.SIGKILL)
            except OSError:
                continue

    def _running(self) -> list[ProcessUse]:
        """Those that were seen, as far as they still run, and all below them."""
        found = {use.identity.pid: use for use in self._walk()}
        self._known = {pid: use.identity for pid, use in found.items()}
        return list(found.values())

    def _walk(self) -> Iterator[ProcessUse]:
        waiting, seen = list(self._known), set()
        while waiting:
            pid = waiting.pop()
            use = None if pid in seen else read_process(pid)
            seen.add(pid)
            if use is None or self._known.get(pid, use.identity) != use.identity:
                continue
            yield use
            waiting += children_of(pid)


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process is another, or was started by it, or by what that started.

    A claim over the socket is not enough: whoever names a process has it moved and, in the end,
    killed by us.
    """
    for _ in range(_NEAR):
        if pid == ancestor:
            return True
        parent = _parent_of(pid)
        if parent is None:
            return False
        pid = parent
    return pid == ancestor


def _parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat[stat.rindex(b")") + 2 :].split()[1])
