"""Where thoughts are recorded: a sequential-thinking MCP server, embedded, a child or a URL.

A page belongs to one decision; no two decisions share one.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Protocol

from optimizer.errors import ConfigurationError
from optimizer.mcp_client.http import endpoint_url
from optimizer.mcp_client.process import parse_command
from optimizer.thinking.embedded import EmbeddedPage, ThoughtHistory
from optimizer.thinking.page import Heard, Page
from optimizer.thinking.remote import RemoteScratchpad

SETTING = "SEQUENTIAL_THINKING_MCP_ENDPOINT"


class Scratchpad(Protocol):
    """A sequential-thinking server, opened when it is first used."""

    @property
    def name(self) -> str:
        """Which server this is, for messages: without arguments, passwords and queries."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know, as stable codes; empty when all is well."""

    def page(self, decision_id: str, *, within: timedelta) -> AbstractAsyncContextManager[Page]:
        """A page for one decision.

        Args:
            decision_id: Whose thoughts it takes.
            within: The most that a decision waits for a server that is being started; then, and
                when every connection is taken, it gets a page of the embedded server.

        Raises:
            McpServerError: The server does not answer.
        """

    async def open(self) -> None:
        """Begin to connect, so that the first decision need not wait; never fails."""

    async def close(self) -> None:
        """Close every connection of the running event loop; the next use opens them again."""


class EmbeddedScratchpad:
    """The embedded server: pages of one history.

    Args:
        history: Where the thoughts are kept.
    """

    name = "embedded"
    warnings: tuple[str, ...] = ()

    def __init__(self, history: ThoughtHistory | None = None) -> None:
        self.history = ThoughtHistory() if history is None else history

    @asynccontextmanager
    async def page(self, decision_id: str, *, within: timedelta) -> AsyncIterator[Page]:
        """A page for one decision; it is there at once."""
        yield EmbeddedPage(self.history, decision_id)

    async def open(self) -> None:
        """Nothing to do beforehand."""

    async def close(self) -> None:
        """Nothing to close; the history stays."""


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
        return RemoteScratchpad("stdio", command, heard=heard)
    if text.startswith(("http://", "https://")):
        return RemoteScratchpad("http", endpoint_url(text), heard=heard)
    raise ConfigurationError(
        setting=SETTING,
        problem=f"{text[:40]!r} is no endpoint",
        fix="leave it empty, or write stdio:COMMAND ... or a URL that begins with http",
    )
