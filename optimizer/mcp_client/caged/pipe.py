"""A server as a child process: lines of JSON over its stdin and stdout (I/O)."""

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from optimizer.mcp_client.caged.bounds import Bounds, CagedError, Clock

Message = dict[str, Any]

_CHUNK = 65_536
_PR_SET_PDEATHSIG = 1
_GRACE_S = 0.5
_LAST_WORDS_S = 2.0
"""How long one that closed its stdout may take to end, on a busy machine too."""


class Pipe:
    """A server that this process starts, without a shell, in a session of its own.

    Args:
        argv: The program and its arguments.
        env: Its whole environment.
        cwd: Its working folder; None for ours.
        bounds: What it may take and send.
        cell: Folder of the control group that holds it; None where there is none.

    Raises:
        CagedError: It cannot be started.
    """

    def __init__(
        self,
        argv: list[str],
        *,
        env: Mapping[str, str],
        cwd: str | None,
        bounds: Bounds,
        cell: str | None,
    ) -> None:
        self._bounds = bounds
        try:
            self._process = subprocess.Popen(
                argv,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_limited(bounds, cell),
            )
        except OSError as error:
            reason = f"it cannot be started ({error.strerror or error})"
            raise CagedError("absent", reason) from None
        except ValueError as error:
            raise CagedError("absent", f"it cannot be started ({error})") from None
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._in, self._out, self._err = (
            stream.fileno() for stream in streams if stream is not None
        )
        for descriptor in (self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
        self._open = {self._out, self._err}
        self._rest = bytearray()
        self._scanned = 0
        self._received = 0
        self._stderr = b""

    @property
    def stderr_tail(self) -> str:
        """The end of what it wrote to stderr, in one line."""
        return " ".join(self._stderr.decode(errors="replace").split())

    def exchange(self, message: Message, headers: Mapping[str, str], clock: Clock) -> None:
        """Send a message; `messages` brings the answer.

        Raises:
            CagedError: It went away, or does not read.
        """
        rest = memoryview(json.dumps(message).encode() + b"\n")
        while rest:
            writable = self._wait(clock, "a message", writing=True)
            if not writable:
                continue
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._gone(clock) from None

    def messages(self, clock: Clock, what: str) -> Iterator[Message]:
        """What it sends, message by message; lines that are no JSON objects are passed over.

        Raises:
            CagedError: It went away, sent too much, or nothing more within the deadline.
        """
        while True:
            while (end := self._rest.find(b"\n", self._scanned)) >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                self._scanned = 0
                message = parsed(line)
                if message is not None:
                    yield message
            self._scanned = len(self._rest)
            if self._out not in self._open:
                raise self._gone(clock)
            self._wait(clock, what)

    def close(self) -> None:
        """End it politely, then not: close stdin, SIGTERM, SIGKILL, each to its whole group."""
        group = self._process.pid
        os.close(self._in)
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None and not _signalled(group, number):
                break
            deadline = time.monotonic() + _GRACE_S
            while self._process.poll() is None and time.monotonic() < deadline:
                self._drain()
        _signalled(group, signal.SIGKILL)

    def _wait(self, clock: Clock, what: str, *, writing: bool = False) -> bool:
        """Take in what there is; whether stdin can be written to."""
        left = clock.require(what)
        wanted = [self._in] if writing else []
        ready, writable, _ = select.select(list(self._open), wanted, [], left)
        for descriptor in ready:
            self._take(descriptor)
        return bool(writable)

    def _drain(self) -> None:
        ready, _, _ = select.select(list(self._open), [], [], 0.01)
        for descriptor in ready:
            if not os.read(descriptor, _CHUNK):
                self._open.discard(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self._open.discard(descriptor)
        elif descriptor == self._err:
            self._stderr = (self._stderr + chunk)[-self._bounds.stderr_kept :]
        else:
            self._rest += chunk
            self._received += len(chunk)
            if self._received > self._bounds.received:
                limit = self._bounds.received
                raise CagedError("too_much", f"it sent more than {limit} bytes to stdout")

    def _gone(self, clock: Clock) -> CagedError:
        """Why there is nobody at the other end."""
        while self._err in self._open and clock.left > 0:
            ready, _, _ = select.select([self._err], [], [], min(0.2, clock.left))
            if not ready:
                break
            self._take(self._err)
        try:
            code = self._process.wait(timeout=_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            return CagedError("closed", "it closed its stdout")
        how = f"with code {code}" if code >= 0 else f"by signal {-code}"
        return CagedError("closed", f"it ended {how}")


def parsed(line: bytes) -> Message | None:
    """A line as a message; None for one that is no JSON object.

    Raises:
        CagedError: It is nested too deeply to be read at all.
    """
    try:
        message = json.loads(line)
    except RecursionError:
        raise CagedError(
            "too_much", "it sent JSON that is nested about 1,000 deep or more"
        ) from None
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def die_with_parent() -> None:
    """End when the parent ends, however it does; Linux only, elsewhere nothing."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _limited(bounds: Bounds, cell: str | None) -> Callable[[], None]:
    def limit() -> None:
        die_with_parent()
        if cell is not None:
            with suppress(OSError), open(f"{cell}/cgroup.procs", "w") as members:
                members.write("0")
        for kind, most in (
            (resource.RLIMIT_DATA, bounds.server_data),
            (resource.RLIMIT_CPU, bounds.server_cpu_s),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))

    return limit


def _signalled(group: int, number: int) -> bool:
    """Signal everything in the group; False when nothing is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
