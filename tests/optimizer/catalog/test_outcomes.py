from datetime import UTC, datetime, timedelta

import pytest

from optimizer.catalog.outcomes import CallOutcome, OutcomeClass, summarise

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def call(
    outcome: OutcomeClass = "ok",
    *,
    days_ago: float = 0,
    n: int = 1,
    latency_ms: float | None = None,
    tokens: float | None = None,
    usd: float | None = None,
) -> CallOutcome:
    at = NOON - timedelta(days=days_ago)
    return CallOutcome(
        mcp="time", outcome=outcome, n=n, latency_ms=latency_ms, tokens=tokens, usd=usd, at=at
    )


def test_nothing_recorded_says_nothing() -> None:
    assert summarise([]) is None


def test_a_single_call_counts_as_one() -> None:
    measured = summarise([call()])

    assert measured is not None
    assert (measured.calls, measured.failures, measured.last_at) == (1, 0, NOON)
    assert measured.successes == pytest.approx(1)


def test_a_call_weighs_half_after_thirty_days() -> None:
    measured = summarise([call(days_ago=30), call("timeout")])

    assert measured is not None
    one_call_later = 0.5 ** (1 / 200)
    assert measured.failures == pytest.approx(1)
    assert measured.successes == pytest.approx(0.5 * one_call_later)


def test_a_call_weighs_half_after_two_hundred_later_calls() -> None:
    measured = summarise([call("tool_error"), call(n=200)])

    assert measured is not None
    assert measured.failures == pytest.approx(0.5)


def test_a_report_of_many_calls_counts_as_so_many_single_ones() -> None:
    together = summarise([call(n=5), call("transport", n=2)])
    apart = summarise([*[call()] * 5, *[call("transport")] * 2])

    assert together is not None
    assert apart is not None
    assert together.successes == pytest.approx(apart.successes)
    assert together.failures == pytest.approx(apart.failures)
    assert together.calls == apart.calls == 7


def test_the_callers_own_faults_do_not_count_against_the_server() -> None:
    measured = summarise([call("caller_fault", n=50)])

    assert measured is not None
    assert (measured.calls, measured.successes, measured.failures) == (50, 0, 0)


def test_latency_is_of_calls_that_ended_well() -> None:
    timed = [call(latency_ms=float(ms)) for ms in range(1, 101)]
    measured = summarise([*timed, call("timeout", latency_ms=30_000)])

    assert measured is not None
    assert measured.latency_ms == pytest.approx(50, abs=10)
    assert measured.p95_latency_ms == pytest.approx(95, abs=2)


def test_costs_and_tokens_are_means_of_the_calls_that_say_them() -> None:
    measured = summarise([call(usd=0.01, tokens=100), call(usd=0.03), call()])

    assert measured is not None
    assert measured.usd == pytest.approx(0.02, abs=1e-4)
    assert measured.tokens == 100


def test_a_record_fades_when_no_calls_come() -> None:
    measured = summarise([call(n=10)])

    assert measured is not None
    assert measured.aged(timedelta(days=60)).successes == pytest.approx(measured.successes / 4)
    assert measured.aged(timedelta(days=60)).calls == 10
