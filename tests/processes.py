"""Processes that tests look at from outside."""

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

Seen = TypeVar("Seen")

AGAIN_S = 0.05


def until(look: Callable[[], Seen], *, within_s: float = 300) -> Seen:
    """What there is to see, once there is; where nobody answers yet, there is nothing."""
    end, trouble = time.monotonic() + within_s, None
    while time.monotonic() < end:
        try:
            if seen := look():
                return seen
        except OSError as error:
            trouble = error
        time.sleep(AGAIN_S)
    raise AssertionError(f"not seen within {within_s} s ({trouble})")


def ended(pid: int, *, within_s: float = 300) -> bool:
    """Whether a process has ended, or does so soon; a kill is no end yet."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    readable, _, _ = select.select([handle], [], [], within_s)
    os.close(handle)
    return bool(readable)


def listening_port(pid: int) -> int | None:
    """The TCP port on which a process listens; None while it listens on none."""
    connections = psutil.Process(pid).net_connections(kind="tcp")
    ports = (each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN)
    return next(ports, None)


def is_gone(pid: int) -> bool:
    """Whether nothing but a zombie is left of a process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"
