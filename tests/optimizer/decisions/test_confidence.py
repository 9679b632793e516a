from collections.abc import Callable

import pytest

from optimizer.decisions.confidence import confidence_in, from_backtest
from optimizer.decisions.figures import Candidate
from optimizer.decisions.levels import Rules
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.snapshot import PastRecord, ResourceState, Snapshot, Workload

MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


def today(snapshot: Snapshot) -> Candidate:
    return build_front(snapshot, "system_level", rules=Rules(), max_increase=None).today


def test_without_limits_it_is_the_probability_that_nothing_runs_out_times_the_forecasts_honesty(
    make_snapshot: MakeSnapshot,
) -> None:
    snapshot = make_snapshot()
    candidate = today(snapshot)

    sure = from_backtest(candidate, snapshot, {})

    assert candidate.exhaustion is not None
    assert sure.score == pytest.approx((1 - candidate.exhaustion[1]) * 0.76 / 0.8)
    assert (sure.basis, sure.observations) == ("forecast_backtest", 300)


def test_a_limit_that_demand_may_break_costs_confidence(
    make_snapshot: MakeSnapshot,
) -> None:
    snapshot = make_snapshot(workload=Workload(response_time_ms=100.0))
    candidate = today(snapshot)

    free = from_backtest(candidate, snapshot, {}).score
    exact = from_backtest(candidate, snapshot, {"max_latency_ms": 100.0}).score
    loose = from_backtest(candidate, snapshot, {"max_latency_ms": 1000.0}).score
    same = from_backtest(candidate, snapshot, {"min_performance": 0.0}).score

    assert free is not None
    assert exact is not None
    assert loose == pytest.approx(free, abs=1e-3)
    assert exact == pytest.approx(0.5 * 0.95, abs=0.01)
    assert same == pytest.approx(exact)


def test_there_is_none_without_a_forecast_or_its_back_test(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    blind = make_snapshot({"cpu": make_state("cpu", 0.7, outlook=())})
    untested = make_snapshot(track_record=None)

    without_forecast = from_backtest(today(blind), blind, {})
    without_record = from_backtest(today(untested), untested, {})

    assert without_forecast.score is None
    assert "no forecast" in str(without_forecast.reason)
    assert without_record.score is None
    assert "back-tested" in str(without_record.reason)


@pytest.mark.parametrize(
    ("settled", "held", "basis", "score"),
    [
        (9, 9.0, "forecast_backtest", None),
        (10, 10.0, "settled_decisions", 0.829227 * 0.95),
        (100, 80.0, "settled_decisions", 0.728290 * 0.95),
        (100, 0.0, "settled_decisions", 0.0),
    ],
)
def test_from_ten_settled_decisions_on_it_is_the_lower_beta_bound(
    make_snapshot: MakeSnapshot, settled: int, held: float, basis: str, score: float | None
) -> None:
    snapshot = make_snapshot(past=PastRecord(settled=settled, held=held))

    sure = confidence_in(today(snapshot), snapshot, {})

    assert sure.basis == basis
    if score is not None:
        assert sure.observations == settled
        assert sure.score == pytest.approx(score, abs=1e-4)
