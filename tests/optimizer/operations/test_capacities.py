from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from optimizer.errors import StorageError
from optimizer.events import EventBus, SampleTaken
from optimizer.machine.capacity import Capacity
from optimizer.monitoring.sample import Sample
from optimizer.operations.capacities import Capacities, changes, fits
from tests.optimizer.monitoring.fakes import a_sample

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def found(cpu: float = 2.0, memory: float = 1000.0, storage: float | None = 500.0) -> Any:
    return {
        "cpu": Capacity("cpu", cpu, "core", "cgroup v2 cpu.max"),
        "memory": Capacity("memory", memory, "byte", "cgroup v2 memory.max"),
        "storage": Capacity("storage", storage, "byte", "statvfs /"),
    }


class FakeHouse:
    """A machine that tests resize, and pools that follow it."""

    def __init__(self) -> None:
        self.there = found()
        self.sample: Sample = a_sample()
        self.followed: list[Mapping[str, Capacity]] = []
        self.has_followed = anyio.Event()
        self.is_full = False
        self.capacities = Capacities(
            lambda: self.there, latest=lambda: self.sample, follow=self.follow
        )
        self.bus = EventBus()
        self.bus.subscribe(self.capacities.hear)

    async def follow(self, capacities: Mapping[str, Capacity]) -> None:
        self.has_followed.set()
        if self.is_full:
            raise StorageError("the disk is full")
        self.followed.append(capacities)


async def test_pools_follow_a_limit_that_a_sample_shows_to_have_changed() -> None:
    house = FakeHouse()
    assert house.capacities.now == found()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.capacities.run)
            house.bus.publish(SampleTaken(NOW))
            house.there = found(memory=600.0)
            house.sample = a_sample(memory_bytes=600)
            house.bus.publish(SampleTaken(NOW))
            await house.has_followed.wait()
            tasks.cancel_scope.cancel()

    assert house.followed == [found(memory=600.0)]
    assert house.capacities.now == found(memory=600.0)


async def test_pools_that_could_not_follow_try_again_with_the_next_sample() -> None:
    house = FakeHouse()
    assert house.capacities.now == found()
    house.there, house.sample, house.is_full = found(cpu=1.0), a_sample(cpu_cores=1.0), True

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.capacities.run)
            house.bus.publish(SampleTaken(NOW))
            await house.has_followed.wait()
            house.is_full, house.has_followed = False, anyio.Event()
            house.bus.publish(SampleTaken(NOW))
            await house.has_followed.wait()
            tasks.cancel_scope.cancel()

    assert house.followed == [found(cpu=1.0)]


@pytest.mark.parametrize(
    ("figures", "as_found"),
    [
        ({"storage_bytes": 500}, True),
        ({"storage_bytes": 504}, True),
        ({"storage_bytes": 510}, False),
        ({"storage_bytes": None}, True),
        ({"cpu_cores": 1.5}, False),
        ({"memory_bytes": 999}, False),
    ],
)
def test_a_filesystem_that_shares_its_room_may_differ_a_little(
    figures: dict[str, Any], as_found: bool
) -> None:
    assert fits(found(), a_sample(**figures)) is as_found


def test_what_changed_is_told_with_both_amounts_and_where_it_is_from() -> None:
    assert changes(found(), found(cpu=0.5, storage=None)) == [
        "cpu that may be used: 0.5 core, was 2 cores (cgroup v2 cpu.max)",
        "storage that may be used: not known, was 500 B (statvfs /)",
    ]
