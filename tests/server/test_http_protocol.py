"""Bounds on the head of a request, over a real socket: S12's slow and endless headers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from anyio.abc import SocketStream
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from server.http_protocol import HEAD_TIMEOUT_S, BoundedHttpProtocol, Joined
from tests.loop_time import pass_by

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


class Strict(BoundedHttpProtocol):
    max_head_bytes = 1000


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await PlainTextResponse("hello")(scope, receive, send)


class Listening(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def listening(protocol: type[BoundedHttpProtocol] = Strict) -> AsyncIterator[int]:
    server = Listening(
        uvicorn.Config(hello, port=0, http=protocol, log_config=None, lifespan="off", ws="none")
    )
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve)
            await server.ready.wait()
            yield server.servers[0].sockets[0].getsockname()[1]
            server.should_exit = True


async def rest_of(stream: SocketStream) -> bytes:
    """Everything until the server closes."""
    received = b""
    while True:
        try:
            received += await stream.receive()
        except anyio.EndOfStream:
            return received


async def test_a_request_within_the_bounds_is_answered() -> None:
    async with (
        listening(BoundedHttpProtocol) as port,
        await anyio.connect_tcp("127.0.0.1", port) as peer,
    ):
        await peer.send(REQUEST)
        assert (await rest_of(peer)).endswith(b"hello")


async def test_who_sends_nothing_is_cut_off() -> None:
    async with listening() as port, await anyio.connect_tcp("127.0.0.1", port) as peer:
        pass_by(HEAD_TIMEOUT_S)
        assert await rest_of(peer) == b""


async def test_who_never_ends_the_headers_is_cut_off_and_others_are_served() -> None:
    async with listening() as port, await anyio.connect_tcp("127.0.0.1", port) as slow:
        await slow.send(b"GET / HTTP/1.1\r\nhost: loc")
        async with await anyio.connect_tcp("127.0.0.1", port) as other:
            await other.send(REQUEST)
            assert (await rest_of(other)).endswith(b"hello")
        pass_by(HEAD_TIMEOUT_S)
        assert await rest_of(slow) == b""


async def test_a_head_that_is_too_long_is_refused() -> None:
    long = b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: " + b"y" * 2000 + b"\r\n\r\n"
    async with listening() as port, await anyio.connect_tcp("127.0.0.1", port) as peer:
        await peer.send(long)
        answer = await rest_of(peer)

    assert answer.startswith(b"HTTP/1.1 400")


async def test_many_small_headers_count_together() -> None:
    many = b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: y\r\n" % i for i in range(500)) + b"\r\n"
    async with listening() as port, await anyio.connect_tcp("127.0.0.1", port) as peer:
        await peer.send(many)
        answer = await rest_of(peer)

    assert answer.startswith(b"HTTP/1.1 400")


class Wire(asyncio.Transport):
    """Notes what is sent in one piece."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.sent.append(b"closed")


async def test_the_head_of_an_answer_is_sent_with_its_body() -> None:
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())

    joined.write(b"head,")
    joined.write(b"body")
    joined.write(b"alone")
    await anyio.lowlevel.checkpoint()

    assert wire.sent == [b"head,body", b"alone"]


async def test_what_is_held_is_sent_before_the_connection_is_closed() -> None:
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())

    joined.write(b"alone")
    joined.close()
    await anyio.lowlevel.checkpoint()

    assert wire.sent == [b"alone", b"closed"]
