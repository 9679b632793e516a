"""Files of the kernel, held open: to read one again is one call instead of four."""

import os
import threading
import weakref

PIECE = 1 << 15

HALF_A_PAGE = 2048
"""The kernel fills a page with whole lines before it answers: what is shorter was the end."""


class KernelFiles:
    """Reads files of /proc, /sys and control groups, which say something else each time.

    They may be read from any thread. They are closed with this object, or by `close`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, int] = {}
        weakref.finalize(self, _close_all, self._open)

    def read(self, path: str) -> bytes:
        """The whole of a file as it is now.

        Raises:
            OSError: It cannot be read; the next time it is opened anew.
        """
        with self._lock:
            descriptor = self._open.get(path)
            if descriptor is None:
                descriptor = self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                whole = os.pread(descriptor, PIECE, 0)
                return whole if len(whole) < HALF_A_PAGE else _to_the_end(descriptor, whole)
            except OSError:
                os.close(self._open.pop(path))
                raise

    def close(self) -> None:
        """Let go of every file, so that one which was replaced is seen; the next read opens it."""
        with self._lock:
            _close_all(self._open)


def _to_the_end(descriptor: int, whole: bytes) -> bytes:
    piece = whole
    while len(piece) >= HALF_A_PAGE:
        piece = os.pread(descriptor, PIECE, len(whole))
        whole += piece
    return whole


def _close_all(descriptors: dict[str, int]) -> None:
    while descriptors:
        os.close(descriptors.popitem()[1])
