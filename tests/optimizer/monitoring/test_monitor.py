"""The monitor, on a machine that reads what it is told."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from optimizer.errors import DependencyError
from optimizer.events import AlertChanged, Event, EventBus, SampleTaken
from optimizer.machine.reader import Machine
from optimizer.monitoring.keeper import StoredHistory, no_rollups, stored_figures
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.rollup import roll_up
from optimizer.monitoring.sample import Reliability, Threshold
from tests.optimizer.monitoring.fakes import (
    NOON,
    FakeKeeper,
    FakeMachine,
    FakeTime,
    samples_at,
)

HALF_MINUTE = timedelta(seconds=30)


class Waiter:
    """Waits for the n-th sample."""

    def __init__(self, events: EventBus, count: int) -> None:
        self.done = anyio.Event()
        self.seen: list[Event] = []
        self._count = count
        events.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        self.seen.append(event)
        if sum(isinstance(each, SampleTaken) for each in self.seen) >= self._count:
            self.done.set()


async def test_a_sample_holds_the_machine_between_two_readings() -> None:
    keeper, time = FakeKeeper(), FakeTime()
    monitor = PerformanceMonitor(
        machine=FakeMachine(cpu=25.0),
        keeper=keeper,
        host="here",
        clock=time.clock,
        monotonic=time.monotonic,
    )

    sample = await monitor.sample_once()

    assert (sample.cpu_usage, sample.memory_usage) == (25.0, 40.0)
    assert sample.network_rx_bytes_s == 3000.0
    assert (sample.host, sample.timestamp) == ("here", NOON)
    assert keeper.kept == [sample]
    assert (monitor.latest, monitor.version) == (sample, 1)


async def test_requests_at_the_doors_are_part_of_a_sample() -> None:
    monitor = PerformanceMonitor(
        machine=FakeMachine(),
        reliability=lambda bad, of: Reliability(at_least=0.8, seen=1 - bad / of, basis="counted"),
    )
    for i in range(40):
        monitor.workload.record(ok=i != 0, latency_ms=20.0)

    sample = await monitor.sample_once()

    assert sample.error_rate == 1 / 40
    assert (sample.reliability_score, sample.reliability_seen) == (0.8, 1 - 1 / 40)
    assert sample.reliability_basis == "counted"
    assert (sample.failures_hour, sample.requests_hour) == (1, 40)
    assert sample.response_time_ms == pytest.approx(20, rel=0.05)


def test_metrics_can_be_had_before_monitoring_and_are_not_kept() -> None:
    monitor = PerformanceMonitor(machine=FakeMachine(cpu=75.0))

    sample = monitor.get_current_metrics()

    assert sample.cpu_usage == 75.0
    assert (monitor.latest, monitor.version) == (None, 0)


async def test_a_glance_is_the_latest_sample_for_a_second_and_is_not_kept() -> None:
    keeper, time = FakeKeeper(), FakeTime()
    machine = FakeMachine(cpu=95.0)
    monitor = PerformanceMonitor(
        machine=machine, keeper=keeper, clock=time.clock, monotonic=time.monotonic
    )

    await monitor.glance()
    await monitor.glance()

    assert monitor.latest is not None
    assert (monitor.latest.cpu_usage, monitor.version) == (95.0, 1)
    assert (keeper.kept, monitor.alerts) == ([], ())
    time.pass_by(timedelta(seconds=2))
    await monitor.glance()
    assert monitor.version == 2


async def test_a_glance_at_a_machine_that_cannot_be_read_is_a_warning() -> None:
    machine = FakeMachine()
    monitor = PerformanceMonitor(machine=machine)
    machine.is_broken = True

    await monitor.glance()

    machine.is_broken = False
    assert monitor.latest is None
    assert monitor.health().warnings == ("sampling_failed",)


def test_this_very_machine_can_be_sampled_on_demand(tmp_path: Path) -> None:
    sample = PerformanceMonitor(machine=Machine(data_dir=tmp_path)).get_current_metrics()

    assert 0 <= sample.cpu_usage <= 100
    assert 0 < sample.memory_usage < 100
    assert sample.cpu_cores >= 0.01


async def test_it_samples_on_its_interval_until_it_is_stopped() -> None:
    events, keeper = EventBus(), FakeKeeper()
    monitor = PerformanceMonitor(
        machine=FakeMachine(), keeper=keeper, events=events, interval=timedelta(milliseconds=5)
    )
    waiter = Waiter(events, 3)

    await monitor.start()
    await monitor.start()
    with anyio.fail_after(60):
        await waiter.done.wait()
    was_running = monitor.is_running
    await monitor.stop()
    count = len(keeper.kept)
    await anyio.lowlevel.checkpoint()

    assert was_running
    assert not monitor.is_running
    assert len(keeper.kept) == count >= 3


async def test_it_starts_again_after_it_was_stopped() -> None:
    events = EventBus()
    monitor = PerformanceMonitor(
        machine=FakeMachine(), events=events, interval=timedelta(milliseconds=5)
    )
    await monitor.start()
    await monitor.stop()
    waiter = Waiter(events, 1)

    await monitor.start()
    with anyio.fail_after(60):
        await waiter.done.wait()
    await monitor.stop()


def test_what_one_event_loop_left_behind_can_be_stopped_and_started_in_the_next() -> None:
    monitor = PerformanceMonitor(machine=FakeMachine())

    asyncio.run(monitor.start())
    asyncio.run(monitor.stop())
    asyncio.run(monitor.start())

    assert not monitor.is_running


async def test_a_sample_on_demand_is_not_a_mean_over_hours() -> None:
    machine = FakeMachine(cpu=90.0)
    monitor = PerformanceMonitor(machine=machine)
    await monitor.sample_once()
    machine.cpu = 0.0
    for _ in range(100):
        machine.read()
    machine.cpu = 30.0

    sample = await monitor.sample_once()

    assert sample.cpu_usage == 30.0


async def test_a_machine_that_cannot_be_read_for_a_while_does_not_end_monitoring() -> None:
    events, machine = EventBus(), FakeMachine()
    machine.is_broken = True
    monitor = PerformanceMonitor(machine=machine, events=events, interval=timedelta(milliseconds=5))
    await monitor.start()
    waiter = Waiter(events, 1)
    with pytest.raises(DependencyError):
        await monitor.sample_once()

    machine.is_broken = False
    with anyio.fail_after(60):
        await waiter.done.wait()
    await monitor.stop()

    assert monitor.health().status == "healthy"


async def test_a_full_store_is_a_warning_said_once_and_sampling_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper = FakeKeeper()
    keeper.is_full = True
    monitor = PerformanceMonitor(machine=FakeMachine(), keeper=keeper)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await monitor.sample_once()
    health = monitor.health()

    assert monitor.version == 3
    assert (health.status, health.warnings) == ("degraded", ("history_not_stored",))
    assert "disk is full" in health.details["history_not_stored"]
    assert sum("history_not_stored" in record.message for record in caplog.records) == 1

    keeper.is_full = False
    await monitor.sample_once()

    assert monitor.health().status == "healthy"
    assert len(keeper.kept) == 1


async def test_history_from_the_store_is_there_as_soon_as_it_runs() -> None:
    time = FakeTime(NOON + timedelta(hours=1))
    before = samples_at([10.0] * 120, HALF_MINUTE)
    times = np.array([sample.timestamp.timestamp() for sample in before])
    values = np.array([stored_figures(sample) for sample in before], dtype=np.float64)
    stored = StoredHistory(
        times, values, five_minutes=roll_up(times, values, step_s=300), hours=no_rollups(3600)
    )
    monitor = PerformanceMonitor(
        machine=FakeMachine(),
        keeper=FakeKeeper(stored),
        clock=time.clock,
        monotonic=time.monotonic,
    )

    await monitor.start()
    await monitor.stop()

    assert monitor.series("cpu_usage", step=timedelta(minutes=5)).values.tolist() == [10.0] * 12
    assert monitor.series("cpu_usage", step=timedelta(hours=1)).values.tolist() == [10.0]
    assert monitor.trends()["cpu_trend"].trend == "stable"
    assert monitor.trends()["error_trend"].trend is None


async def test_an_alert_is_announced_once_when_it_begins_and_once_when_it_ends() -> None:
    events, machine, time = EventBus(), FakeMachine(cpu=95.0), FakeTime()
    heard: list[Event] = []
    events.subscribe(heard.append)
    monitor = PerformanceMonitor(
        machine=machine,
        events=events,
        thresholds={"cpu_usage": Threshold(critical=80, for_s=30)},
        clock=time.clock,
        monotonic=time.monotonic,
    )
    for cpu in (95.0, 95.0, 95.0, 20.0, 20.0):
        machine.cpu = cpu
        await monitor.sample_once()
        time.pass_by(HALF_MINUTE)

    alerts = [(event.metric, event.level) for event in heard if isinstance(event, AlertChanged)]
    assert alerts == [("cpu_usage", "critical"), ("cpu_usage", "cleared")]
    assert monitor.alerts == ()


async def test_health_is_unknown_when_samples_stop_coming() -> None:
    time, events = FakeTime(), EventBus()
    monitor = PerformanceMonitor(
        machine=FakeMachine(),
        events=events,
        interval=timedelta(minutes=10),
        clock=time.clock,
        monotonic=time.monotonic,
    )
    await monitor.start()
    await monitor.sample_once()
    fresh = monitor.health()
    time.pass_by(timedelta(hours=1))
    stale = monitor.health()
    await monitor.stop()

    assert fresh.status == "healthy"
    assert (stale.status, stale.warnings) == ("unknown", ("monitoring_stalled",))
    assert stale.cpu_usage == 25.0


async def test_health_before_monitoring_comes_from_a_sample_on_demand() -> None:
    health = PerformanceMonitor(machine=FakeMachine(cpu=99.0)).health({"x_failed": "broken"})

    assert (health.status, health.issues) == ("critical", ("high_cpu_usage",))
    assert health.warnings == ("x_failed",)


async def test_only_one_of_two_monitors_writes_and_the_other_takes_over(tmp_path: Path) -> None:
    keeper, lock = FakeKeeper(), tmp_path / "sampler.lock"
    one = PerformanceMonitor(machine=FakeMachine(), keeper=keeper, host="one", sampler_lock=lock)
    other = PerformanceMonitor(
        machine=FakeMachine(), keeper=keeper, host="other", sampler_lock=lock
    )

    for monitor in (one, other, one):
        await monitor.sample_once()
    writers = (one.is_writer, other.is_writer)
    await one.stop()
    await other.sample_once()
    await other.stop()

    assert writers == (True, False)
    assert [sample.host for sample in keeper.kept] == ["one", "one", "other"]
    assert other.version == 2


async def test_a_clock_set_back_leaves_no_duplicate_and_no_future() -> None:
    time = FakeTime()
    monitor = PerformanceMonitor(
        machine=FakeMachine(), clock=time.clock, monotonic=time.monotonic, interval=HALF_MINUTE
    )
    for _ in range(40):
        await monitor.sample_once()
        time.pass_by(HALF_MINUTE)
    time.now -= timedelta(minutes=10)
    for _ in range(20):
        await monitor.sample_once()
        time.pass_by(HALF_MINUTE)

    series = monitor.series("cpu_usage", step=timedelta(minutes=5))

    assert series.end <= time.now
    assert series.values.tolist() == [25.0] * 4


async def test_a_clock_set_ahead_leaves_a_gap_and_goes_on() -> None:
    time = FakeTime()
    monitor = PerformanceMonitor(
        machine=FakeMachine(), clock=time.clock, monotonic=time.monotonic, interval=HALF_MINUTE
    )
    for _ in range(10):
        await monitor.sample_once()
        time.pass_by(HALF_MINUTE)
    time.now += timedelta(hours=1)
    for _ in range(10):
        await monitor.sample_once()
        time.pass_by(HALF_MINUTE)

    values = monitor.series("cpu_usage", step=timedelta(minutes=5)).values

    np.testing.assert_array_equal(values, [25.0, *[np.nan] * 12, 25.0])


async def test_everything_recent_is_there_in_a_few_points() -> None:
    time = FakeTime()
    monitor = PerformanceMonitor(
        machine=FakeMachine(), clock=time.clock, monotonic=time.monotonic, interval=HALF_MINUTE
    )
    for _ in range(20):
        await monitor.sample_once()
        time.pass_by(HALF_MINUTE)

    recent = monitor.recent(timedelta(minutes=10), points=5)

    assert recent["cpu_usage"].values.tolist() == [25.0] * 5
    assert np.isnan(recent["error_rate"].values).all()
