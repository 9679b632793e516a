"""Between a host and a stdio MCP server (I/O): passes bytes on, and listens. Standard library only.

Two threads wait in the kernel for what comes, and the kernel passes it on before they wake
(tee(2)); what it held is read once nothing passes for a moment. So a call waits neither for Python
to wake nor for our reading of it.
"""

import contextlib
import ctypes
import errno
import os
import sys
import threading
import time
from collections import deque

from optimizer.enforcement.calls import Call, Conversation, Direction

CHUNK = 1 << 16
MOST_UNREAD = 128
"""More chunks than this are read at once, quiet or not."""

GIVE_WAY_S = 0.0002
"""How long reading may hold up what came meanwhile; the interpreter's own 5 ms outlast a call."""

DRAIN_S = 2.0
"""How long the last words of a server may take to reach its host."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.tee.restype = ctypes.c_ssize_t


class Tap:
    """The two streams of a server, and the calls that ended on them.

    Args:
        to_server: Where the server's stdin is written.
        from_server: Where the server's stdout is read.

    Attributes:
        quiet_s: Nothing passed for so long: now there is time to read.
        woken: Becomes readable when something passed that was not read yet.
        host_left: Set when the host reads no more.
    """

    quiet_s = 0.05

    def __init__(self, to_server: int, from_server: int) -> None:
        self._to_server, self._from_server = to_server, from_server
        self._conversation = Conversation()
        self._unread: deque[tuple[Direction, bytes, float]] = deque()
        self.woken, self._wake = os.pipe()
        os.set_blocking(self.woken, False)
        self.host_left = False
        self._threads = (
            threading.Thread(target=self._listen_to_host, daemon=True, name="to-server"),
            threading.Thread(target=self._listen_to_server, daemon=True, name="to-host"),
        )

    def start(self) -> None:
        """Pass on from now on."""
        sys.setswitchinterval(GIVE_WAY_S)
        for thread in self._threads:
            thread.start()

    @property
    def tools(self) -> list[object] | None:
        """The first whole list of tools that passed and was read."""
        return self._conversation.tools

    @property
    def has_unread(self) -> bool:
        """Whether something passed that was not read."""
        return bool(self._unread)

    def is_quiet(self, now_s: float) -> bool:
        """Whether what passed should be read now."""
        if not self._unread:
            return False
        return len(self._unread) > MOST_UNREAD or now_s - self._unread[-1][2] > self.quiet_s

    def read(self) -> list[Call]:
        """Read what passed; the calls that ended with it."""
        ended: list[Call] = []
        with contextlib.suppress(BlockingIOError):
            os.read(self.woken, CHUNK)
        while self._unread:
            direction, chunk, at_s = self._unread.popleft()
            ended += self._conversation.passed(direction, chunk, at_s)
        return ended

    def finish(self) -> list[Call]:
        """After the server ended: let its last words pass, and read everything."""
        self._threads[1].join(DRAIN_S)
        return self.read() + self._conversation.broken()

    def _listen_to_host(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._pass_on(0, self._to_server, "to_server")
        os.close(self._to_server)
        _leave(0)

    def _listen_to_server(self) -> None:
        try:
            self._pass_on(self._from_server, 1, "to_host")
        except BrokenPipeError:
            self.host_left = True
        os.close(self._from_server)
        _leave(1)
        os.write(self._wake, b"!")

    def _pass_on(self, source: int, target: int, direction: Direction) -> None:
        """Pass chunks on until the end, by the kernel where both ends are pipes.

        Whoever got the chunk may wait for our core, so we step back before we note it. After a wait
        the processor has forgotten us, so each step here takes several times what it seems to:
        names are local, and only the first chunk after a silence wakes anybody.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        unread, note, now = self._unread, self._unread.append, time.monotonic
        tee, read, step_back = _LIBC.tee, os.read, os.sched_yield
        while (size := tee(source, target, CHUNK, 0)) != 0:
            if size > 0:
                at_s, is_first = now(), not unread
                step_back()
                note((direction, read(source, size), at_s))
                if is_first or len(unread) > MOST_UNREAD:
                    os.write(self._wake, b"!")
                continue
            why = ctypes.get_errno()
            if why == errno.EPIPE:
                raise BrokenPipeError
            if why != errno.EINTR:
                self._copy(source, target, direction)
                return

    def _copy(self, source: int, target: int, direction: Direction) -> None:
        """The same where an end is a socket, as with hosts in Node."""
        while chunk := os.read(source, CHUNK):
            is_first = not self._unread
            self._unread.append((direction, chunk, time.monotonic()))
            _write_all(target, memoryview(chunk))
            if is_first or len(self._unread) > MOST_UNREAD:
                os.write(self._wake, b"!")


def _write_all(target: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(target, rest) :]


def _leave(standard: int) -> None:
    """Close a stream of ours at our end, so that the host sees what the server did."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, standard)
    os.close(nothing)
