"""`sro stdio`: this process's stdin and stdout, joined to the daemon's socket.

Every desktop host starts one of these, so it uses the standard library only, and little of it. It
passes lines of JSON-RPC through unchanged, and starts the daemon when none runs. When the daemon
ends under it, calls in flight are answered with an error at once, and the next line from the host
starts a new daemon and repeats the host's handshake to it.
"""

import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable

from optimizer.places import socket_path

CONNECT_DEADLINE_S = 45.0
"""A first start compiles every module, and on a busy machine that takes a while."""

LOG_BYTES = 10 * 2**20
"""A daemon whose log is longer than this begins it anew."""

POLL_S = 0.02
CHUNK = 1 << 16
DAEMON_ENDED = -32000

_STDIN, _STDOUT = 0, 1
_Stream = int | socket.socket


class DaemonUnreachableError(Exception):
    """No daemon answers at the socket, and none could be started."""


def connect(
    path: str,
    *,
    deadline_s: float = CONNECT_DEADLINE_S,
    started: Callable[[int], object] = lambda pid: None,
) -> socket.socket:
    """Connect to the daemon, starting it when none listens.

    A daemon that was killed closes its connections some milliseconds before its socket, which takes
    further ones until then and drops them; so a daemon must answer a word first, which changes
    nothing.

    Args:
        path: Its socket.
        deadline_s: How long to try.
        started: Told the process id of a daemon that was started.

    Raises:
        DaemonUnreachableError: None answered before the deadline, or this user may not connect.
    """
    end = time.monotonic() + deadline_s
    is_started = False
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _hear_from(path)
            connection.connect(path)
            return connection
        except PermissionError:
            connection.close()
            raise DaemonUnreachableError(
                f"this user may not connect to {path}; an operator can add it to the group of that "
                "socket, or SRO_SOCKET can name another"
            ) from None
        except OSError as error:
            connection.close()
            if time.monotonic() > end:
                raise DaemonUnreachableError(
                    f"no daemon answers at {path} ({error.strerror or error}) and none started "
                    f"within {deadline_s:.0f} s; see {daemon_log(path)}, or run `sro doctor`"
                ) from None
            nobody_listens = isinstance(error, FileNotFoundError | ConnectionRefusedError)
        if nobody_listens and not is_started:
            started(start_daemon(path))
            is_started = True
        time.sleep(POLL_S)


def _hear_from(path: str) -> None:
    from server.control import ask

    ask(path, "status")


def daemon_log(path: str) -> str:
    """Where a daemon that a shim started writes what goes wrong."""
    return f"{path.removesuffix('.sock')}.log"


def start_daemon(path: str) -> int:
    """Start a daemon that outlives this process; many at once is fine, one of them stays.

    Returns:
        Its process id.
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    arguments = [sys.executable, "-m", "server.daemon", "--socket", path]
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(daemon_log(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.fstat(log).st_size > LOG_BYTES:
        os.ftruncate(log, 0)
    streams = [(os.POSIX_SPAWN_DUP2, nothing, 0), (os.POSIX_SPAWN_DUP2, log, 1)]
    streams.append((os.POSIX_SPAWN_DUP2, log, 2))
    try:
        return os.posix_spawn(
            sys.executable, arguments, os.environ, file_actions=streams, setsid=True
        )
    finally:
        os.close(nothing)
        os.close(log)


class Handshake:
    """What must be said again to a new daemon, and which calls still wait for an answer."""

    def __init__(self) -> None:
        self._said: list[bytes] = []
        self._waiting: dict[str, object] = {}
        self._repeated: set[str] = set()

    def sent(self, line: bytes) -> None:
        """Note a line from the host."""
        message = _parse(line)
        method = message.get("method")
        if method in ("initialize", "notifications/initialized"):
            self._said.append(line)
        if method is not None and "id" in message:
            self._waiting[json.dumps(message["id"])] = message["id"]

    def received(self, line: bytes) -> bool:
        """Note a line from the daemon; False when it answers a repeated handshake."""
        message = _parse(line)
        if "method" in message or "id" not in message:
            return True
        key = json.dumps(message["id"])
        if key in self._repeated:
            self._repeated.discard(key)
            return False
        self._waiting.pop(key, None)
        return True

    def lost(self) -> list[bytes]:
        """The daemon is gone: an error for each call that waited, as lines for the host."""
        errors = [_error(number) for number in self._waiting.values()]
        self._said = [line for line in self._said if self._was_answered(line)]
        self._waiting.clear()
        self._repeated.clear()
        return errors

    def _was_answered(self, line: bytes) -> bool:
        return json.dumps(_parse(line).get("id")) not in self._waiting

    def repeat(self) -> bytes:
        """What the host said to begin with, for a new daemon."""
        for line in self._said:
            message = _parse(line)
            if "id" in message:
                self._repeated.add(json.dumps(message["id"]))
        return b"".join(self._said)


def _parse(line: bytes) -> dict[str, object]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _error(number: object) -> bytes:
    text = (
        "the optimizer's daemon ended while it answered; what it acknowledged is kept. "
        "Call again: the next call starts a new one"
    )
    error = {"code": DAEMON_ENDED, "message": text}
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode() + b"\n"


class Shim:
    """Passes lines both ways until the host closes its end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._handshake = Handshake()
        self._daemon: socket.socket | None = None
        self._host_is_open = True
        self._from_host = b""
        self._from_daemon = b""
        self._to_daemon = b""

    def run(self) -> None:
        """Serve until stdin ends and the last answer is out.

        Raises:
            DaemonUnreachableError: No daemon could be reached or started.
        """
        self._open()
        while self._host_is_open or self._daemon is not None:
            readable, writable = self._wait()
            if self._daemon in writable:
                self._send()
            if self._daemon in readable:
                self._receive()
            if _STDIN in readable:
                self._read_host()

    def _wait(self) -> tuple[list[_Stream], list[_Stream]]:
        """What can be read or written; the host is not read while the daemon is behind."""
        reading: list[_Stream] = [_STDIN] if self._host_is_open and not self._to_daemon else []
        writing: list[_Stream] = []
        if self._daemon is not None:
            reading.append(self._daemon)
            writing = [self._daemon] if self._to_daemon else []
        readable, writable, _ = select.select(reading, writing, [])
        return readable, writable

    def _open(self) -> None:
        self._daemon = connect(self._path)
        self._daemon.setblocking(False)
        self._to_daemon = self._handshake.repeat()

    def _read_host(self) -> None:
        chunk = os.read(_STDIN, CHUNK)
        if not chunk:
            self._host_is_open = False
            self._finish_when_sent()
            return
        lines, self._from_host = _split(self._from_host + chunk)
        if lines and self._daemon is None:
            self._open()
        for line in lines:
            self._handshake.sent(line)
            self._to_daemon += line

    def _send(self) -> None:
        assert self._daemon is not None
        try:
            sent = self._daemon.send(self._to_daemon)
        except OSError:
            self._lose_daemon()
            return
        self._to_daemon = self._to_daemon[sent:]
        self._finish_when_sent()

    def _finish_when_sent(self) -> None:
        """Once the host is done and all is passed on, let the daemon finish and close its end."""
        if self._daemon is None or self._host_is_open or self._to_daemon:
            return
        try:
            self._daemon.shutdown(socket.SHUT_WR)
        except OSError:
            self._lose_daemon()

    def _receive(self) -> None:
        if self._daemon is None:
            return
        try:
            chunk = self._daemon.recv(CHUNK)
        except OSError:
            chunk = b""
        if not chunk:
            self._lose_daemon()
            return
        lines, self._from_daemon = _split(self._from_daemon + chunk)
        for line in lines:
            if self._handshake.received(line):
                _write(line)

    def _lose_daemon(self) -> None:
        """Answer what waits with an error; the next line from the host opens a new connection."""
        if self._daemon is not None:
            self._daemon.close()
        self._daemon = None
        self._from_daemon = self._to_daemon = b""
        for line in self._handshake.lost():
            _write(line)


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines, each with its end, and the rest."""
    *lines, rest = data.split(b"\n")
    return [line + b"\n" for line in lines], rest


def _write(line: bytes) -> None:
    while line:
        line = line[os.write(_STDOUT, line) :]


def serve_rest(path: str) -> str:
    """Let the daemon serve HTTP too, and start it when none runs.

    Returns:
        Where it serves, or why not, in words.
    """
    from server.control import ask

    connect(path).close()
    answer = ask(path, "rest") or {}
    if "url" in answer:
        return f"REST and MCP over HTTP at {answer['url']}"
    return f"no HTTP: {answer.get('reason', 'the daemon ended')}"


def main(*, rest: bool = False) -> int:
    """Join stdin and stdout to the daemon; 0 when the host closed its end.

    Args:
        rest: Whether the daemon is to serve HTTP too.
    """
    path = socket_path(os.environ)
    try:
        if rest:
            sys.stderr.write(f"{serve_rest(path)}\n")
        Shim(path).run()
    except DaemonUnreachableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:
        return 0
    return 0
