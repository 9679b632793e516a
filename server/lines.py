"""MCP over lines of JSON on a byte stream: what a shim, or any program on the machine, connects."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from optimizer.identity import Principal

logger = logging.getLogger("sequential_resource_optimization.server")

MAX_LINE_BYTES = 4 * 2**20
"""Longest line that is taken, as the MCP transport over HTTP does; a longer one ends the peer."""


RATE_LIMITED = -32029
"""JSON-RPC code of a request that came too soon, in the range that is left to servers."""

ANSWERED_WITHIN_S = 3.0
"""How long answers may take after the peer has said its last line, as a pipe from a file does."""

WaitS = Callable[[], float | None]


class LineTooLongError(Exception):
    """The peer sent more than `MAX_LINE_BYTES` without an end of line."""


class Lines:
    """Reads lines from a stream of bytes, and never holds more than one that is too long."""

    def __init__(self, stream: ByteReceiveStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._searched = 0

    async def next(self) -> bytes | None:
        """The next line without its end; None at the end of the stream.

        Raises:
            LineTooLongError: It has no end within the bound.
        """
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._searched = 0
                return line
            self._searched = len(self._buffer)
            if self._searched > MAX_LINE_BYTES:
                raise LineTooLongError
            try:
                self._buffer += await self._stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return None


@dataclass(frozen=True)
class Streams:
    """The two ends that `mcp.server.Server.run` takes."""

    incoming: MemoryObjectReceiveStream[SessionMessage | Exception]
    outgoing: MemoryObjectSendStream[SessionMessage]


class Unanswered:
    """The requests of one peer that wait for their answer."""

    def __init__(self) -> None:
        self._ids: set[RequestId] = set()
        self._answered = anyio.Event()

    async def settled(self) -> None:
        """Wait until every request has its answer."""
        while self._ids:
            await self._answered.wait()

    def came(self, message: JSONRPCMessage) -> None:
        """Note a message from the peer."""
        if isinstance(message, JSONRPCRequest):
            self._ids.add(message.id)

    def went(self, message: JSONRPCMessage) -> None:
        """Note a message to the peer."""
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
            self._ids.discard(message.id)
            self._answered.set()
            self._answered = anyio.Event()


@asynccontextmanager
async def until_answered(streams: Streams) -> AsyncIterator[Streams]:
    """The same streams, but what comes in ends only once all that came is answered.

    The SDK's server answers with an error what it is still at when its peer has said its last line.

    Args:
        streams: The ends of another transport.
    """
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    unanswered = Unanswered()

    async def pass_in() -> None:
        async with to_server, streams.incoming:
            async for message in streams.incoming:
                if isinstance(message, SessionMessage):
                    unanswered.came(message.message)
                await to_server.send(message)
            with anyio.move_on_after(ANSWERED_WITHIN_S):
                await unanswered.settled()

    async def pass_out() -> None:
        async with from_server, streams.outgoing:
            async for message in from_server:
                await streams.outgoing.send(message)
                unanswered.went(message.message)

    async with anyio.create_task_group() as passing:
        passing.start_soon(pass_in)
        passing.start_soon(pass_out)
        yield Streams(incoming, outgoing)


@asynccontextmanager
async def json_lines(
    stream: ByteStream,
    lines: Lines,
    principal: Principal,
    *,
    first: bytes,
    unanswered: Unanswered,
    wait_s: WaitS,
) -> AsyncIterator[Streams]:
    """Turn lines into messages and messages into lines, while the body runs the server.

    Args:
        stream: The peer.
        lines: Reads from the same stream.
        principal: Who the peer is; every message carries it as its request context.
        first: A line that was read already.
        unanswered: Kept up to date with what the peer waits for.
        wait_s: Counts a request; a number refuses it for so many seconds.
    """
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_peer = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as writing:
        writing.start_soon(_write, to_peer, stream, unanswered)
        async with anyio.create_task_group() as reading:
            peer = _Peer(principal, unanswered, wait_s, to_server, outgoing.clone())
            reading.start_soon(_read, lines, first, peer)
            yield Streams(incoming, outgoing)
            reading.cancel_scope.cancel()


@dataclass(frozen=True)
class _Peer:
    """What reading one peer needs."""

    principal: Principal
    unanswered: Unanswered
    wait_s: WaitS
    to_server: MemoryObjectSendStream[SessionMessage | Exception]
    answers: MemoryObjectSendStream[SessionMessage]

    async def take(self, line: bytes) -> None:
        """Pass a line on, or refuse its request when it comes too soon."""
        message = _message(line, self.principal)
        if isinstance(message, SessionMessage) and isinstance(message.message, JSONRPCRequest):
            wait_s = self.wait_s()
            if wait_s is not None:
                await self.answers.send(_too_soon(message.message.id, wait_s))
                return
        if isinstance(message, SessionMessage):
            self.unanswered.came(message.message)
        await self.to_server.send(message)


async def _read(lines: Lines, first: bytes, peer: _Peer) -> None:
    line: bytes | None = first
    async with peer.to_server, peer.answers:
        while line is not None:
            await peer.take(line)
            try:
                line = await lines.next()
            except LineTooLongError:
                logger.warning("a peer sent a line of over %d bytes; closed", MAX_LINE_BYTES)
                return
        with anyio.move_on_after(ANSWERED_WITHIN_S):
            await peer.unanswered.settled()


def _too_soon(number: RequestId, wait_s: float) -> SessionMessage:
    error = ErrorData(
        code=RATE_LIMITED,
        message=f"rate_limited: the next request may come in {wait_s:.2g} s. Nothing was done",
        data={"code": "rate_limited", "retry_after_s": round(wait_s, 3)},
    )
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=number, error=error))


def _message(line: bytes, principal: Principal) -> SessionMessage | Exception:
    try:
        message: JSONRPCMessage = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError as error:
        return error
    return SessionMessage(message, ServerMessageMetadata(request_context=principal))


async def _write(
    to_peer: MemoryObjectReceiveStream[SessionMessage],
    stream: ByteSendStream,
    unanswered: Unanswered,
) -> None:
    async with to_peer:
        async for item in to_peer:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await stream.send(text.encode() + b"\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            unanswered.went(item.message)
