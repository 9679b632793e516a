"""The daemon's Unix socket: MCP for shims, and a few words for the shell."""

import contextlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskGroup

from server.gate import Gate, Holder
from server.lines import Lines, LineTooLongError, Unanswered, json_lines
from server.mcp_surface import McpSurface
from server.peers import Peer, peer_of
from server.run_door import RunDoor, RunOptimizer

logger = logging.getLogger("sequential_resource_optimization.server")

SOCKET_MODE = 0o660
"""Owner and group: an operator lets a group in by the group of the folder."""

GRACE_S = 3.0
"""How long calls in flight may take to end after the daemon is told to stop."""

BACKLOG = 256

Answer = Callable[[Mapping[str, Any], Peer], Awaitable[Mapping[str, Any]]]
"""A control message, whose `control` is a word, and who says it, to an answer."""


class SocketDoor:
    """Serves every connection until the daemon ends.

    Args:
        path: Where the socket lies; what a dead daemon left there is replaced.
        surface: The MCP server, made for connections that last.
        optimizer: Keeps what runs under leases.
        gate: Knows how often a principal may ask.
        answer: Answers control words.
    """

    def __init__(
        self,
        path: str,
        surface: McpSurface,
        optimizer: RunOptimizer,
        *,
        gate: Gate,
        answer: Answer,
    ) -> None:
        self._path = path
        self._surface = surface
        self._optimizer = optimizer
        self._gate = gate
        self._answer = answer
        self._connections: set[Unanswered] = set()
        self._words: set[anyio.Event] = set()

    @property
    def connections(self) -> int:
        """How many MCP clients are connected."""
        return len(self._connections)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen while the body runs; at its end calls in flight get their answers."""
        listener = await anyio.create_unix_listener(self._path, mode=SOCKET_MODE, backlog=BACKLOG)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._accept, listener, tasks)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await listener.aclose()
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._path)
                    self._surface.listen.close()
                    await self._finish()
                tasks.cancel_scope.cancel()

    async def _accept(self, listener: SocketListener, tasks: TaskGroup) -> None:
        with contextlib.suppress(anyio.ClosedResourceError):
            await listener.serve(self._serve, tasks)

    async def _finish(self) -> None:
        """Wait until nobody waits for an answer, for as long as the grace lasts."""
        with anyio.move_on_after(GRACE_S):
            for unanswered in tuple(self._connections):
                await unanswered.settled()
            for answered in tuple(self._words):
                await answered.wait()

    async def _serve(self, stream: SocketStream) -> None:
        peer = peer_of(stream.extra(SocketAttribute.raw_socket))
        lines = Lines(stream)
        async with stream:
            try:
                first = await lines.next()
            except LineTooLongError:
                return
            if first is None:
                return
            message = _control_message(first)
            if message is not None and message["control"] == "run":
                await self._serve_run(stream, lines, peer, message)
                return
            if message is not None:
                await self._serve_word(stream, lines, peer, message)
                return
            await self._serve_mcp(stream, lines, peer, first)

    async def _serve_word(
        self, stream: SocketStream, lines: Lines, peer: Peer, message: Mapping[str, Any]
    ) -> None:
        """Answer one message; who hangs up meanwhile wants no answer any more."""
        answered = anyio.Event()
        self._words.add(answered)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_hung_up, lines, tasks.cancel_scope)
                answer = await self._answer(message, peer)
                await stream.send(json.dumps(answer).encode() + b"\n")
                tasks.cancel_scope.cancel()
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            logger.debug("the peer was gone before its answer")
        except* Exception:
            logger.exception("a word was not answered; the others are served on")
        finally:
            answered.set()
            self._words.discard(answered)

    async def _serve_run(
        self, stream: SocketStream, lines: Lines, peer: Peer, message: Mapping[str, Any]
    ) -> None:
        wait_s = self._gate.wait_s(Holder(peer.principal), now_s=time.monotonic())
        if wait_s is not None:
            failed = f"rate_limited: the next request may come in {wait_s:.2g} s"
            await stream.send(json.dumps({"failed": failed}).encode() + b"\n")
            return
        try:
            await RunDoor(self._optimizer, stream, lines, peer).serve(message)
        except Exception:
            logger.exception("a run failed; the others are served on")

    async def _serve_mcp(
        self, stream: SocketStream, lines: Lines, peer: Peer, first: bytes
    ) -> None:
        server = self._surface.server
        unanswered = Unanswered()
        holder = Holder(peer.principal)
        self._connections.add(unanswered)
        logger.info("connected", extra={"facts": {"peer_pid": peer.pid, "peer_uid": peer.uid}})
        try:
            async with json_lines(
                stream,
                lines,
                peer.principal,
                first=first,
                unanswered=unanswered,
                wait_s=lambda: self._gate.wait_s(holder, now_s=time.monotonic()),
            ) as streams:
                options = server.create_initialization_options()
                await server.run(streams.incoming, streams.outgoing, options)
        except Exception:
            logger.exception("a connection failed; the others are served on")
        finally:
            self._connections.discard(unanswered)


async def _until_hung_up(lines: Lines, waiting: anyio.CancelScope) -> None:
    with contextlib.suppress(LineTooLongError):
        while await lines.next() is not None:
            pass
    waiting.cancel()


def _control_message(line: bytes) -> Mapping[str, Any] | None:
    """A control line as what it says; None for everything else."""
    if b'"control"' not in line:
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    if not isinstance(message, dict) or "jsonrpc" in message:
        return None
    return message if isinstance(message.get("control"), str) else None
