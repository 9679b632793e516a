"""report_usage: calls of MCP servers that this program could not see itself."""

from collections.abc import Sequence
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from typing_extensions import TypedDict

from optimizer.catalog.outcomes import CallOutcome, OutcomeClass, Witness
from optimizer.clock import Clock
from optimizer.identity import Principal


class UsageKeeper(Protocol):
    """Where recorded calls are kept."""

    async def record(
        self, calls: Sequence[CallOutcome], *, witness: Witness, principal: str
    ) -> dict[str, int]:
        """Store calls, all or none; answers how many are on record for each server."""


class UsageReport(BaseModel):
    """One or several like calls of a tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mcp: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="Server's id.")
    tool: Annotated[str, Field(max_length=200)] | None = Field(None, description="Tool's name.")
    outcome: OutcomeClass = Field(
        description="caller_fault (bad arguments) does not count against the server."
    )
    latency_ms: Annotated[FiniteFloat, Field(ge=0, le=1e9)] | None = Field(
        None, description="Milliseconds per call."
    )
    tokens: Annotated[FiniteFloat, Field(ge=0, le=1e12)] | None = Field(
        None, description="Tokens of the answer, per call."
    )
    usd: Annotated[FiniteFloat, Field(ge=0, le=1e9)] | None = Field(
        None, description="US dollars per call."
    )
    n: Annotated[int, Field(ge=1, le=10_000)] = Field(1, description="How many like calls.")


class ReportUsageRequest(BaseModel):
    """Calls to record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: Annotated[list[UsageReport], Field(min_length=1, max_length=1000)] = Field(
        description="Calls in the order in which they ended; only those not seen by `sro run`."
    )


class UsageRecorded(TypedDict):
    """What was stored."""

    recorded: int
    on_record: dict[str, int]
    next: str


async def report_usage(
    request: ReportUsageRequest, *, outcomes: UsageKeeper, clock: Clock, principal: Principal
) -> UsageRecorded:
    """Record calls; later selections weigh them.

    Raises:
        ForbiddenError: The principal may only read.
        StorageError: Nothing was stored.
    """
    principal.require_writer("report_usage")
    now = clock()
    calls = [CallOutcome(**report.model_dump(), at=now) for report in request.calls]
    on_record = await outcomes.record(calls, witness="reported", principal=principal.name)
    return {
        "recorded": sum(call.n for call in calls),
        "on_record": on_record,
        "next": "analyze_mcp_selection weighs these calls from now on",
    }
