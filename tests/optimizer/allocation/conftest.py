from collections.abc import AsyncIterator, Callable

import pytest

from optimizer.allocation.pool import build_pools
from optimizer.machine.capacity import Capacity
from optimizer.store.engine import MEMORY_URL, Database
from tests.optimizer.allocation.house import GIB, Configured, FakeClock, House


@pytest.fixture
async def build() -> AsyncIterator[Callable[..., House]]:
    """Builds houses of 8 cores and 16 GiB, and closes their stores."""
    opened: list[Database] = []

    def build_house(url: str = MEMORY_URL, gpus: int = 0, **configured: Configured) -> House:
        found = {
            "cpu": Capacity("cpu", 8.0, "core", "test"),
            "memory": Capacity("memory", 16.0 * GIB, "byte", "test"),
            "network": Capacity("network", None, "byte/s", "test", "the kernel does not say"),
            "gpu": Capacity("gpu", float(gpus), "device", "no NVIDIA device in /proc"),
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
