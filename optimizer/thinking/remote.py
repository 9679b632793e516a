"""A sequential-thinking server in children or behind a URL, with the embedded one beside it (I/O).

The embedded server stands in where the other cannot be asked yet or at all: it is being started,
every connection is taken, or there is no MCP server. Where it fails, thoughts are kept in memory.
"""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from optimizer.errors import McpServerError
from optimizer.mcp_client.connection import Connection, Target, shown
from optimizer.mcp_client.link import Link, PerLoop
from optimizer.thinking.breaker import CircuitBreaker, Timer
from optimizer.thinking.embedded import EmbeddedPage, ThoughtHistory
from optimizer.thinking.page import TOOL, Heard, Page, RecordedPage
from optimizer.thinking.pool import Pool, PoolBusyError, PoolStartingError
from optimizer.thinking.question import ScratchpadKind

logger = logging.getLogger("sequential_resource_optimization.thinking")

POOL_SIZE = 8
RECYCLE_AFTER = 1000
IDLE_AFTER = timedelta(minutes=5)
CONNECT_WITHIN = timedelta(seconds=10)
NOT_MCP_REST_S = 60.0
"""How long the embedded server stands in before what is no MCP server is tried again."""

DOWN, NOT_MCP, SHARED = (
    "thinking_endpoint_down",
    "thinking_endpoint_not_mcp",
    "thinking_history_shared",
)


class RemoteScratchpad:
    """A sequential-thinking server through a pool of warm connections.

    The reference shows a URL with port 3001, which is also that of a neighbour's web agent: what is
    no MCP server is a warning, and never stops the start.

    Args:
        kind: stdio or http.
        target: The command or the URL.
        size: The most connections at one time.
        recycle_after: Thoughts after which a connection is replaced.
        idle_after: How long a connection may be idle before it is closed.
        connect_within: Deadline of opening one; no decision waits that long.
        timer: The clock of the breaker, and of the rest before another attempt.
        heard: Told of each call.
    """

    def __init__(
        self,
        kind: ScratchpadKind,
        target: Target,
        *,
        size: int = POOL_SIZE,
        recycle_after: int = RECYCLE_AFTER,
        idle_after: timedelta = IDLE_AFTER,
        connect_within: timedelta = CONNECT_WITHIN,
        timer: Timer = time.monotonic,
        heard: Heard | None = None,
    ) -> None:
        self._kind = kind
        self._heard = heard
        self.name = shown(target)
        self._timer = timer
        self._breaker = CircuitBreaker(timer=timer)
        self._not_mcp_until_s: float | None = None
        self._warnings: dict[str, None] = {}  # in the order in which they came
        self._stand_in = ThoughtHistory()

        async def check(connection: Connection) -> None:
            if TOOL not in [tool.name for tool in await connection.tools(within=connect_within)]:
                raise McpServerError(
                    server=self.name, problem="not_mcp", detail=f"it has no tool {TOOL}"
                )

        def link() -> Link:
            return Link(
                target,
                connect_within=connect_within,
                era="legacy",
                check=check,
                opened=self._opened,
            )

        self._pools = PerLoop(
            lambda: Pool(link, size=size, recycle_after=recycle_after, idle_after=idle_after)
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """thinking_endpoint_down, thinking_endpoint_not_mcp, thinking_history_shared."""
        return tuple(self._warnings)

    @asynccontextmanager
    async def page(self, decision_id: str, *, within: timedelta) -> AsyncIterator[Page]:
        """A connection of its own for one decision, or a page of the embedded server."""
        async with AsyncExitStack() as stack:
            page = await self._page(stack, decision_id, within)
            yield page
        if isinstance(page, RecordedPage):
            self._ended(page.failure)

    async def _page(self, stack: AsyncExitStack, decision_id: str, within: timedelta) -> Page:
        if self._not_mcp_until_s is not None and self._timer() < self._not_mcp_until_s:
            return EmbeddedPage(self._stand_in, decision_id)
        if not self._breaker.admit():
            raise McpServerError(
                server=self.name,
                problem="absent",
                detail=f"it failed often; it is tried again in {self._breaker.open_for_s:.0f} s",
            )
        try:
            lent = await stack.enter_async_context(self._pools.get().lend(within=within))
        except (PoolBusyError, PoolStartingError) as error:
            return EmbeddedPage(self._stand_in, decision_id, error.code)
        except McpServerError as error:
            if error.problem != "not_mcp":
                raise
            return EmbeddedPage(self._stand_in, decision_id)
        return RecordedPage(self._kind, lent, shared=self._warn_shared, heard=self._heard)

    async def open(self) -> None:
        """Begin to open one connection."""
        self._pools.get().warm()

    async def close(self) -> None:
        """Close every connection; no child is left."""
        pool = self._pools.take()
        if pool is not None:
            await pool.close()

    def _opened(self, error: McpServerError | None) -> None:
        """A connection was opened, or could not be; whether or not a decision waits for it."""
        self._not_mcp_until_s = None
        self._warnings.pop(NOT_MCP, None)
        if error is None:
            if self._breaker.open_for_s > 0:
                self._breaker.trip(0.0)
        elif error.problem == "not_mcp":
            self._not_mcp_until_s = self._timer() + NOT_MCP_REST_S
            self._warnings[NOT_MCP] = None
            logger.warning("the embedded thinking server stands in: %s", error)
        else:
            self._failed(error)

    def _ended(self, failure: McpServerError | None) -> None:
        """A decision gave its page back."""
        if failure is not None:
            self._failed(failure)
            return
        self._breaker.succeeded()
        if DOWN in self._warnings:
            logger.info("%s records thoughts again", self.name)
            del self._warnings[DOWN]

    def _failed(self, error: McpServerError) -> None:
        self._breaker.failed()
        if DOWN not in self._warnings:
            logger.warning("thoughts are kept in memory from here on: %s", error)
            self._warnings[DOWN] = None

    def _warn_shared(self) -> None:
        self._warnings[SHARED] = None
