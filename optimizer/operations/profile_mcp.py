"""profile_mcp: start servers of the operator's allow-list in cages, and measure them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from optimizer.catalog.configured import Candidates, allowed_servers
from optimizer.catalog.entry import CatalogEntry
from optimizer.catalog.profiler import AT_ONCE, Profiler


class ProfileRequest(BaseModel):
    """Which servers to profile: ids only, never a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
        Field(min_length=1, max_length=AT_ONCE),
    ] = Field(description="Ids of the allow-list, at most 4 at once.")


class Profiled(BaseModel):
    """How one server did."""

    model_config = ConfigDict(frozen=True)

    mcp_id: str
    status: str = Field(description="profiled, failed, changed, or refused.")
    command: str | None = Field(None, description="What was started; secrets are masked.")
    reason: str | None = Field(None, description="Why, for all but profiled.")
    tools: int | None = None
    tool_list_tokens: int | None = None
    connect_ms: float | None = None
    p50_ms: float | None = Field(None, description="Of probed tools, else of pings.")
    resident_bytes: int | None = None
    warnings: tuple[str, ...] = ()


class ProfileReport(BaseModel):
    """How each server did."""

    model_config = ConfigDict(frozen=True)

    profiled: tuple[Profiled, ...]
    next: str


async def profile_mcp(
    request: ProfileRequest, *, candidates: Candidates, profiler: Profiler
) -> ProfileReport:
    """Profile servers that the operator allows to be started.

    Raises:
        StorageError: The catalog cannot be read or written.
    """
    servers, refused = allowed_servers(list(dict.fromkeys(request.ids)), candidates)
    entries = await profiler.profile(
        servers, probes=candidates.probes, allow_local=candidates.allow_local
    )
    denied = (Profiled(mcp_id=i, status="refused", reason=why) for i, why in refused.items())
    return ProfileReport(
        profiled=(*map(profiled, entries), *denied),
        next="sro://catalog/{mcp_id} tells the rest; analyze_mcp_selection uses it from now on",
    )


def profiled(entry: CatalogEntry) -> Profiled:
    """An entry in short."""
    failed = entry.status == "failed"
    return Profiled(
        mcp_id=entry.id,
        status=entry.status,
        command=entry.command,
        reason=entry.held_back,
        tools=None if failed else len(entry.tools),
        tool_list_tokens=None if failed else entry.tool_list_tokens,
        connect_ms=None if failed else entry.connect_ms,
        p50_ms=None if failed or not entry.timed else entry.timed[0].p50_ms,
        resident_bytes=None if failed else entry.resident_bytes,
        warnings=entry.warnings,
    )
