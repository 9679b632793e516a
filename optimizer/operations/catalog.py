"""get_catalog: which MCP servers may be chosen, and what was measured of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.catalog.configured import Candidates, configured_servers
from optimizer.catalog.entry import CatalogEntry, Change, Failure, Timed
from optimizer.catalog.outcomes import Measured
from optimizer.catalog.quoting import NOTICE, orders_in, quoted
from optimizer.catalog.servers import ConfiguredServer
from optimizer.errors import NotFoundError


class CatalogRequest(BaseModel):
    """Which servers to tell of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mcp_id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="One server, in full; without it all of them, in short."
    )


class Calls(BaseModel):
    """Recorded calls of a server, old ones counting less."""

    model_config = ConfigDict(frozen=True)

    recorded: int = Field(description="How many are kept.")
    successes_discounted: float = Field(description="Those that ended well, old ones less.")
    failures_discounted: float = Field(description="Those that failed at its side, old ones less.")
    p50_ms: float | None
    p95_ms: float | None


class Untrusted(BaseModel):
    """What a server says of itself. Other people's text."""

    model_config = ConfigDict(frozen=True)

    notice: str = NOTICE
    name: str
    version: str
    instructions: str
    tools: dict[str, str] = Field(description="Description of each tool, cut to 300 characters.")


class CatalogServer(BaseModel):
    """A server of the catalog."""

    model_config = ConfigDict(frozen=True)

    mcp_id: str
    status: str = Field(
        description="configured (nothing known), seen (by `sro run`), profiled, failed or changed."
    )
    source: str = Field(description="The configuration that names it.")
    command: str = Field(description="What starts it, or its origin; secrets are masked.")
    profiled_at: AwareDatetime | None = None
    held_back: str | None = Field(None, description="Why it is not chosen now.")
    tools: int | None = Field(None, description="How many it offers.")
    tool_list_tokens: int | None = Field(None, description="Tokens of its tool list, estimated.")
    connect_ms: float | None = Field(None, description="From its start to the end of hand-shakes.")
    resident_bytes: int | None = Field(None, description="Memory with all that it starts.")
    calls: Calls | None = Field(None, description="Recorded calls; null without any.")
    warnings: tuple[str, ...] = ()


class CatalogDetail(BaseModel):
    """The rest of what is known of one server."""

    model_config = ConfigDict(frozen=True)

    protocol: str | None
    timed: tuple[Timed, ...]
    failure: Failure | None
    change: Change | None
    refused_tools: dict[str, str]
    read_only_tools: tuple[str, ...]
    fingerprint: str | None
    untrusted: Untrusted


class CatalogReport(BaseModel):
    """The catalog, or one server of it."""

    model_config = ConfigDict(frozen=True)

    servers: tuple[CatalogServer, ...]
    detail: CatalogDetail | None = Field(None, description="Of the one server that was asked for.")
    left_out: dict[str, str] = Field(
        default_factory=dict, description="Entries and files that cannot be used, with the reason."
    )
    next: str


class Entries(Protocol):
    """Where profiles are kept."""

    async def entries(self) -> dict[str, CatalogEntry]:
        """Every entry by id."""


class Measurements(Protocol):
    """Where recorded calls are summarised."""

    async def measured(self, mcps: Sequence[str], *, now: datetime) -> Mapping[str, Measured]:
        """What is on record about these servers."""


async def get_catalog(
    request: CatalogRequest,
    *,
    candidates: Candidates,
    entries: Entries,
    measurements: Measurements,
    now: datetime,
) -> CatalogReport:
    """Tell of every server that is configured or was profiled, or of one.

    Raises:
        NotFoundError: Neither a configuration nor a profile names it.
    """
    config = configured_servers(candidates)
    configured = {server.id: server for server in config.servers}
    known = await entries.entries()
    ids = sorted({*configured, *known})
    if request.mcp_id is not None and request.mcp_id not in ids:
        hint = f"known are: {', '.join(ids[:20]) or 'none'}"
        raise NotFoundError(what="MCP server", name=request.mcp_id, hint=hint)
    asked = ids if request.mcp_id is None else [request.mcp_id]
    measured = await measurements.measured(asked, now=now)
    only = known.get(request.mcp_id) if request.mcp_id is not None else None
    return CatalogReport(
        servers=tuple(_server(configured.get(i), known.get(i), measured.get(i)) for i in asked),
        detail=None if only is None else _detail(only),
        left_out=dict(config.left_out) if request.mcp_id is None else {},
        next=_next(asked, known),
    )


def _server(
    configured: ConfiguredServer | None, entry: CatalogEntry | None, measured: Measured | None
) -> CatalogServer:
    calls = None if measured is None else _calls(measured)
    if entry is None:
        assert configured is not None, "an id is of a configuration or of an entry"
        return CatalogServer(
            mcp_id=configured.id,
            status="configured",
            source=configured.source,
            command=configured.shown,
            calls=calls,
            warnings=tuple(f"needs a value for {name}" for name in configured.unresolved),
        )
    return CatalogServer(
        mcp_id=entry.id,
        status=entry.status,
        source=entry.source,
        command=entry.command,
        profiled_at=entry.profiled_at,
        held_back=entry.held_back,
        tools=len(entry.tools) if entry.fingerprint else None,
        tool_list_tokens=entry.tool_list_tokens,
        connect_ms=entry.connect_ms,
        resident_bytes=entry.resident_bytes,
        calls=calls,
        warnings=(*entry.warnings, *_flags(entry)),
    )


def _calls(measured: Measured) -> Calls:
    return Calls(
        recorded=measured.calls,
        successes_discounted=round(measured.successes, 2),
        failures_discounted=round(measured.failures, 2),
        p50_ms=_rounded(measured.latency_ms),
        p95_ms=_rounded(measured.p95_latency_ms),
    )


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)


def _detail(entry: CatalogEntry) -> CatalogDetail:
    return CatalogDetail(
        protocol=entry.protocol,
        timed=entry.timed,
        failure=entry.failure,
        change=entry.change,
        refused_tools={quoted(name): why for name, why in entry.refused_tools.items()},
        read_only_tools=tuple(quoted(tool.name) for tool in entry.tools if tool.read_only),
        fingerprint=entry.fingerprint,
        untrusted=Untrusted(
            name=quoted(entry.server_name),
            version=quoted(entry.server_version, 40),
            instructions=quoted(entry.instructions),
            tools={quoted(tool.name): quoted(tool.description) for tool in entry.tools},
        ),
    )


def _flags(entry: CatalogEntry) -> list[str]:
    """Texts that speak to a model, by where they stand."""
    texts = [("its instructions", entry.instructions)]
    texts += [(f"tool {quoted(tool.name, 60)}", tool.description) for tool in entry.tools]
    flags = [f"{where} {what}" for where, text in texts for what in orders_in(text)]
    return flags[:5] + ([f"{len(flags) - 5} more texts like it"] if len(flags) > 5 else [])


def _next(asked: Sequence[str], known: Mapping[str, CatalogEntry]) -> str:
    if not asked:
        return (
            "name host configurations in sro.toml ([candidates] host_configs), or run "
            "`sro profile --config FILE`"
        )
    if any(identifier not in known for identifier in asked):
        return "`sro profile` measures those that are only configured"
    return "analyze_mcp_selection chooses among them for a task"
