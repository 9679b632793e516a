"""record_calls: calls of MCP servers that we saw ourselves. For our own code; no door offers it."""

from collections.abc import Iterable, Mapping
from typing import Any

from optimizer.catalog.outcomes import CallOutcome, Witness
from optimizer.clock import Clock
from optimizer.identity import Principal
from optimizer.operations.report_usage import UsageKeeper


async def record_calls(
    mcp: str,
    calls: Iterable[Mapping[str, Any]],
    *,
    witness: Witness,
    outcomes: UsageKeeper,
    clock: Clock,
    principal: Principal,
) -> int:
    """Record what a tap or a client of ours saw; later selections weigh it.

    Args:
        mcp: Id of the server.
        calls: tool, outcome, latency_ms and tokens of each.
        witness: Who saw them.
        outcomes: Where they are kept.
        clock: The wall clock.
        principal: On whose behalf they were made.

    Returns:
        How many there were.

    Raises:
        ForbiddenError: The principal may only read.
        StorageError: Nothing was stored.
        ValidationError: Something in a call is not allowed; nothing was stored.
    """
    principal.require_writer("record_calls")
    now = clock()
    seen = [CallOutcome.model_validate({**call, "mcp": mcp, "at": now}) for call in calls]
    await outcomes.record(seen, witness=witness, principal=principal.name)
    return len(seen)
