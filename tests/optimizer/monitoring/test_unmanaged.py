"""The use that no lease covers, as a stored metric."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from optimizer.errors import StorageError
from optimizer.machine.attribution import Binding, LeaseReading, LeaseUse
from optimizer.machine.readings import Reading, Usage
from optimizer.monitoring.keeper import StoredHistory, no_rollups, stored_figures
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.unmanaged import unmanaged_in
from tests.optimizer.monitoring.fakes import (
    ALLOWED,
    NOON,
    READING,
    FakeKeeper,
    FakeTime,
    a_sample,
)

HALF_MINUTE = timedelta(seconds=30)


class EightCores:
    """A job under a lease of four cores, which uses them all, beside a load of nobody's."""

    is_quick = True

    def __init__(self) -> None:
        self.unleased = 0.0
        self.job = 4.0
        self.bound = True
        self._reading = READING._replace(allowed=replace(ALLOWED, cpu_cores=8.0))
        self._job = LeaseReading(Binding("job", granted=(("cpu", 4.0),)), 0.0, memory_bytes=0)

    def forget_storage(self) -> None:
        levels = {**READING.levels}
        del levels["storage_usage"]
        self._reading = self._reading._replace(levels=levels)

    def read(self) -> Reading:
        self._job = replace(self._job, cpu_s=self._job.cpu_s + self.job)
        self._reading = self._reading._replace(
            monotonic_s=self._reading.monotonic_s + 1,
            busy_ticks=self._reading.busy_ticks + 100 * (self.job + self.unleased),
            total_ticks=self._reading.total_ticks + 800,
            leases={"job": self._job} if self.bound else {},
        )
        return self._reading


async def four_cores() -> Mapping[str, float]:
    return {"cpu": 4.0}


async def test_a_lease_that_is_fully_used_leaves_no_unmanaged_use_over_the_whole_window() -> None:
    machine, time, keeper = EightCores(), FakeTime(), FakeKeeper()
    monitor = PerformanceMonitor(
        machine=machine,
        keeper=keeper,
        leased=four_cores,
        clock=time.clock,
        monotonic=time.monotonic,
    )

    async def an_hour() -> float:
        for _ in range(120):
            await monitor.sample_once()
            time.pass_by(HALF_MINUTE)
        (value,) = monitor.series("unmanaged_cpu", step=timedelta(hours=1)).values[-1:]
        return float(value)

    assert await an_hour() == pytest.approx(0.0)
    machine.unleased = 2.0
    assert await an_hour() == pytest.approx(2.0)
    assert keeper.kept[-1].unmanaged_cpu == pytest.approx(2.0)
    assert keeper.kept[-1].cpu_usage == pytest.approx(75.0)


async def test_an_unbound_lease_neither_hides_a_load_nor_looks_like_one() -> None:
    machine, leased = EightCores(), {"cpu": 0.0}
    machine.bound, machine.unleased = False, 2.0

    async def look_up() -> Mapping[str, float]:
        return leased

    monitor = PerformanceMonitor(machine=machine, leased=look_up)
    told = []
    for held, busy in ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (4.0, 1.0), (4.0, 4.0)):
        leased["cpu"], machine.job = held, busy
        told.append((await monitor.sample_once()).unmanaged_cpu)

    assert told == [pytest.approx(2.0)] * 5
    machine.job, machine.unleased = 0.0, 0.5
    assert (await monitor.sample_once()).unmanaged_cpu == pytest.approx(0.5)


async def test_a_restart_hides_no_load_behind_an_unbound_lease() -> None:
    before = [a_sample(NOON, unmanaged_cpu=2.0), a_sample(NOON + HALF_MINUTE)]
    times = np.array([sample.timestamp.timestamp() for sample in before])
    values = np.array([stored_figures(sample) for sample in before], dtype=np.float64)
    stored = StoredHistory(times, values, no_rollups(300), no_rollups(3600))
    machine = EightCores()
    machine.bound, machine.job, machine.unleased = False, 0.0, 2.0
    monitor = PerformanceMonitor(machine=machine, keeper=FakeKeeper(stored), leased=four_cores)

    await monitor.reload()

    assert (await monitor.sample_once()).unmanaged_cpu == pytest.approx(2.0)


async def test_without_a_ledger_the_unmanaged_rest_is_unknown_with_a_reason() -> None:
    async def broken() -> Mapping[str, float]:
        raise StorageError("cannot read the store (disk I/O error)")

    for leased in (None, broken):
        sample = await PerformanceMonitor(machine=EightCores(), leased=leased).sample_once()

        assert sample.unmanaged_cpu is None
        assert sample.unknown["unmanaged_cpu"] == "what is leased has not been looked up"


def test_what_a_lease_uses_beyond_its_grant_is_covered_by_none() -> None:
    use = LeaseUse({"cpu": 4.0, "memory": 500.0}, {"cpu": 5.0, "memory": 300.0})
    reading = READING._replace(allowed=replace(ALLOWED, cpu_cores=8.0), memory_used_bytes=900)
    usage = Usage({"cpu_usage": 75.0}, {}, reading, (), {"job": use})

    told = unmanaged_in(usage, {"cpu": 4.0, "memory": 500.0}, before={})

    assert told == {"cpu": 2.0, "memory": 600.0}


async def test_where_the_use_of_storage_is_not_known_the_unmanaged_rest_says_so() -> None:
    machine = EightCores()
    machine.forget_storage()

    sample = await PerformanceMonitor(machine=machine, leased=four_cores).sample_once()

    assert sample.unmanaged_cpu is not None
    assert sample.unmanaged_storage is None
    assert sample.unknown["unmanaged_storage"] == "use of storage is not known"
