"""Where thoughts are recorded: a sequential-thinking MCP server, embedded, a child or a URL (I/O).

One client speaks to all three. A page belongs to one decision; no two decisions share one.
"""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Protocol, cast

from mcp_types import RequestParamsMeta

from optimizer.errors import ConfigurationError, McpServerError
from optimizer.mcp_client.connection import Target, shown
from optimizer.mcp_client.http import endpoint_url
from optimizer.mcp_client.link import Link, PerLoop
from optimizer.mcp_client.process import parse_command
from optimizer.thinking.breaker import CircuitBreaker, Timer
from optimizer.thinking.embedded import DECISION_KEY, ThoughtHistory, embedded_server
from optimizer.thinking.page import Heard, Page, RecordedPage
from optimizer.thinking.pool import Member, Pool
from optimizer.thinking.question import ScratchpadKind

logger = logging.getLogger("sequential_resource_optimization.thinking")

SETTING = "SEQUENTIAL_THINKING_MCP_ENDPOINT"

POOL_SIZE = 8
RECYCLE_AFTER = 1000
IDLE_AFTER = timedelta(minutes=5)
CONNECT_WITHIN = timedelta(seconds=10)
NOT_MCP_REST = timedelta(minutes=1)
"""How long the embedded server stands in before the URL is tried again."""


class Scratchpad(Protocol):
    """A sequential-thinking server, opened when it is first used."""

    @property
    def name(self) -> str:
        """Which server this is, for messages: without arguments, passwords and queries."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know, as stable codes; empty when all is well."""

    def page(self, decision_id: str, *, within: timedelta) -> AbstractAsyncContextManager[Page]:
        """A page for one decision, within a deadline.

        Raises:
            McpServerError: The server does not answer.
            PoolBusyError: Every connection is taken.
        """

    async def open(self) -> None:
        """Begin to connect, so that the first decision need not wait; never fails."""

    async def close(self) -> None:
        """Close every connection of the running event loop; the next use opens them again."""


class EmbeddedScratchpad:
    """The embedded server, reached through one shared in-memory client.

    Args:
        history: Where the thoughts are kept.
    """

    def __init__(self, history: ThoughtHistory | None = None) -> None:
        self.history = ThoughtHistory() if history is None else history
        server = embedded_server(self.history)
        self._links = PerLoop(lambda: Link(server, connect_within=CONNECT_WITHIN))

    @property
    def name(self) -> str:
        """It is in this process."""
        return "embedded"

    @property
    def warnings(self) -> tuple[str, ...]:
        """None: it is always there."""
        return ()

    @asynccontextmanager
    async def page(self, decision_id: str, *, within: timedelta) -> AsyncIterator[Page]:
        """A page for one decision; opening the shared client takes a millisecond, once."""
        link = self._links.get()
        if not link.is_usable:
            self._links.take()
            link = self._links.get()
        connection = await link.connection()
        meta = cast("RequestParamsMeta", {DECISION_KEY: decision_id})
        yield RecordedPage("embedded", connection, Member(link), meta=meta)

    async def open(self) -> None:
        """Nothing to do beforehand."""

    async def close(self) -> None:
        """Close the shared client; the history stays."""
        link = self._links.take()
        if link is not None:
            await link.close()


class PooledScratchpad:
    """A server in children or behind a URL, through a pool of warm connections.

    Args:
        kind: stdio or http.
        target: The command or the URL.
        size: The most connections at one time.
        recycle_after: Thoughts after which a connection is replaced.
        idle_after: How long a connection may be idle before it is closed.
        connect_within: Deadline of opening one.
        timer: The breaker's clock.
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
        self._breaker = CircuitBreaker(timer=timer)
        self._warnings: dict[str, None] = {}

        def link() -> Link:
            return Link(target, connect_within=connect_within, era="legacy")

        self._pools = PerLoop(
            lambda: Pool(link, size=size, recycle_after=recycle_after, idle_after=idle_after)
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """thinking_endpoint_down, thinking_history_shared."""
        return tuple(self._warnings)

    @asynccontextmanager
    async def page(self, decision_id: str, *, within: timedelta) -> AsyncIterator[Page]:
        """A connection of its own for one decision."""
        if not self._breaker.admit():
            raise McpServerError(
                server=self.name,
                problem="absent",
                detail=f"it failed often; it is tried again in {self._breaker.open_for_s:.0f} s",
            )
        with self._pools.get().lend() as member:
            try:
                connection = await member.connection(within=within)
            except McpServerError as error:
                self._failed(error)
                raise
            page = RecordedPage(
                self._kind, connection, member, shared=self._warn_shared, heard=self._heard
            )
            yield page
        if page.failure is not None:
            self._failed(page.failure)
        else:
            self._succeeded()

    async def open(self) -> None:
        """Begin to open one connection."""
        self._pools.get().warm()

    async def close(self) -> None:
        """Close every connection; no child is left."""
        pool = self._pools.take()
        if pool is not None:
            await pool.close()

    def _succeeded(self) -> None:
        self._breaker.succeeded()
        if "thinking_endpoint_down" in self._warnings:
            logger.info("%s records thoughts again", self.name)
            del self._warnings["thinking_endpoint_down"]

    def _failed(self, error: McpServerError) -> None:
        if error.problem == "not_mcp":
            return
        self._breaker.failed()
        if "thinking_endpoint_down" not in self._warnings:
            logger.warning("thoughts are kept in memory from here on: %s", error)
            self._warnings["thinking_endpoint_down"] = None

    def _warn_shared(self) -> None:
        self._warnings["thinking_history_shared"] = None


class UrlScratchpad:
    """A URL, with the embedded server in its place while the URL is no MCP server.

    Port 3001, which the reference shows, is also a neighbour's web agent.

    Args:
        url: The MCP endpoint.
        timer: The clock of the rest before another attempt.
        heard: Told of each call.
    """

    def __init__(
        self, url: str, *, timer: Timer = time.monotonic, heard: Heard | None = None
    ) -> None:
        self._remote = PooledScratchpad("http", url, timer=timer, heard=heard)
        self.name = self._remote.name
        self._embedded = EmbeddedScratchpad()
        self._timer = timer
        self._not_mcp_until: float | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """thinking_endpoint_not_mcp, or those of the remote server."""
        if self._not_mcp_until is not None:
            return ("thinking_endpoint_not_mcp",)
        return self._remote.warnings

    @asynccontextmanager
    async def page(self, decision_id: str, *, within: timedelta) -> AsyncIterator[Page]:
        """A page at the URL, or of the embedded server when the URL is no MCP server."""
        async with AsyncExitStack() as stack:
            page = await self._remote_page(stack, decision_id, within)
            if page is None:
                page = await stack.enter_async_context(
                    self._embedded.page(decision_id, within=within)
                )
            yield page

    async def _remote_page(
        self, stack: AsyncExitStack, decision_id: str, within: timedelta
    ) -> Page | None:
        if self._not_mcp_until is not None and self._timer() < self._not_mcp_until:
            return None
        try:
            page = await stack.enter_async_context(self._remote.page(decision_id, within=within))
        except McpServerError as error:
            self._not_mcp_until = None
            if error.problem != "not_mcp":
                raise
            self._not_mcp_until = self._timer() + NOT_MCP_REST.total_seconds()
            logger.warning("the embedded thinking server stands in: %s", error)
            return None
        self._not_mcp_until = None
        return page

    async def open(self) -> None:
        """Begin to connect to the URL."""
        await self._remote.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._remote.close()
        await self._embedded.close()


def scratchpad_at(endpoint: str, *, heard: Heard | None = None) -> Scratchpad:
    """The scratchpad that SEQUENTIAL_THINKING_MCP_ENDPOINT names; nothing is opened yet.

    Args:
        endpoint: Empty for the embedded server, `stdio:COMMAND ...`, or a URL (one without a path
            gets /mcp).
        heard: Told of each call of a server outside this process.

    Raises:
        ConfigurationError: It is none of these.
    """
    text = endpoint.strip()
    if not text:
        return EmbeddedScratchpad()
    if text.startswith("stdio:"):
        command = parse_command(
            text.removeprefix("stdio:"), setting=SETTING, env={"DISABLE_THOUGHT_LOGGING": "true"}
        )
        return PooledScratchpad("stdio", command, heard=heard)
    if text.startswith(("http://", "https://")):
        return UrlScratchpad(endpoint_url(text), heard=heard)
    raise ConfigurationError(
        setting=SETTING,
        problem=f"{text[:40]!r} is no endpoint",
        fix="leave it empty, or write stdio:COMMAND ... or a URL that begins with http",
    )
