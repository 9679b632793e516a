from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.allocation.pool import ResourcePool, build_pools
from optimizer.allocation.strategies import BUILT_IN
from optimizer.events import Event, EventBus
from optimizer.identity import Principal
from optimizer.machine.capacity import Capacity
from optimizer.plugins import Registry
from optimizer.quantities import Kind
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.store.ledger import LedgerKeeper

GIB = 2**30
ALICE = Principal("alice")


@dataclass(frozen=True)
class Configured:
    capacity: float | str
    kind: Kind | None = None
    reserve: float | None = None


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
        )

    async def ask(self, principal: Principal = ALICE, **request: object) -> Allocation:
        return await self.allocator.allocate(AllocationRequest(**request), principal)  # type: ignore[arg-type]


@pytest.fixture
async def build() -> AsyncIterator[Callable[..., House]]:
    """Builds houses of 8 cores and 16 GiB, and closes their stores."""
    opened: list[Database] = []

    def build_house(url: str = MEMORY_URL, **configured: Configured) -> House:
        found = {
            "cpu": Capacity("cpu", 8.0, "core", "test"),
            "memory": Capacity("memory", 16.0 * GIB, "byte", "test"),
            "network": Capacity("network", None, "byte/s", "test", "the kernel does not say"),
            "gpu": Capacity("gpu", 0.0, "device", "no NVIDIA device in /proc"),
        }
        database = Database(url)
        opened.append(database)
        return House(FakeClock(), database, build_pools(found, configured, host="here"))

    yield build_house
    for database in opened:
        await database.close()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()
