"""What holds for every model, and for every series that a monitor can record."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting.planner import BUILT_IN
from optimizer.forecasting.protocol import ForecastModel
from optimizer.statistics import FloatArray

every_model = pytest.mark.parametrize("model", BUILT_IN, ids=[model.name for model in BUILT_IN])


def daily(hours: int, *, seed: int = 0, noise: float = 3.0) -> FloatArray:
    rhythm = 50 + 20 * np.sin(np.arange(hours) * 2 * np.pi / 24)
    return rhythm + np.random.default_rng(seed).normal(0, noise, hours)


@st.composite
def histories(draw: st.DrawFn) -> FloatArray:
    hours = draw(st.integers(24, 24 * 12))
    scale = draw(st.sampled_from([0.0, 1e-6, 1.0, 1e9]))
    kind = draw(st.sampled_from(["noise", "constant", "bursts", "step", "drift"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = {
        "noise": random.random(hours),
        "constant": np.ones(hours),
        "bursts": np.where(random.random(hours) > 0.97, 50.0, 0.0),
        "step": np.where(np.arange(hours) > hours // 2, 9.0, 1.0),
        "drift": np.arange(hours) / hours,
    }[kind]
    return scale * values


@every_model
@settings(max_examples=25, deadline=None)
@given(history=histories(), horizon=st.sampled_from([1, 24, 50]))
def test_quantiles_are_finite_never_cross_and_hold_the_mean(
    model: ForecastModel, history: FloatArray, horizon: int
) -> None:
    outlook = model.forecast(history, steps_per_day=24, horizon=horizon)

    assert outlook.mean.shape == (horizon,)
    assert outlook.quantiles.shape == (4, horizon)
    assert np.isfinite(outlook.quantiles).all()
    assert (np.diff(outlook.quantiles, axis=0) >= 0).all()
    assert (outlook.quantiles >= 0).all()
    np.testing.assert_array_equal(outlook.mean, outlook.quantiles[1])


@every_model
def test_the_same_question_gets_the_same_answer(model: ForecastModel) -> None:
    first = model.forecast(daily(300), steps_per_day=24, horizon=24)
    second = model.forecast(daily(300), steps_per_day=24, horizon=24)

    np.testing.assert_array_equal(first.quantiles, second.quantiles)


@every_model
@pytest.mark.parametrize("hours", [30, 60, 24 * 20])
def test_another_unit_gives_the_same_forecast_in_that_unit(
    model: ForecastModel, hours: int
) -> None:
    history = daily(hours)

    plain = model.forecast(history, steps_per_day=24, horizon=24)
    scaled = model.forecast(1024 * history, steps_per_day=24, horizon=24)

    np.testing.assert_allclose(scaled.quantiles, 1024 * plain.quantiles, rtol=1e-6)


@every_model
@pytest.mark.parametrize("hours", [24, 40, 52, 53, 300])
def test_a_constant_history_stays_constant(model: ForecastModel, hours: int) -> None:
    outlook = model.forecast(np.full(hours, 42.0), steps_per_day=24, horizon=48)

    np.testing.assert_allclose(outlook.quantiles, 42.0, rtol=1e-6)


@every_model
def test_a_history_of_zeros_stays_zero(model: ForecastModel) -> None:
    outlook = model.forecast(np.zeros(300), steps_per_day=24, horizon=24)

    np.testing.assert_allclose(outlook.quantiles, 0.0, atol=1e-12)


@every_model
def test_too_short_a_history_is_refused_with_what_is_needed(model: ForecastModel) -> None:
    with pytest.raises(NotEnoughHistoryError) as refusal:
        model.forecast(np.ones(model.least_hours - 1), steps_per_day=24, horizon=24)

    assert refusal.value.have == model.least_hours - 1
    assert refusal.value.need == model.least_hours


@every_model
def test_the_least_history_is_enough(model: ForecastModel) -> None:
    outlook = model.forecast(daily(model.least_hours), steps_per_day=24, horizon=24)

    assert outlook.score is None
    assert np.isfinite(outlook.quantiles).all()


@every_model
def test_a_daily_rhythm_is_followed_better_than_by_repeating_yesterday(
    model: ForecastModel,
) -> None:
    history = daily(24 * 15)
    to_come = daily(24 * 16, noise=0.0)[-24:]

    outlook = model.forecast(history, steps_per_day=24, horizon=24)

    assert np.abs(outlook.mean - to_come).mean() < np.abs(history[-24:] - to_come).mean()
    assert outlook.score is not None
    assert outlook.score.error < outlook.score.naive_error


@every_model
def test_five_minute_steps_are_forecast_like_hours(model: ForecastModel) -> None:
    fine = np.repeat(daily(24 * 5), 12)

    outlook = model.forecast(fine, steps_per_day=288, horizon=24)

    assert outlook.mean.shape == (24,)
    assert np.isfinite(outlook.quantiles).all()


def test_a_weekly_rhythm_is_learnt_from_two_weeks() -> None:
    hours = np.arange(24 * 21)
    working = (hours // 24) % 7 < 5
    history = np.where(working, 60.0, 10.0) + np.random.default_rng(1).normal(0, 1, hours.size)
    seasonal = next(model for model in BUILT_IN if model.name == "seasonal_patterns")

    outlook = seasonal.forecast(history[: 24 * 19], steps_per_day=24, horizon=48)

    np.testing.assert_allclose(outlook.mean, 10.0, atol=6.0)


def test_drift_is_carried_on_but_damped() -> None:
    hours = np.arange(24 * 14)
    history = 20 + hours / 24 + np.random.default_rng(2).normal(0, 0.05, hours.size)
    trend = next(model for model in BUILT_IN if model.name == "linear_trend")

    outlook = trend.forecast(history, steps_per_day=24, horizon=24)

    assert history[-24:].mean() < outlook.mean.mean() <= history[-24:].mean() + 1.1


@pytest.mark.parametrize("direction", [1, -1])
def test_a_load_that_moves_day_by_day_keeps_a_band_on_both_sides(direction: int) -> None:
    hours = np.arange(24 * 21)
    noise = np.random.default_rng(3).normal(0, 1, hours.size)
    history = 60 + direction * hours / 24 + noise
    hybrid = next(model for model in BUILT_IN if model.name == "ml_hybrid")

    low, middle, high, _ = hybrid.forecast(history, steps_per_day=24, horizon=24).quantiles

    assert (high - middle).min() > 0.3
    assert (middle - low).min() > 0.3
