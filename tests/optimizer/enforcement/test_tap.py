"""What passes through the tap is the same byte for byte, whatever the host's ends are."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from optimizer.enforcement import tap as taps
from optimizer.enforcement.tap import Tap


@contextmanager
def standing_for(standard: int, descriptor: int) -> Iterator[None]:
    """Another stdin or stdout, for a while."""
    kept = os.dup(standard)
    os.dup2(descriptor, standard)
    os.close(descriptor)
    try:
        yield
    finally:
        os.dup2(kept, standard)
        os.close(kept)


def ends(kind: str) -> tuple[int, int]:
    """Where one reads and the other writes."""
    if kind == "pipes":
        return os.pipe()
    reading, writing = socket.socketpair()
    return reading.detach(), writing.detach()


@pytest.mark.parametrize("kind", ["pipes", "sockets"])
def test_many_bytes_pass_both_ways_unchanged(kind: str) -> None:
    sent = b"".join(b"%d %s\n" % (n, b"x" * (n % 4000)) for n in range(2000))
    stdin, to_front = ends(kind)
    from_front, stdout = ends(kind)
    server_in, to_server = os.pipe()
    from_server, server_out = os.pipe()
    echoing = threading.Thread(target=_echo, args=(server_in, server_out))
    writing = threading.Thread(target=_write, args=(to_front, sent))

    with standing_for(0, stdin), standing_for(1, stdout):
        tapped = Tap(to_server, from_server)
        tapped.start()
        echoing.start()
        writing.start()
        came = b"".join(iter(lambda: os.read(from_front, taps.CHUNK), b""))
        tapped.finish()

    assert came == sent


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        while data:
            data = data[stream.write(data) :]


def _echo(source: int, target: int) -> None:
    with os.fdopen(target, "wb", buffering=0) as out:
        while chunk := os.read(source, 1000):
            rest = chunk
            while rest:
                rest = rest[out.write(rest) :]
    os.close(source)
