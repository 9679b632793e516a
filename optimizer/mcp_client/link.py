"""A connection that outlives the request that opened it (I/O).

An MCP client must be entered and left in one task, while a shared one is called from many, and the
task that first needs it may be cancelled at any moment. So each link has a task of its own, which
opens the connection, lends it, and closes it. It runs in an empty context: nothing of the first
caller, neither its principal nor its trace, stays behind in it.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from optimizer.errors import McpServerError
from optimizer.mcp_client.connection import Connection, Era, Target, connect, shown

logger = logging.getLogger("sequential_resource_optimization.mcp_client")

HeldT = TypeVar("HeldT")


class Link:
    """A connection in a task of its own; it belongs to the event loop in which it was made.

    Args:
        target: The server.
        connect_within: Deadline of opening it.
        close_within: Deadline of closing it cleanly.
        era: Which handshake.
        check: Says by an McpServerError that it is not the server that is wanted.
        opened: Told once it is open and checked, or why it could not be opened.
    """

    def __init__(
        self,
        target: Target,
        *,
        connect_within: timedelta,
        close_within: timedelta = timedelta(seconds=5),
        era: Era = "auto",
        check: Callable[[Connection], Awaitable[None]] | None = None,
        opened: Callable[[McpServerError | None], None] | None = None,
    ) -> None:
        self._target = target
        self._connect_within = connect_within
        self._close_within = close_within
        self._era = era
        self._check = check
        self._opened = opened
        self._settled = asyncio.Event()
        self._closing = asyncio.Event()
        self._connection: Connection | None = None
        self._error: McpServerError | None = None
        self._task = asyncio.get_running_loop().create_task(
            self._keep(), name=f"mcp link to {shown(target)}", context=contextvars.Context()
        )

    @property
    def server(self) -> str:
        """The server's name for messages."""
        return shown(self._target)

    @property
    def is_usable(self) -> bool:
        """Whether it is being opened, or open to a server that is still there."""
        if self._error is not None or self._closing.is_set() or self._task.done():
            return False
        return self._connection is None or self._connection.is_alive

    @property
    def is_opening(self) -> bool:
        """Whether it is not known yet if it opens."""
        return not self._settled.is_set()

    async def connection(self) -> Connection:
        """The connection, as soon as it is open; the caller may give up waiting at any time.

        Raises:
            McpServerError: It could not be opened, or has ended.
        """
        await self._settled.wait()
        if self._connection is not None and self.is_usable:
            return self._connection
        raise self._error or McpServerError(
            server=self.server, problem="closed", detail="the connection has ended"
        )

    def close_soon(self) -> None:
        """Begin to close, without waiting; one that is still opening is cut off."""
        self._closing.set()
        if not self._settled.is_set():
            self._task.cancel()

    async def close(self) -> None:
        """Close, and wait until nothing of it is left; again, it does nothing."""
        self.close_soon()
        await asyncio.wait([self._task])

    async def _keep(self) -> None:
        """The life of the connection, from opening to closing, in one task."""
        try:
            async with connect(
                self._target,
                within=self._connect_within,
                close_within=self._close_within,
                era=self._era,
            ) as connection:
                if self._check is not None:
                    await self._check(connection)
                self._connection = connection
                self._settle(None)
                await self._closing.wait()
        except McpServerError as error:
            logger.info("%s", error)
            self._settle(error)
        except Exception as error:
            logger.exception("the link to %s failed", shown(self._target))
            detail = type(error).__name__
            self._settle(McpServerError(server=self.server, problem="protocol", detail=detail))
        finally:
            self._connection = None
            self._settled.set()

    def _settle(self, error: McpServerError | None) -> None:
        """Tell of the opening, once; what ends it later is only kept."""
        self._error = error
        if self._opened is not None and self.is_opening:
            self._opened(error)
        self._settled.set()


class PerLoop(Generic[HeldT]):
    """One thing for each event loop, because a program may call asyncio.run more than once.

    Args:
        make: Makes the thing, inside the loop that needs it.
    """

    def __init__(self, make: Callable[[], HeldT]) -> None:
        self._make = make
        self._held: dict[asyncio.AbstractEventLoop, HeldT] = {}

    def get(self) -> HeldT:
        """The running loop's own; what belonged to closed loops is forgotten."""
        loop = asyncio.get_running_loop()
        if loop not in self._held:
            self._held = {old: held for old, held in self._held.items() if not old.is_closed()}
            self._held[loop] = self._make()
        return self._held[loop]

    def take(self) -> HeldT | None:
        """Take the running loop's own away; None when it has none."""
        return self._held.pop(asyncio.get_running_loop(), None)
