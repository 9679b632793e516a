"""Requests become rates and percentiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.monitoring.workload import Workload


class FakeSeconds:
    """A monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


def test_before_any_request_everything_is_unknown_with_a_reason() -> None:
    figures = Workload(FakeSeconds()).figures()

    assert figures.error_rate is figures.throughput is None
    assert set(figures.unknown) == {
        "error_rate",
        "response_time_ms",
        "response_time_p95_ms",
        "throughput",
    }


def test_a_rate_needs_enough_requests() -> None:
    workload = Workload(FakeSeconds())
    workload.record(ok=False, latency_ms=10)

    figures = workload.figures()

    assert figures.error_rate is None
    assert figures.unknown["error_rate"] == "1 requests in the last 5 minutes; a rate needs 20"
    assert figures.response_time_ms is not None


def test_failures_are_counted_over_five_minutes() -> None:
    seconds = FakeSeconds()
    workload = Workload(seconds)
    for i in range(40):
        workload.record(ok=i % 4 != 0, latency_ms=10)
    before = workload.figures()
    seconds.now += 600
    for _ in range(40):
        workload.record(ok=True, latency_ms=10)

    after = workload.figures()

    assert (before.error_rate, before.requests) == (0.25, 40)
    assert (after.error_rate, after.requests) == (0.0, 40)


def test_an_hour_is_counted_beside_the_five_minutes_and_then_forgotten() -> None:
    seconds = FakeSeconds()
    workload = Workload(seconds)
    for _ in range(6):
        workload.record(ok=False, latency_ms=10)
        workload.record(ok=True, latency_ms=10)
        seconds.now += 600

    figures = workload.figures()

    assert (figures.failures_hour, figures.requests_hour, figures.requests) == (5, 10, 0)
    seconds.now += 3600
    assert (workload.figures().failures_hour, workload.figures().requests_hour) == (0, 0)


def test_throughput_is_requests_per_second_over_five_minutes() -> None:
    seconds = FakeSeconds()
    workload = Workload(seconds)
    for _ in range(600):
        workload.record(ok=True, latency_ms=1)
        seconds.now += 1

    assert workload.figures().throughput == pytest.approx(1.0, abs=0.04)


def test_silence_after_requests_is_a_throughput_of_zero() -> None:
    seconds = FakeSeconds()
    workload = Workload(seconds)
    workload.record(ok=True, latency_ms=1)
    seconds.now += 400

    figures = workload.figures()

    assert figures.throughput == 0.0
    assert figures.response_time_ms is None
    assert figures.unknown["response_time_ms"] == "no request in the last 5 minutes"


def test_percentiles_lie_within_five_percent() -> None:
    workload = Workload(FakeSeconds())
    for ms in range(1, 1001):
        workload.record(ok=True, latency_ms=float(ms))

    figures = workload.figures()

    assert figures.response_time_ms == pytest.approx(500, rel=0.05)
    assert figures.response_time_p95_ms == pytest.approx(950, rel=0.05)


@given(
    calls=st.lists(
        st.tuples(st.booleans(), st.floats(0, 1e12), st.floats(0, 4000)), min_size=1, max_size=60
    )
)
def test_every_figure_is_possible(calls: list[tuple[bool, float, float]]) -> None:
    seconds = FakeSeconds()
    workload = Workload(seconds)
    for ok, latency_ms, pause in calls:
        workload.record(ok=ok, latency_ms=latency_ms)
        seconds.now += pause

    figures = workload.figures()

    assert figures.error_rate is None or 0 <= figures.error_rate <= 1
    assert figures.throughput is not None
    assert 0 <= figures.throughput <= len(calls)
