from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.forecasting.planner import BUILT_IN, PredictivePlanner
from optimizer.forecasting.skill import (
    Record,
    Served,
    Settlement,
    Tally,
    keep_score,
    served_from,
    settle,
    skill_of,
    width_factor,
)
from optimizer.monitoring.history import Series
from optimizer.plugins import Registry

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def history(*values: float) -> dict[str, Series]:
    return {"cpu_usage": Series("cpu_usage", np.array(values), HOUR, START)}


def served(origin_hours: int, *rows: tuple[float, float, float]) -> Served:
    low, middle, high = np.array(rows).T
    return Served(
        "here", "cpu_usage", START + origin_hours * HOUR, np.stack([low, middle, high, high])
    )


class FakeKeeper:
    """Keeps forecasts in a list, as the store does in a table."""

    def __init__(self) -> None:
        self.kept: list[Served] = []
        self.sums: dict[tuple[str, str], Tally] = {}

    async def serve(self, forecasts: Sequence[Served]) -> None:
        self.kept.extend(forecasts)

    async def unsettled(self, host: str) -> Sequence[Served]:
        return [one for one in self.kept if one.host == host]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            done = settlement.served
            self.kept = [
                one for one in self.kept if (one.metric, one.origin) != (done.metric, done.origin)
            ]
            if done.settled < done.quantiles.shape[1]:
                self.kept.append(done)
            for lead, tally in settlement.tallies.items():
                key = (done.metric, lead)
                self.sums[key] = self.sums.get(key, Tally()) + tally

    async def tallies(self, host: str) -> Mapping[tuple[str, str], Tally]:
        return dict(self.sums)


def test_an_hour_that_came_is_compared_with_the_forecast_and_with_yesterday() -> None:
    past = history(*[10.0] * 24, 13.0)

    (settlement,) = settle([served(24, (10, 12, 14), (10, 12, 14))], past)

    assert settlement.served.settled == 1
    assert settlement.tallies == {"1h": Tally(n=1, error=1.0, naive_error=3.0, inside=1)}


def test_an_hour_is_compared_only_once() -> None:
    past = history(*[10.0] * 24, 13.0)
    (first,) = settle([served(24, (10, 12, 14), (10, 12, 14))], past)

    assert settle([first.served], past) == ()


def test_hours_that_were_not_recorded_are_passed_over() -> None:
    past = history(*[10.0] * 24, np.nan, 20.0)

    (settlement,) = settle([served(24, (10, 12, 14), (10, 12, 14))], past)

    assert settlement.served.settled == 2
    assert settlement.tallies == {"2-6h": Tally(n=1, error=8.0, naive_error=10.0, inside=0)}


def test_metrics_without_history_wait() -> None:
    assert settle([served(24, (1, 2, 3))], {}) == ()


def test_a_record_says_when_it_is_no_better_than_naive() -> None:
    assert skill_of(Tally(100, 50.0, 40.0, 70)).verdict.startswith("no better than repeating")
    assert skill_of(Tally(100, 30.0, 40.0, 70)).skill == pytest.approx(0.25)
    assert skill_of(Tally()).coverage is None
    assert skill_of(Tally(10, 1.0, 0.0, 10)).skill is None


def test_bands_that_held_too_seldom_are_widened() -> None:
    assert width_factor(Tally(n=2000, inside=1000)) > 1.5
    assert width_factor(Tally(n=2000, inside=1960)) < 0.8
    assert width_factor(Tally(n=2000, inside=1600)) == pytest.approx(1.0, abs=0.01)
    assert width_factor(Tally()) == 1.0


def test_a_young_record_is_hardly_believed() -> None:
    young, old = Tally(n=10, inside=5), Tally(n=1000, inside=500)

    assert 1 < width_factor(young) < 1.1 < width_factor(old)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_width_factor_is_bounded(n: int, share: float) -> None:
    assert 0.5 <= width_factor(Tally(n=n, inside=round(share * n))) <= 2.0


async def test_served_forecasts_are_settled_as_hours_come() -> None:
    hours = np.arange(24 * 12)
    values = 50 + 20 * np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(0).normal(0, 2, 288)
    planner = PredictivePlanner(Registry("forecast model", BUILT_IN), clock=lambda: START)
    keeper = FakeKeeper()
    known = history(*values[:240])
    await keeper.serve(served_from(planner.forecast(known, horizon_hours=24), host="here"))

    early = await keep_score(keeper, history(*values[:246]), host="here")
    late = await keep_score(keeper, history(*values), host="here")

    assert early.of("cpu_usage").n == 6
    assert late.of("cpu_usage").n == 24
    assert keeper.kept == []
    skill = skill_of(late.of("cpu_usage"))
    assert skill.skill is not None
    assert skill.skill > 0


def test_a_record_gives_each_metric_its_width() -> None:
    record = Record({("cpu_usage", "1h"): Tally(n=500, inside=250), ("cpu_usage", "2-6h"): Tally()})

    assert record.widths() == {"cpu_usage": width_factor(Tally(n=500, inside=250))}


def test_a_planner_widens_bands_by_their_record() -> None:
    values = 50 + np.random.default_rng(0).normal(0, 5, 240)
    planner = PredictivePlanner(Registry("forecast model", BUILT_IN), clock=lambda: START)

    plain = planner.forecast(history(*values), horizon_hours=6).metrics["cpu_usage"]
    wider = planner.forecast(history(*values), horizon_hours=6, widths={"cpu_usage": 2.0}).metrics[
        "cpu_usage"
    ]

    assert wider.mean == plain.mean
    for step in range(6):
        distance = plain.quantiles["0.9"][step] - plain.mean[step]
        assert wider.quantiles["0.9"][step] == pytest.approx(
            plain.mean[step] + 2 * distance, abs=1e-3
        )
