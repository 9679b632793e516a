"""One connection to an MCP server: in memory, a child process, or a URL (I/O).

Every wait has a deadline, and everything that can go wrong becomes an McpServerError.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypeVar

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.server import MCPServer, Server
from mcp_types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Tool,
)
from pydantic import ValidationError

from optimizer.errors import McpProblem, McpServerError
from optimizer.mcp_client.http import HttpEndpoint, shown_url
from optimizer.mcp_client.process import Child, Command

Target: TypeAlias = "Server[Any] | MCPServer | Command | str"
"""A server object in memory, how to start a child, or the URL of an endpoint."""

Era: TypeAlias = Literal["auto", "legacy"]
"""auto: the newest protocol that both speak. legacy: the handshake, which gives a session."""

MAX_TOOL_PAGES = 20

_ResultT = TypeVar("_ResultT")
_Transport: TypeAlias = "Child | HttpEndpoint | None"

_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, ConnectionError)


def shown(target: Target) -> str:
    """A target's name for messages, without secrets."""
    if isinstance(target, Command):
        return target.shown
    if isinstance(target, str):
        return shown_url(target)
    return "in memory"


class Connection:
    """An open connection; any task may call through it.

    Attributes:
        server: The server's name for messages.
    """

    def __init__(self, client: Client, server: str, transport: _Transport) -> None:
        self._client = client
        self._transport = transport
        self.server = server

    @property
    def is_alive(self) -> bool:
        """False when the child has ended; a URL is only known to be gone once a call fails."""
        return not isinstance(self._transport, Child) or self._transport.is_alive

    @property
    def pid(self) -> int | None:
        """The child's process id; None for a connection without one."""
        return self._transport.pid if isinstance(self._transport, Child) else None

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        within: timedelta,
        check_output: bool = True,
    ) -> CallToolResult:
        """Call a tool.

        Args:
            tool: Its name.
            arguments: What it is called with.
            within: Deadline of the call.
            check_output: Whether the answer is compared with the output schema that the server
                lists; a caller that reads it through a model of its own saves a fifth of the CPU
                time of a call in memory.

        Returns:
            What the tool answered; `is_error` when the tool itself refused.

        Raises:
            McpServerError: No valid answer came within the deadline.
        """
        with self._failures(within):
            with anyio.fail_after(within.total_seconds()):
                if check_output:
                    return await self._client.call_tool(tool, dict(arguments))
                params = CallToolRequestParams(name=tool, arguments=dict(arguments))
                request = CallToolRequest(params=params)
                return await self._client.session.send_request(request, CallToolResult)

    async def tools(self, *, within: timedelta) -> tuple[Tool, ...]:
        """The tools that the server lists, all pages of them.

        Raises:
            McpServerError: No valid answer came within the deadline, or the list does not end.
        """
        found: list[Tool] = []
        cursor: str | None = None
        with self._failures(within):
            with anyio.fail_after(within.total_seconds()):
                for _ in range(MAX_TOOL_PAGES):
                    page = await self._client.list_tools(cursor=cursor)
                    found.extend(page.tools)
                    cursor = page.next_cursor
                    if cursor is None:
                        return tuple(found)
        raise McpServerError(
            server=self.server,
            problem="protocol",
            detail=f"its list of tools goes on after {MAX_TOOL_PAGES} pages",
        )

    def _failures(self, within: timedelta) -> "_Failures":
        return _Failures(self.server, self._transport, within)


@asynccontextmanager
async def connect(
    target: Target,
    *,
    within: timedelta,
    close_within: timedelta = timedelta(seconds=5),
    era: Era = "auto",
) -> AsyncIterator[Connection]:
    """Open a connection for the length of a block; enter and leave it in one task.

    An exception of the block leaves it as it was raised. A child is gone, with everything that it
    started in its process group, when the block has been left.

    Args:
        target: The server.
        within: Deadline of starting and of the protocol's handshake.
        close_within: Deadline of a clean end; after it the connection is cut.
        era: Which handshake.

    Raises:
        McpServerError: The server is absent, speaks another protocol, or does not answer in time.
    """
    server, transport = shown(target), _transport(target, within)
    of_block: Exception | None = None
    is_open = False
    with anyio.CancelScope(deadline=_deadline(within)) as scope:
        try:
            async with Client(transport or target, mode=era) as client:  # type: ignore[arg-type]
                is_open, scope.deadline = True, float("inf")
                try:
                    yield Connection(client, server, transport)
                except Exception as error:
                    of_block = error
                scope.deadline = _deadline(close_within)
        except Exception as error:
            if of_block is None and not is_open:
                raise as_server_error(error, server, transport, within) from error
            if of_block is None:
                raise McpServerError(
                    server=server, problem="closed", detail=f"the connection broke: {_leaf(error)}"
                ) from error
    if of_block is not None:
        raise of_block
    if scope.cancelled_caught and not is_open:
        raise as_server_error(TimeoutError(), server, transport, within)


class _Failures:
    """Turns what a call raises into an McpServerError; a `with` block around the call."""

    def __init__(self, server: str, transport: _Transport, within: timedelta) -> None:
        self._server, self._transport, self._within = server, transport, within

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception):
            raise as_server_error(error, self._server, self._transport, self._within) from error


def as_server_error(
    error: Exception, server: str, transport: _Transport, within: timedelta
) -> McpServerError:
    """What an exception of the SDK means.

    Args:
        error: What was raised; groups are opened.
        server: The server's name.
        transport: Its transport, which may know more: an exit, stderr, an HTTP status.
        within: The deadline that was set.
    """
    leaf = _leaf(error)
    problem, detail = _meaning(leaf, within)
    if isinstance(transport, HttpEndpoint) and transport.last_status is not None:
        problem, detail = _meaning_of_status(transport.last_status, problem, detail)
    if isinstance(transport, Child):
        detail = transport.failure or detail
        if transport.stderr_tail:
            detail = f"{detail}; its stderr ends: {transport.stderr_tail[-300:]}"
    return McpServerError(server=server, problem=problem, detail=detail)


def _meaning(error: BaseException, within: timedelta) -> tuple[McpProblem, str]:
    match error:
        case TimeoutError():
            return "timeout", f"no answer within {within.total_seconds():g} s"
        case FileNotFoundError() | PermissionError():
            return "absent", f"it cannot be started ({error.strerror})"
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return "absent", "nothing accepts connections there"
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return "absent", f"this is no URL of an HTTP server ({error})"
        case MCPError() if error.code == CONNECTION_CLOSED:
            return "closed", "it went away"
        case MCPError() if error.code == REQUEST_TIMEOUT:
            return "timeout", f"no answer within {within.total_seconds():g} s"
        case MCPError():
            return "protocol", f"it answered with an error: {str(error)[:200]}"
        case ValidationError():
            return "protocol", f"{error.error_count()} fields of its answer are not as MCP says"
        case OSError() | httpx2.TransportError() | anyio.EndOfStream():
            return "closed", f"the connection broke ({type(error).__name__})"
        case anyio.ClosedResourceError() | anyio.BrokenResourceError():
            return "closed", "it went away"
        case _:
            return "protocol", f"{type(error).__name__}: {str(error)[:200]}"


def _meaning_of_status(status: int, problem: McpProblem, detail: str) -> tuple[McpProblem, str]:
    """An HTTP status says more than the JSON-RPC error that the SDK makes of it."""
    if problem != "protocol":
        return problem, detail
    if status in (401, 403):
        return "forbidden", f"it answers HTTP {status}"
    if status == 429 or status >= 500:
        return "closed", f"it answers HTTP {status}"
    return "not_mcp", f"it answers HTTP {status}, but not as an MCP server ({detail})"


def _leaf(error: BaseException) -> BaseException:
    """The first exception inside nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _transport(target: Target, within: timedelta) -> _Transport:
    if isinstance(target, Command):
        return Child(target)
    if isinstance(target, str):
        return HttpEndpoint(target, timeout_s=within.total_seconds())
    return None


def _deadline(within: timedelta) -> float:
    return anyio.current_time() + within.total_seconds()
