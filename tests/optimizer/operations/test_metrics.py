"""get_metrics in the reference document's shape, and the recent past."""

from datetime import timedelta

from optimizer.catalog.spent import Spent
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.operations.metrics import (
    HISTORY_POINTS,
    MetricsRequest,
    get_metrics,
    get_metrics_history,
    use_of,
)
from tests.optimizer.monitoring.fakes import FakeMachine, FakeTime


async def monitor_after(samples: int) -> PerformanceMonitor:
    time = FakeTime()
    monitor = PerformanceMonitor(
        machine=FakeMachine(), host="here", clock=time.clock, monotonic=time.monotonic
    )
    for _ in range(samples):
        await monitor.sample_once()
        time.pass_by(timedelta(seconds=30))
    return monitor


async def test_every_key_of_the_reference_is_there() -> None:
    report = await get_metrics(
        MetricsRequest(), monitor=await monitor_after(3), pools={}, total_allocations=2
    )

    plain = report.model_dump(mode="json")
    assert {
        "timestamp",
        "cpu_usage",
        "memory_usage",
        "storage_usage",
        "network_latency",
        "error_rate",
        "throughput",
        "reliability_score",
    } <= set(plain["current_metrics"])
    assert set(plain["current_metrics"]["network_latency"]) == {"primary", "secondary"}
    assert plain["performance_trends"] == {
        "cpu_trend": None,
        "memory_trend": None,
        "error_trend": None,
    }
    assert set(plain["unknown"]) == set(plain["performance_trends"])
    assert plain["resource_allocation"] == {"total_allocations": 2, "resource_utilization": {}}


async def test_trends_are_words_once_there_is_enough_to_see() -> None:
    report = await get_metrics(
        MetricsRequest(), monitor=await monitor_after(100), pools={}, total_allocations=0
    )

    assert report.performance_trends["cpu_trend"] == "stable"
    assert report.trends["cpu_trend"].per_hour == 0.0


async def test_the_recent_past_fits_in_a_small_answer() -> None:
    history = get_metrics_history(60, monitor=await monitor_after(120))

    assert set(map(len, history.metrics.values())) == {HISTORY_POINTS}
    assert history.metrics["cpu_usage"] == (25.0,) * HISTORY_POINTS
    assert history.units["cpu_usage"] == "%"
    assert history.unknown["error_rate"] == "not recorded in the last 60 minutes"
    assert history.step_s == 90.0


async def test_a_short_past_begins_where_it_is_known_and_gaps_are_null() -> None:
    time = FakeTime()
    monitor = PerformanceMonitor(machine=FakeMachine(), clock=time.clock, monotonic=time.monotonic)
    for pause_s in (30, 300, 30):
        await monitor.sample_once()
        time.pass_by(timedelta(seconds=pause_s))

    history = get_metrics_history(60, monitor=monitor)

    assert history.start == time.now - timedelta(seconds=450)
    assert history.metrics["cpu_usage"] == (25.0, 25.0, None, None, 25.0)


def test_tokens_and_cost_are_means_of_the_calls_that_state_them() -> None:
    use = use_of(Spent(calls=10, calls_with_tokens=4, tokens=7200.0, calls_with_usd=2, usd=0.5))

    assert (use.calls, use.tokens_per_operation, use.tokens_per_s) == (10, 1800.0, 2.0)
    assert (use.usd_per_operation, use.usd_per_hour) == (0.25, 0.5)
    assert use.unknown == {}


def test_without_recorded_calls_tokens_and_cost_are_unknown_with_a_reason() -> None:
    use = use_of(Spent())

    assert use.tokens_per_s is None
    assert use.usd_per_operation is None
    assert "no call was recorded in the last 60 minutes" in use.unknown["usd_per_operation"]
    assert "no recorded call stated it" in use_of(Spent(calls=3)).unknown["tokens_per_s"]
