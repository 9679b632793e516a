"""The harness' entry: any history is answered with ordered, finite numbers, or clearly refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import InvalidRequestError, NotEnoughHistoryError
from optimizer.forecasting.single_series import forecast_series
from optimizer.statistics import FloatArray

QUANTILES = (0.1, 0.5, 0.9, 0.95)


@st.composite
def recorded(draw: st.DrawFn) -> FloatArray:
    """A history as a monitor may leave it: short or long, with holes, zeros, sudden ends."""
    size = draw(st.integers(1, 24 * 10))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["noise", "zeros", "rare", "full", "negative", "huge"]))
    values = {
        "noise": random.random(size),
        "zeros": np.zeros(size),
        "rare": np.where(random.random(size) < 0.02, 1.0, 0.0),
        "full": np.minimum(100.0, random.normal(99, 3, size)),
        "negative": random.normal(0, 1, size),
        "huge": 1e15 * random.random(size),
    }[kind]
    holes = draw(st.sampled_from([0.0, 0.1, 0.6, 0.97]))
    values[random.random(size) < holes] = draw(st.sampled_from([np.nan, np.inf]))
    if draw(st.booleans()):
        values[-draw(st.integers(1, size)) :] = np.nan
    return values


@settings(max_examples=60, deadline=None)
@given(values=recorded(), step=st.sampled_from([3600, 300]), horizon=st.sampled_from([1, 24, 30]))
def test_an_answer_is_finite_ordered_and_repeatable_or_a_refusal_says_what_is_missing(
    values: FloatArray, step: int, horizon: int
) -> None:
    try:
        first = forecast_series(values, step, horizon)
    except NotEnoughHistoryError:
        with pytest.raises(NotEnoughHistoryError, match="needed"):
            forecast_series(values, step, horizon)
        return
    again = forecast_series(values.copy(), step, horizon)

    rows = np.array([first["quantiles"][q] for q in QUANTILES])
    assert first == again
    assert rows.shape == (4, horizon)
    assert np.isfinite(rows).all()
    assert (np.diff(rows, axis=0) >= 0).all()
    known = values[np.isfinite(values)]
    assert known.min() < 0 or (rows >= 0).all()


@pytest.mark.parametrize("hours", [24, 60, 24 * 15])
def test_what_never_changed_is_expected_to_stay(hours: int) -> None:
    answer = forecast_series([7.5] * hours, 3600, 24)

    for row in answer["quantiles"].values():
        np.testing.assert_allclose(row, 7.5, rtol=1e-6)


def test_hours_of_the_day_that_were_never_seen_may_differ() -> None:
    answer = forecast_series([7.5] * 3, 3600, 24)

    np.testing.assert_allclose(answer["mean"], 7.5)
    assert answer["quantiles"][0.1][-1] < 7.5 < answer["quantiles"][0.9][-1]


def test_one_point_is_too_little() -> None:
    with pytest.raises(NotEnoughHistoryError, match="3 needed"):
        forecast_series([1.0], 3600, 24)
    with pytest.raises(NotEnoughHistoryError):
        forecast_series([], 3600, 24)


def test_steps_and_horizons_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="does not divide an hour"):
        forecast_series(np.ones(100), 700, 24)
    with pytest.raises(InvalidRequestError, match="at least 1"):
        forecast_series(np.ones(100), 3600, 0)
