"""see_tools: a tool list that passed through a tap, for our own code; no door offers it."""

from collections.abc import Sequence

from optimizer.catalog.profiler import EntryKeeper
from optimizer.catalog.seen import seen
from optimizer.clock import Clock
from optimizer.identity import Principal


async def see_tools(
    mcp: str,
    tools: Sequence[object],
    *,
    command: Sequence[str],
    catalog: EntryKeeper,
    clock: Clock,
    principal: Principal,
) -> str | None:
    """Hold what a server offers a host against what is known of it.

    Args:
        mcp: Id of the server.
        tools: As it listed them.
        command: What was started.
        catalog: Where it is kept.
        clock: The wall clock.
        principal: On whose behalf it runs.

    Returns:
        What the person who runs it should know; None when all is as it was.

    Raises:
        ForbiddenError: The principal may only read.
        StorageError: Nothing was stored.
    """
    principal.require_writer("see_tools")
    before = await catalog.entry(mcp)
    entry = seen(mcp, command, tools, before, now=clock())
    if entry is None:
        return None
    is_changed = entry.status == "changed"
    await catalog.keep(entry, forget_calls=is_changed)
    return f"{mcp}: {entry.held_back}" if is_changed else None
