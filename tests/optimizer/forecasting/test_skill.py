from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.forecasting.planner import BUILT_IN, PredictivePlanner
from optimizer.forecasting.protocol import Outlook
from optimizer.forecasting.served import HOUR, LEADS, Lead, Tally
from optimizer.forecasting.skill import (
    Record,
    score_of,
    width_factor,
    yesterday_share,
)
from optimizer.monitoring.history import Series
from optimizer.plugins import Registry

START = datetime(2026, 11, 2, tzinfo=UTC)
ONE, DAY = LEADS[0], LEADS[2]
ERRORS = st.floats(0, 1e6)


def tally(n: int, *, held: float = 0.8, error: float = 1.0, naive: float = 2.0) -> Tally:
    inside = round(held * n)
    return Tally(n, n * error, n * naive, inside, n * error, inside)


def test_a_record_says_when_it_is_no_better_than_naive() -> None:
    assert score_of(tally(100, error=5, naive=4)).verdict.startswith("no better than repeating")
    assert score_of(tally(100, error=3, naive=4)).skill == pytest.approx(0.25)
    assert score_of(tally(100, error=3, naive=4)).verdict.startswith("errors 25 % smaller")
    assert score_of(Tally()).coverage is None
    assert score_of(tally(10, naive=0)).skill is None


def test_bands_that_held_too_seldom_are_widened() -> None:
    assert width_factor(tally(2000, held=0.5), ONE) > 1.5
    assert width_factor(tally(2000, held=0.98), ONE) < 0.8
    assert width_factor(tally(2000, held=0.8), ONE) == pytest.approx(1.0, abs=0.01)
    assert width_factor(Tally(), ONE) == 1.0


def test_a_young_record_is_hardly_believed() -> None:
    young, old = tally(10, held=0.5), tally(1000, held=0.5)

    assert 1 < width_factor(young, ONE) < 1.2 < width_factor(old, ONE)


def test_hours_that_overlap_count_once() -> None:
    assert width_factor(tally(18, held=0.5), DAY) < width_factor(tally(18, held=0.5), ONE)


@given(st.integers(0, 10_000), st.floats(0, 1), st.sampled_from(LEADS))
def test_the_width_factor_is_bounded(n: int, share: float, lead: Lead) -> None:
    assert 0.5 <= width_factor(tally(n, held=share), lead) <= 2.0


@given(st.integers(0, 10_000), ERRORS, ERRORS)
def test_yesterday_has_a_share_that_grows_with_the_error(
    n: int, error: float, naive: float
) -> None:
    share = yesterday_share(tally(n, error=error, naive=naive), ONE)
    worse = yesterday_share(tally(n, error=2 * error, naive=naive), ONE)

    assert 0 <= share <= worse <= 1


def test_a_forecast_that_does_well_keeps_its_say() -> None:
    assert yesterday_share(tally(10_000, error=3, naive=4), ONE) < 0.04
    assert yesterday_share(tally(10_000, error=6, naive=4), ONE) > 0.9


def an_outlook(horizon: int) -> Outlook:
    mean = np.full(horizon, 50.0)
    return Outlook(mean, np.stack([mean - 10, mean, mean + 10, mean + 20]))


def test_a_record_of_narrow_bands_widens_them_where_they_were_narrow() -> None:
    record = Record({("cpu_usage", "1h"): tally(4000, held=0.5)})

    shown = record.corrected(an_outlook(24), None, metric="cpu_usage", step=HOUR)

    widths = shown.quantiles[2] - shown.quantiles[0]
    assert widths[0] > 30
    assert widths[-1] == pytest.approx(20.0)
    assert (np.diff(widths) <= 1e-9).all()


def test_a_record_worse_than_yesterday_moves_the_forecast_there() -> None:
    poor = tally(100_000, error=6, naive=4)
    record = Record({("cpu_usage", lead.name): poor for lead in LEADS})

    shown = record.corrected(an_outlook(24), np.full(24, 10.0), metric="cpu_usage", step=HOUR)

    assert shown.mean.max() < 15
    assert (np.diff(shown.quantiles, axis=0) >= 0).all()


def test_without_a_record_nothing_is_changed() -> None:
    outlook = an_outlook(24)

    assert Record().corrected(outlook, None, metric="cpu_usage", step=HOUR) is outlook


def test_a_poor_record_is_said_aloud_and_stands_in_the_answer() -> None:
    values = 50 + np.random.default_rng(0).normal(0, 5, 240)
    planner = PredictivePlanner(Registry("forecast model", BUILT_IN), clock=lambda: START)
    history = {"cpu_usage": Series("cpu_usage", values, HOUR, START)}
    record = Record({("cpu_usage", "1h"): tally(500, error=5, naive=4)})

    forecast = planner.planned(history, horizon_hours=6, host="here", record=record).forecast

    assert forecast.metrics["cpu_usage"].served["1h"].n == 500
    assert any("no better than repeating yesterday" in each for each in forecast.warnings)
