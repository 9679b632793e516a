"""Processes that tests look at from outside."""

import os
import select


def ended(pid: int, *, within_s: float = 20) -> bool:
    """Whether a process has ended, or does so soon; a kill is no end yet."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    readable, _, _ = select.select([handle], [], [], within_s)
    os.close(handle)
    return bool(readable)
