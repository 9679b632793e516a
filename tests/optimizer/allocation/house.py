"""An allocator over a real store, with a clock and a machine that tests set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import anyio
from anyio.lowlevel import checkpoint

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.headroom import Ahead
from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.allocation.pool import ResourcePool
from optimizer.allocation.strategies import BUILT_IN
from optimizer.events import Event, EventBus
from optimizer.identity import Principal
from optimizer.plugins import Registry
from optimizer.quantities import Kind
from optimizer.store.engine import Database
from optimizer.store.ledger import LedgerKeeper

GIB = 2**30
ALICE = Principal("alice")
BOB = Principal("bob")


@dataclass(frozen=True)
class Configured:
    """What sro.toml says of a pool."""

    capacity: float | str
    kind: Kind | None = None
    reserve: float | None = None
    scope: Literal["host", "shared"] = "host"
    indexed: bool | None = None


@dataclass
class FakeClock:
    now: datetime = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class House:
    """An allocator over a real store, with a clock and a machine that tests set."""

    clock: FakeClock
    database: Database
    pools: Mapping[str, ResourcePool]
    unmanaged: dict[str, float] = field(default_factory=dict)
    ahead: dict[str, Ahead] = field(default_factory=dict)
    seen: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    happened: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = LedgerKeeper(self.database, self.pools, clock=self.clock)
        events = EventBus()
        events.subscribe(self.happened.append)
        self.allocator = ResourceAllocator(
            pools=self.pools,
            ledger=self.ledger,
            strategies=Registry("allocation strategy", BUILT_IN),
            events=events,
            unmanaged=lambda leased: self.unmanaged,
            ahead=lambda: self.ahead,
            seen=lambda lease, name: self.seen.get(lease, {}).get(name, ()),
            clock=self.clock,
        )

    async def ask(self, principal: Principal = ALICE, **request: object) -> Allocation:
        return await self.allocator.allocate(AllocationRequest(**request), principal)  # type: ignore[arg-type]

    async def noticed(self, allocation_id: str) -> None:
        """Wait until a lease has notice to give way."""
        with anyio.fail_after(60):
            while True:
                leases = await self.allocator.held()
                if any(one.allocation_id == allocation_id and one.yields_to for one in leases):
                    return
                await checkpoint()
