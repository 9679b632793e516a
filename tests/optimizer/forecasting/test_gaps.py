from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting.gaps import filled, usable_history
from optimizer.monitoring.history import Series


def test_a_short_hole_is_bridged_by_a_line() -> None:
    values = np.array([1.0, np.nan, np.nan, 4.0, 5.0])

    np.testing.assert_allclose(filled(values, steps_per_day=24), [1, 2, 3, 4, 5])


def test_a_long_hole_takes_the_same_hours_of_the_day_before() -> None:
    values = np.arange(72.0) % 24
    values[30:40] = np.nan

    np.testing.assert_allclose(filled(values, steps_per_day=24), np.arange(72.0) % 24)


def test_a_hole_at_the_end_ends_where_the_history_ends() -> None:
    values = np.arange(48.0) % 24
    values[40:] = np.nan

    np.testing.assert_allclose(filled(values, steps_per_day=24), np.arange(48.0) % 24)


def test_what_comes_before_the_first_record_is_cut_off() -> None:
    values = np.concatenate([np.full(500, np.nan), np.ones(10)])

    assert filled(values, steps_per_day=24).size == 10


def test_old_history_with_more_holes_than_records_is_left_out() -> None:
    values = np.concatenate([np.ones(3), np.full(200, np.nan), np.full(50, 2.0)])

    assert (filled(values, steps_per_day=24) == 2.0).all()


def test_nothing_recorded_is_refused() -> None:
    with pytest.raises(NotEnoughHistoryError):
        filled(np.full(100, np.nan), steps_per_day=24)
    with pytest.raises(NotEnoughHistoryError):
        filled(np.array([]), steps_per_day=24)


@given(st.lists(st.floats(0, 100) | st.just(np.nan) | st.just(np.inf), min_size=1, max_size=200))
def test_the_result_is_finite_and_within_what_was_recorded(values: list[float]) -> None:
    array = np.array(values)
    recorded = array[np.isfinite(array)]
    if recorded.size == 0:
        return

    result = filled(array, steps_per_day=24)

    assert np.isfinite(result).all()
    assert recorded.min() <= result.min()
    assert result.max() <= recorded.max()


def test_a_year_is_cut_to_what_forecasts_look_at() -> None:
    year = Series("cpu_usage", np.ones(8760), timedelta(hours=1), datetime(2026, 1, 1, tzinfo=UTC))

    assert usable_history(year).size == 29 * 24
