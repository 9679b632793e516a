"""get_census: which MCP servers run on this machine, and what to do about them."""

import logging
from collections.abc import Callable
from datetime import timedelta

import anyio
import anyio.to_thread
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.clock import Clock
from optimizer.machine.census import Count, Server
from optimizer.monitoring.health import COPIES, MEMORY, ORPHANS
from optimizer.quantities import format_amount

logger = logging.getLogger("sequential_resource_optimization.monitoring")

EVERY = timedelta(minutes=1)
"""A count looks at every process of the machine, so that it is not made with each sample."""

MANY_COPIES = 10
"""From so many copies of one server on it is a warning: three sessions are usual, and reports of
trouble begin at a dozen (openclaw issue 72591, claude-code issue 45880)."""

MUCH_MEMORY = 0.25
"""From this share of the memory on it is a warning that MCP servers take it."""


class CensusRequest(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class McpCensus(BaseModel):
    """MCP servers of this machine, as far as their command lines say that they are."""

    model_config = ConfigDict(frozen=True)

    servers: tuple[Server, ...] = Field(description="By server, the largest first.")
    copies: int = Field(description="Running copies in all.")
    memory_bytes: int = Field(description="Their memory, without pages of files.")
    orphans: int = Field(description="Copies whose host is gone.")
    warnings: dict[str, str] = Field(description="What to do, by a word.")
    counted_at: AwareDatetime


class Counted:
    """The last census, made anew when it is older than a minute.

    Args:
        count: Looks at every process; on a worker.
        memory_bytes: Answers the memory of the machine; None where it is not known.
        clock: The wall clock.
    """

    def __init__(
        self, count: Callable[[], Count], *, memory_bytes: Callable[[], float | None], clock: Clock
    ) -> None:
        self._count = count
        self._memory_bytes = memory_bytes
        self._clock = clock
        self._turn = anyio.Lock()
        self.latest: McpCensus | None = None

    async def census(self) -> McpCensus:
        """Of the last minute."""
        async with self._turn:
            now = self._clock()
            if self.latest is None or not timedelta() <= now - self.latest.counted_at < EVERY:
                found = await anyio.to_thread.run_sync(self._count)
                self.latest = McpCensus(
                    servers=found.servers,
                    copies=found.copies,
                    memory_bytes=found.memory_bytes,
                    orphans=found.orphans,
                    warnings=warnings_of(found, memory_bytes=self._memory_bytes()),
                    counted_at=now,
                )
            return self.latest

    async def run(self) -> None:
        """Count once a minute until cancelled."""
        while True:
            try:
                await self.census()
            except Exception:
                logger.exception("the MCP servers could not be counted")
            await anyio.sleep(EVERY.total_seconds())


def warnings_of(found: Count, *, memory_bytes: float | None) -> dict[str, str]:
    """What is worth a warning, with what to do."""
    warnings = {}
    left = [server for server in found.servers if server.orphans]
    if left:
        pids = " ".join(str(pid) for server in left for pid in server.orphans)
        names = ", ".join(f"{server.name} {len(server.orphans)}" for server in left)
        many = f"{found.orphans} MCP servers have outlived their hosts"
        said = "an MCP server has outlived its host" if found.orphans == 1 else many
        warnings[ORPHANS] = f"{said} ({names}). What to do: kill {pids}"
    copied = [server for server in found.servers if server.copies >= MANY_COPIES]
    if copied:
        names = ", ".join(f"{server.name} {server.copies}" for server in copied)
        warnings[COPIES] = (
            f"many copies of the same MCP server run ({names}). What to do: close sessions that "
            "are done, or share one server over HTTP"
        )
    if memory_bytes is not None and found.memory_bytes >= MUCH_MEMORY * memory_bytes:
        used, whole = format_amount(found.memory_bytes, "byte"), format_amount(memory_bytes, "byte")
        largest = ", ".join(server.name for server in found.servers[:3])
        warnings[MEMORY] = (
            f"MCP servers use {used} of {whole}, the largest are {largest}. What to do: end those "
            "that no session needs"
        )
    return warnings
