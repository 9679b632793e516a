from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optimizer.forecasting.planner import BUILT_IN, PredictivePlanner
from optimizer.forecasting.served import (
    FIVE_MINUTES,
    HOUR,
    RecordedPast,
    Served,
    Settlement,
    Tally,
    histories,
    settle,
)
from optimizer.forecasting.skill import keep_score, score_of
from optimizer.monitoring.history import Series
from optimizer.plugins import Registry

START = datetime(2026, 11, 2, tzinfo=UTC)


def past(*values: float) -> RecordedPast:
    recorded = Series("cpu_usage", np.array(values), HOUR, START)
    return lambda metric, step: recorded if (metric, step) == ("cpu_usage", HOUR) else None


def served(origin_hours: int, *rows: tuple[float, float, float]) -> Served:
    band = np.array(rows).T
    return Served("here", "cpu_usage", HOUR, START + origin_hours * HOUR, band, band)


def settled(one: Served, recorded: RecordedPast) -> tuple[Settlement, ...]:
    return settle([one], histories([one], recorded))


class FakeKeeper:
    """Keeps forecasts in a list, as the store does in a table."""

    def __init__(self) -> None:
        self.kept: list[Served] = []
        self.sums: dict[tuple[str, str], Tally] = {}

    async def serve(self, forecasts: Sequence[Served]) -> None:
        self.kept.extend(forecasts)

    async def unsettled(self, host: str, *, due: datetime) -> Sequence[Served]:
        return [one for one in self.kept if one.host == host and one.next_due <= due]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            self.kept.remove(settlement.before)
            if not settlement.after.is_settled:
                self.kept.append(settlement.after)
            for lead, tally in settlement.tallies.items():
                key = (settlement.before.metric, lead)
                self.sums[key] = self.sums.get(key, Tally()) + tally

    async def tallies(self, host: str) -> Mapping[tuple[str, str], Tally]:
        return dict(self.sums)


def test_an_hour_that_came_is_compared_with_the_forecast_and_with_yesterday() -> None:
    recorded = past(*[10.0] * 24, 13.0)

    (settlement,) = settled(served(24, (10, 12, 14), (10, 12, 14)), recorded)

    assert settlement.settled == 1
    assert settlement.tallies == {
        "1h": Tally(n=1, error=1.0, naive_error=3.0, inside=1, own_error=1.0, own_inside=1)
    }


def test_what_the_record_changed_is_judged_apart_from_what_it_was_before() -> None:
    band, own = np.array([[8.0], [12.0], [16.0]]), np.array([[10.0], [11.0], [12.0]])
    one = Served("here", "cpu_usage", HOUR, START + 24 * HOUR, band, own)

    (settlement,) = settled(one, past(*[10.0] * 24, 13.0))

    tally = settlement.tallies["1h"]
    assert (tally.inside, tally.own_inside) == (1, 0)
    assert (tally.error, tally.own_error) == (1.0, 2.0)


def test_an_hour_is_compared_only_once() -> None:
    recorded = past(*[10.0] * 24, 13.0)
    (first,) = settled(served(24, (10, 12, 14), (10, 12, 14)), recorded)

    assert settled(first.after, recorded) == ()


def test_hours_that_were_not_recorded_are_passed_over() -> None:
    recorded = past(*[10.0] * 24, np.nan, 20.0)

    (settlement,) = settled(served(24, (10, 12, 14), (10, 12, 14)), recorded)

    assert settlement.settled == 2
    tally = settlement.tallies["2-6h"]
    assert list(settlement.tallies) == ["2-6h"]
    assert (tally.n, tally.error, tally.naive_error, tally.inside) == (1, 8.0, 10.0, 0)


def test_metrics_without_history_wait() -> None:
    assert settled(served(24, (1, 2, 3)), lambda metric, step: None) == ()


@pytest.mark.parametrize(
    ("step", "done", "hours"),
    [(HOUR, 0, 1), (HOUR, 1, 6), (HOUR, 6, 24), (HOUR, 30, 48), (HOUR, 150, 160)],
)
def test_a_forecast_is_looked_at_again_when_a_lead_or_a_day_is_over(
    step: timedelta, done: int, hours: int
) -> None:
    band = np.ones((3, 160))

    assert Served("here", "cpu_usage", step, START, band, band, done).next_due == (
        START + hours * HOUR
    )


def test_fine_forecasts_have_leads_of_their_own() -> None:
    recorded = Series("cpu_usage", np.full(288 + 24, 10.0), FIVE_MINUTES, START)
    band = np.array([[9.0] * 24, [10.0] * 24, [11.0] * 24])
    one = Served("here", "cpu_usage", FIVE_MINUTES, START + 24 * HOUR, band, band)

    (settlement,) = settle([one], {("cpu_usage", FIVE_MINUTES): recorded})

    assert {lead: tally.n for lead, tally in settlement.tallies.items()} == {
        "5-30min": 6,
        "35-120min": 18,
    }


async def test_served_forecasts_are_settled_as_hours_come() -> None:
    hours = np.arange(24 * 12)
    values = 50 + 20 * np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(0).normal(0, 2, 288)
    planner = PredictivePlanner(Registry("forecast model", BUILT_IN), clock=lambda: START)
    keeper = FakeKeeper()
    known = Series("cpu_usage", values[:240], HOUR, START)
    await keeper.serve(planner.planned({"cpu_usage": known}, horizon_hours=24, host="here").served)

    none = await keep_score(keeper, past(*values[:240]), host="here", now=START + 240 * HOUR)
    early = await keep_score(keeper, past(*values[:246]), host="here", now=START + 246 * HOUR)
    late = await keep_score(keeper, past(*values), host="here", now=START + 288 * HOUR)

    assert none.metrics == ()
    assert early.overall("cpu_usage").n == 6
    assert late.overall("cpu_usage").n == 24
    assert keeper.kept == []
    skill = score_of(late.overall("cpu_usage")).skill
    assert skill is not None
    assert skill > 0
