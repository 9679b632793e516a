"""What agents read without calling a tool: `sro://` resources and templates."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from pydantic_core import to_json

from optimizer.errors import InvalidRequestError, RequestError
from optimizer.identity import Principal
from optimizer.operations.metrics import MAX_MINUTES
from server.arguments import shown
from server.errors import problem_of
from server.operation import Optimizer, perform
from server.operations import BY_NAME
from server.principals import principal_of
from server.views import Json, View, plain

CURRENT = "sro://metrics/current"
HISTORY = "sro://metrics/history/{minutes}"
ALERTS = "sro://alerts"
CENSUS = "sro://census"
POOLS = "sro://pools"
RECENT = "sro://decisions/recent"
DECISION = "sro://decisions/{decision_id}"
THOUGHTS = "sro://decisions/{decision_id}/thoughts"
STRATEGIES = "sro://strategies"
SKILL = "sro://forecasts/skill"
CATALOG = "sro://catalog"
SERVER = "sro://catalog/{mcp_id}"

MEDIA_TYPE = "application/json"

Reader = Callable[[Optimizer, Principal, str], Awaitable[Json]]


@dataclass(frozen=True)
class Readable:
    """One resource, or one template with a single argument.

    Attributes:
        uri: Its address, for example `sro://pools` or `sro://decisions/{decision_id}`.
        name: Short name.
        description: What is in it.
        read: Reads it; gets the value of the argument, empty for a plain resource.
    """

    uri: str
    name: str
    description: str
    read: Reader

    @property
    def argument(self) -> str:
        """Name of the template's argument; empty for a plain resource."""
        return self.uri.partition("{")[2].partition("}")[0]

    def value_in(self, uri: str) -> str | None:
        """The argument's value in an address of this template; None when it is not one."""
        before, _, after = self.uri.partition(f"{{{self.argument}}}")
        value = uri.removeprefix(before).removesuffix(after)
        is_one = uri == f"{before}{value}{after}" and value and "/" not in value
        return unquote(value) if is_one else None


def decision_uri(decision_id: str) -> str:
    """The address of a decision; the id is percent-encoded, slashes too."""
    return DECISION.partition("{")[0] + quote(decision_id, safe="")


def _operation(name: str, *, view: View = "full", **arguments: Any) -> Reader:
    operation = BY_NAME[name]

    async def read(optimizer: Optimizer, principal: Principal, value: str) -> Json:
        filled = {key: value if given is ... else given for key, given in arguments.items()}
        request = operation.parse(filled)
        answer = await perform(operation, request, optimizer, principal=principal)
        return operation.view(answer, request, view)

    return read


async def _history(optimizer: Optimizer, principal: Principal, value: str) -> Json:
    if not value.isdecimal() or not value.isascii() or not 1 <= int(value[:6]) <= MAX_MINUTES:
        raise InvalidRequestError(
            f"{HISTORY}: minutes must be a whole number, 1-{MAX_MINUTES}; got {shown(value)}"
        )
    return plain(await optimizer.metrics_history(int(value)))


async def _strategies(optimizer: Optimizer, principal: Principal, value: str) -> Json:
    return plain(optimizer.strategies())


READABLES: tuple[Readable, ...] = (
    Readable(
        CURRENT,
        "current_metrics",
        "The latest sample, its trends and the pools.",
        _operation("get_metrics"),
    ),
    Readable(
        HISTORY,
        "metrics_history",
        f"Samples of the last minutes, 1 to {MAX_MINUTES}, oldest first.",
        _history,
    ),
    Readable(
        ALERTS,
        "alerts",
        "What is beyond a threshold now or expected to be, and the latest 20 alerts before.",
        _operation("get_alerts"),
    ),
    Readable(
        CENSUS,
        "mcp_census",
        "MCP servers of this machine: copies, memory, those whose host is gone, what to do.",
        _operation("get_census"),
    ),
    Readable(
        POOLS,
        "pools",
        "Every pool: capacity, leased, free, and the leases on it.",
        _operation("list_allocations", whose="all", limit=100),
    ),
    Readable(
        SKILL,
        "forecast_skill",
        "How served forecasts did against what came: skill against yesterday, coverage, n.",
        _operation("forecast_skill"),
    ),
    Readable(
        RECENT,
        "recent_decisions",
        "The latest ten decisions, newest first.",
        _operation("list_decisions", view="brief", limit=10),
    ),
    Readable(
        DECISION,
        "decision",
        "One decision with its plan, constraints and front.",
        _operation("get_decision", decision_id=...),
    ),
    Readable(
        THOUGHTS,
        "thoughts",
        "The chain of thoughts of a decision.",
        _operation("get_thoughts", decision_id=...),
    ),
    Readable(
        STRATEGIES,
        "strategies",
        "Objectives, allocation strategies and forecast models that requests can name.",
        _strategies,
    ),
    Readable(
        CATALOG,
        "catalog",
        "MCP servers that may be chosen, with what was measured of each.",
        _operation("get_catalog"),
    ),
    Readable(
        SERVER,
        "catalog_server",
        "One MCP server: tools, latencies, changes; its own texts stand apart, as data.",
        _operation("get_catalog", mcp_id=...),
    ),
)


class Resources:
    """Lists and reads the resources.

    Args:
        optimizer: Answers them.
        readables: What there is.
    """

    def __init__(self, optimizer: Optimizer, readables: Sequence[Readable] = READABLES) -> None:
        self._optimizer = optimizer
        self._plain = {readable.uri: readable for readable in readables if not readable.argument}
        self._templates = [readable for readable in readables if readable.argument]

    async def list(
        self, ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Answer resources/list."""
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=readable.uri,
                    name=readable.name,
                    description=readable.description,
                    mime_type=MEDIA_TYPE,
                )
                for readable in self._plain.values()
            ]
        )

    async def list_templates(
        self, ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Answer resources/templates/list."""
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    uri_template=readable.uri,
                    name=readable.name,
                    description=readable.description,
                    mime_type=MEDIA_TYPE,
                )
                for readable in self._templates
            ]
        )

    async def read(
        self, ctx: ServerRequestContext[Any, Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Answer resources/read.

        Raises:
            MCPError: There is no such resource, or it cannot be read now.
        """
        readable, value = self._find(params.uri)
        try:
            content = await readable.read(self._optimizer, principal_of(ctx), value)
        except MCPError:
            raise
        except Exception as error:
            problem = problem_of(error)
            code = types.INVALID_PARAMS if isinstance(error, RequestError) else types.INTERNAL_ERROR
            raise MCPError(code, problem.detail, _about(params.uri, problem.code)) from None
        text = to_json(content).decode()
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=params.uri, mime_type=MEDIA_TYPE, text=text)]
        )

    def _find(self, uri: str) -> tuple[Readable, str]:
        """The resource at an address and the value of its argument.

        Raises:
            MCPError: There is none.
        """
        if uri in self._plain:
            return self._plain[uri], ""
        for readable in self._templates:
            value = readable.value_in(uri)
            if value is not None:
                return readable, value
        known = ", ".join([*self._plain, *(readable.uri for readable in self._templates)])
        raise MCPError(
            types.INVALID_PARAMS,
            f"No resource {shown(uri)}; there are {known}",
            _about(uri, "not_found"),
        )


def _about(uri: str, code: str) -> dict[str, str]:
    return {"uri": uri, "code": code}
