"""One sampler a store: an advisory lock on a file beside it."""

import os
from pathlib import Path


class SamplerLock:
    """Whoever holds it samples for everybody and writes; it ends with the process that holds it.

    Args:
        path: The lock file; None where nobody else can have the store (in memory).
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether it is ours now."""
        return self._path is None or self._descriptor is not None

    def acquire(self) -> bool:
        """Try once, without waiting; True when it is ours, from now or before.

        Raises:
            OSError: The file cannot be made.
        """
        if self._path is None or self._descriptor is not None:
            return True
        import fcntl

        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let another process have it; without it, nothing happens."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
