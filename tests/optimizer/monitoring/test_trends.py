"""Trends that chance cannot draw."""

from datetime import timedelta

import numpy as np
import pytest

from optimizer.monitoring.history import Series
from optimizer.monitoring.trends import correct_for_autocorrelation, lag_1, trend
from optimizer.statistics import FloatArray
from tests.optimizer.monitoring.fakes import NOON


def series_of(values: FloatArray, metric: str = "cpu_usage") -> Series:
    return Series(metric, np.asarray(values, dtype=float), timedelta(minutes=2), NOON)


def test_a_steady_rise_is_increasing_with_its_slope_per_hour() -> None:
    found = trend(series_of(20 + 0.5 * np.arange(30)))

    assert found.trend == "increasing"
    assert found.per_hour == pytest.approx(15.0)


def test_a_fall_is_decreasing() -> None:
    assert trend(series_of(60 - 0.5 * np.arange(30))).trend == "decreasing"


def test_a_constant_is_stable() -> None:
    assert trend(series_of(np.full(30, 12.0))).trend == "stable"


def test_a_sure_but_tiny_rise_is_stable() -> None:
    assert trend(series_of(50 + 0.01 * np.arange(30))).trend == "stable"


def test_one_outlier_turns_nothing() -> None:
    values = np.full(30, 10.0)
    values[-1] = 100.0

    assert trend(series_of(values)).trend == "stable"


def test_too_little_data_says_what_is_missing() -> None:
    found = trend(series_of(np.arange(9.0)))

    assert found.trend is None
    assert found.reason == "9 of 10 means without a gap; needs 20 minutes"


def test_only_what_came_after_the_last_gap_counts() -> None:
    values = np.concatenate([100 - np.arange(15.0), [np.nan], np.arange(14.0)])

    assert trend(series_of(values)).trend == "increasing"
    assert trend(series_of(np.concatenate([values, [np.nan]]))).trend is None


def test_a_metric_with_an_open_range_is_judged_by_its_own_size() -> None:
    assert trend(series_of(1e6 + 10 * np.arange(30), "throughput")).trend == "stable"
    assert trend(series_of(1e6 + 1e4 * np.arange(30), "throughput")).trend == "increasing"


def test_random_walks_are_called_a_trend_less_often_than_by_the_plain_test() -> None:
    rng = np.random.default_rng(7)
    noise = [rng.normal(50, 5, 30) for _ in range(200)]

    false_alarms = sum(trend(series_of(values)).trend != "stable" for values in noise)

    assert false_alarms <= 20


def test_neighbours_that_resemble_each_other_widen_the_p_value() -> None:
    assert correct_for_autocorrelation(0.01, 0.0) == 0.01
    assert 0.01 < correct_for_autocorrelation(0.01, 0.5) < 1
    assert correct_for_autocorrelation(1.0, 0.9) == 1.0
    assert 0 <= correct_for_autocorrelation(0.0, 0.9) <= 1


def test_a_straight_line_leaves_no_correlation_behind() -> None:
    assert lag_1(np.arange(20.0), 1.0) == 0.0
