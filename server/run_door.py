"""A command under a lease, over the daemon's socket: what its front and the daemon say.

Lines of JSON. The front (`optimizer/enforcement/runner.py`) says `{"control": "run", "order"}` and
hears `{"lease", "said", "environment", "mcp"}`, or `{"refused", "mcp"}`, or `{"failed"}`. It starts
the command, which waits, says `{"pid"}`, and hears `{"held", "nice", "data_bytes", "prefix"}`; then
the command begins. Meanwhile it may say `{"calls"}` and `{"tools"}`, and hear `{"notice"}` and
`{"end"}`. Last it says `{"ended"}` and hears `{"released"}`. A front whose daemon ended says
`{"control": "run", "order", "resumed"}` to the next. One that closes without a word was killed.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import anyio
from anyio.abc import ByteSendStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import ValidationError

from optimizer.catalog.outcomes import Witness
from optimizer.enforcement.order import Granted, Held, Refused, RunOrder
from optimizer.enforcement.runs import Runs
from optimizer.errors import OptimizerError
from optimizer.identity import Principal
from server.lines import Lines, LineTooLongError
from server.peers import Peer

logger = logging.getLogger("sequential_resource_optimization.server")

MOST_UNSENT = 256
"""Messages to a front that does not read them."""

Message = Mapping[str, Any]


class RunOptimizer(Protocol):
    """What keeping a run takes."""

    @property
    def runs(self) -> Runs:
        """Commands that run under leases on this machine."""

    async def record_calls(
        self,
        mcp: str,
        calls: Iterable[Mapping[str, Any]],
        *,
        witness: Witness,
        principal: Principal,
    ) -> int:
        """Record calls of an MCP server that a tap saw."""

    async def see_tools(
        self, mcp: str, tools: Sequence[object], *, command: Sequence[str], principal: Principal
    ) -> str | None:
        """Hold a tool list that a tap saw against what is known; what a person should know."""


class RunDoor:
    """One front, for as long as it is connected.

    Args:
        optimizer: Keeps what runs.
        stream: The front.
        lines: Reads from the same stream.
        peer: Who it is, as the kernel says.
    """

    def __init__(
        self, optimizer: RunOptimizer, stream: ByteSendStream, lines: Lines, peer: Peer
    ) -> None:
        self._optimizer = optimizer
        self._stream = stream
        self._lines = lines
        self._peer = peer
        self._unsent: MemoryObjectSendStream[Message]
        self._unsent, self._to_send = anyio.create_memory_object_stream[Message](MOST_UNSENT)

    async def serve(self, first: Mapping[str, Any]) -> None:
        """Serve it to its end.

        Args:
            first: What it said to begin with.
        """
        async with anyio.create_task_group() as writing:
            writing.start_soon(self._write, self._to_send)
            async with self._unsent:
                await self._serve(first)

    async def _serve(self, first: Mapping[str, Any]) -> None:
        try:
            order = RunOrder.model_validate(first.get("order"))
            resumed = first.get("resumed")
            granted = await (
                self._begin(order) if resumed is None else self._resume(order, resumed)
            )
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"])
            self._tell({"failed": f"{where}: {problem['msg'].removeprefix('Value error, ')}"})
            return
        except OptimizerError as error:
            self._tell({"failed": str(error)})
            return
        if granted is None:
            return
        try:
            await self._stay(granted, order.command)
        except Exception:
            await self._optimizer.runs.lost(granted.lease)
            raise

    async def _begin(self, order: RunOrder) -> Granted | None:
        """A lease, unless there is none, or the front goes before there is one."""
        answer: Granted | Refused | None = None
        problem: OptimizerError | None = None

        async def wait_for_end() -> None:
            await self._next()
            asking.cancel_scope.cancel()

        async with anyio.create_task_group() as asking:
            asking.start_soon(wait_for_end)
            try:
                answer = await self._optimizer.runs.begin(order, self._peer.principal, self._tell)
            except OptimizerError as error:
                problem = error
            asking.cancel_scope.cancel()
        if problem is not None:
            raise problem
        if isinstance(answer, Refused):
            said = answer.allocation.model_dump(mode="json", exclude_none=True)
            refused = {"message": answer.message, "data": said}
            self._tell({"refused": refused, "mcp": answer.mcp})
            return None
        if answer is not None:
            self._tell(
                {
                    "lease": answer.lease,
                    "said": answer.said,
                    "environment": dict(answer.environment),
                    "mcp": answer.mcp,
                }
            )
        return answer

    async def _resume(self, order: RunOrder, resumed: Mapping[str, Any]) -> Granted:
        lease = str(resumed["lease"])
        await self._optimizer.runs.resumed(
            order, lease, resumed["pid"], self._peer.principal, self._tell, front=self._peer.pid
        )
        mcp = self._optimizer.runs.server_of(order) if order.is_tapped else None
        return Granted(lease, "", {}, mcp)

    async def _stay(self, granted: Granted, command: Sequence[str]) -> None:
        """Hear the front until it says that the command ended, or is gone."""
        while (message := await self._next()) is not None:
            if "ended" in message:
                await self._optimizer.runs.ended(granted.lease, **message["ended"])
                self._tell({"released": True})
                return
            try:
                await self._hear(granted, command, message)
            except (OptimizerError, ValidationError) as error:
                logger.warning("a front was not understood: %s", error)
                self._tell({"failed": str(error)})
        await self._optimizer.runs.lost(granted.lease)

    async def _hear(self, granted: Granted, command: Sequence[str], message: Message) -> None:
        if "pid" in message:
            held = await self._optimizer.runs.started(
                granted.lease, int(message["pid"]), front=self._peer.pid
            )
            self._tell(_held(held))
        if granted.mcp is not None and message.get("calls"):
            await self._optimizer.record_calls(
                granted.mcp, message["calls"], witness="tap", principal=self._peer.principal
            )
        if granted.mcp is not None and isinstance(message.get("tools"), list):
            changed = await self._optimizer.see_tools(
                granted.mcp, message["tools"], command=command, principal=self._peer.principal
            )
            if changed is not None:
                self._tell({"notice": changed})

    async def _next(self) -> Message | None:
        """The next message; None at the end, and after what is none."""
        try:
            line = await self._lines.next()
            message = json.loads(line) if line is not None else None
        except (LineTooLongError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def _tell(self, message: Message) -> None:
        try:
            self._unsent.send_nowait(message)
        except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            logger.warning("a front does not read what it is told")

    async def _write(self, to_send: MemoryObjectReceiveStream[Message]) -> None:
        async with to_send:
            async for message in to_send:
                try:
                    await self._stream.send(json.dumps(message).encode() + b"\n")
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return


def _held(held: Held) -> Message:
    return {
        "held": held.words,
        "nice": held.nice,
        "data_bytes": held.data_bytes,
        "prefix": held.prefix,
    }
