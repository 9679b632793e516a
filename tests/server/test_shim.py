import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.shim import Handshake

INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}\n'
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_health"}}\n'


def answer(number: int) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": {}}).encode() + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "daemon.sock"


@pytest.fixture
def listener(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(300)
        yield server


@pytest.fixture
def shim(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; from server.shim import main; sys.exit(main())"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SRO_SOCKET": str(path)},
        bufsize=0,
    ) as process:
        yield process
        process.kill()


def say(shim: subprocess.Popen[bytes], line: bytes) -> None:
    assert shim.stdin is not None
    shim.stdin.write(line)


def hear(shim: subprocess.Popen[bytes]) -> bytes:
    assert shim.stdout is not None
    return shim.stdout.readline()


def take(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(300)
    return connection


def accept(listener: socket.socket) -> socket.socket:
    """Answer the word that a shim asks first, as a daemon that lives does."""
    with take(listener) as asking:
        assert json.loads(asking.recv(1 << 16)) == {"control": "status"}
        asking.sendall(b"{}\n")
    return take(listener)


def test_lines_pass_through_unchanged_both_ways(
    listener: socket.socket, shim: subprocess.Popen[bytes]
) -> None:
    odd = '{"jsonrpc": "2.0",  "id": 7, "result": {"text": "é  \\u2028"}}\n'.encode()
    with accept(listener) as daemon:
        say(shim, CALL)
        assert daemon.recv(1 << 16) == CALL
        daemon.sendall(odd)
        assert hear(shim) == odd


def test_answers_larger_than_every_buffer_arrive_whole(
    listener: socket.socket, shim: subprocess.Popen[bytes]
) -> None:
    large = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * 5_000_000 + b'"}\n'
    with accept(listener) as daemon:
        sender = threading.Thread(target=daemon.sendall, args=(large,))
        sender.start()
        assert hear(shim) == large
        sender.join()


def test_the_end_of_stdin_lets_the_last_answer_out(
    listener: socket.socket, shim: subprocess.Popen[bytes]
) -> None:
    assert shim.stdin is not None
    with accept(listener) as daemon:
        say(shim, CALL)
        shim.stdin.close()
        with daemon.makefile("rb") as incoming:
            assert incoming.read() == CALL
        daemon.sendall(answer(7))
    assert hear(shim) == answer(7)
    assert shim.wait(300) == 0


def test_a_daemon_that_dies_leaves_an_error_and_the_next_call_meets_a_new_one(
    listener: socket.socket, shim: subprocess.Popen[bytes]
) -> None:
    with accept(listener) as daemon:
        say(shim, INITIALIZE)
        assert daemon.recv(1 << 16) == INITIALIZE
        daemon.sendall(answer(0))
        assert hear(shim) == answer(0)
        say(shim, INITIALIZED + CALL)
        assert daemon.recv(1 << 16) == INITIALIZED + CALL

    error = json.loads(hear(shim))
    assert error["id"] == 7
    assert "Call again" in error["error"]["message"]

    say(shim, CALL)
    with accept(listener) as successor:
        with successor.makefile("rb") as incoming:
            assert [incoming.readline() for _ in range(3)] == [INITIALIZE, INITIALIZED, CALL]
        successor.sendall(answer(0) + answer(7))
        assert hear(shim) == answer(7)


def test_a_killed_daemon_whose_socket_still_takes_connections_is_sent_no_call(
    listener: socket.socket, shim: subprocess.Popen[bytes]
) -> None:
    with take(listener) as dropped:
        assert CALL not in dropped.recv(1 << 16)
    with accept(listener) as daemon:
        say(shim, CALL)
        assert daemon.recv(1 << 16) == CALL
    assert "Call again" in json.loads(hear(shim))["error"]["message"]

    say(shim, CALL)
    for _ in range(3):
        with take(listener) as dropped:
            assert CALL not in dropped.recv(1 << 16)
    with accept(listener) as successor:
        assert successor.recv(1 << 16) == CALL
        successor.sendall(answer(7))
        assert hear(shim) == answer(7)


def test_a_host_that_is_gone_ends_the_shim(
    listener: socket.socket, shim: subprocess.Popen[bytes]
) -> None:
    assert shim.stdout is not None
    with accept(listener) as daemon:
        shim.stdout.close()
        daemon.sendall(answer(1))
        assert shim.wait(300) == 0


def test_sigterm_ends_the_shim_without_a_byte(
    listener: socket.socket, shim: subprocess.Popen[bytes]
) -> None:
    with accept(listener):
        shim.send_signal(signal.SIGTERM)
        assert shim.wait(300) == -signal.SIGTERM
    assert hear(shim) == b""


def test_a_handshake_that_was_lost_is_the_hosts_to_repeat() -> None:
    handshake = Handshake()
    handshake.sent(INITIALIZE)

    assert len(handshake.lost()) == 1
    assert handshake.repeat() == b""
