"""What is below this process (I/O): gathered, counted and ended. Standard library only.

Source: prctl(2), wait4(2), proc(5).
"""

import ctypes
import os
import signal
import time
from collections.abc import Set
from typing import Any

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_LOOK_AGAIN_S = 0.02


def take_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when our parent ends, by the kernel."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


class Reaped:
    """What ended below us, and what it had used."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s = 0.0
        self._peak_bytes = 0
        self.status: int | None = None
        self.all_gone = False

    def now(self) -> bool:
        """Collect what ended; whether the command is among it."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.all_gone = True
                break
            if pid == 0:
                break
            self._cpu_s += used.ru_utime + used.ru_stime
            self._peak_bytes = max(self._peak_bytes, used.ru_maxrss * 1024)
            if pid == self._pid:
                self.status = status
        return self.status is not None

    def told(self, *, left: int) -> dict[str, Any]:
        """The end, as the front reads it."""
        used = {"cpu_s": self._cpu_s, "peak_bytes": self._peak_bytes}
        return {"status": self.status or 0, "left": left, **used}


def end_descendants(grace_s: float, reaped: Reaped, spared: Set[int] = frozenset()) -> None:
    """SIGTERM, a grace, and SIGKILL until nothing is left below us but who is spared."""
    deadline = time.monotonic() + grace_s
    if grace_s:
        _signal_all(signal.SIGTERM, spared)
    while True:
        reaped.now()
        if reaped.all_gone or (spared and not descendants(spared)):
            return
        if time.monotonic() >= deadline:
            _signal_all(signal.SIGKILL, spared)
        time.sleep(_LOOK_AGAIN_S)


def _signal_all(number: int, spared: Set[int]) -> None:
    for pid in descendants(spared):
        try:
            os.kill(pid, number)
        except OSError:
            continue


def descendants(spared: Set[int] = frozenset()) -> list[int]:
    """Everything below us that has not ended; neither zombies nor who is spared, nor theirs."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = [
            pid for pid in _children(waiting.pop()) if pid not in spared and not _is_zombie(pid)
        ]
        found += below
        waiting += below
    return found


def _children(pid: int) -> list[int]:
    """What a process started, by all of its threads; empty when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        return found
    return found


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True
