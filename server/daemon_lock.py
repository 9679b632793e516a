"""One daemon for each socket: who holds the lock beside it is the daemon. Standard library only."""

import fcntl
import os
import time
from collections.abc import Callable


class DaemonLock:
    """An advisory lock that the kernel lets go of when its holder ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process be the daemon."""
        os.close(self._descriptor)


def take_lock(
    socket_path: str,
    *,
    wait_s: float = 0.0,
    every_s: float = 0.05,
    unless: Callable[[], bool] = lambda: False,
) -> DaemonLock | None:
    """Become the daemon of a socket.

    Args:
        socket_path: Where it listens; the lock is a file beside it.
        wait_s: How long to wait for a daemon that is ending.
        every_s: How often to try; of several who wait, the most eager is likely to be next.
        unless: Whether there is nothing to wait for any more.

    Returns:
        The lock, or None while another process holds it.
    """
    os.makedirs(os.path.dirname(socket_path), mode=0o700, exist_ok=True)
    descriptor = os.open(f"{socket_path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return DaemonLock(descriptor)
        except BlockingIOError:
            if time.monotonic() >= end or unless():
                os.close(descriptor)
                return None
        time.sleep(every_s)
