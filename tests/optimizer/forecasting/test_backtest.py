import numpy as np

from optimizer.forecasting.backtest import least_steps, past_origins, run_backtest
from optimizer.forecasting.day_candidates import DAYS


def test_origins_are_five_hours_apart_and_visit_every_hour_of_the_day() -> None:
    origins = past_origins(24 * 28, steps_per_day=24, horizon=24)

    assert origins[0] == 24 * 28 - 5
    assert (np.diff(origins) == -5).all()
    assert set(origins % 24) == set(range(24))


def test_origins_keep_two_days_of_history() -> None:
    assert past_origins(24 * 4, steps_per_day=24, horizon=24).min() >= 48


def test_a_long_horizon_has_fewer_origins_farther_apart() -> None:
    long = past_origins(24 * 28, steps_per_day=24, horizon=168)

    assert long.size < past_origins(24 * 28, steps_per_day=24, horizon=24).size
    assert long[0] - long[1] > 5


def test_fine_steps_are_tested_close_together() -> None:
    origins = past_origins(288 * 7, steps_per_day=288, horizon=24)

    assert (np.diff(origins) == -17).all()
    assert origins.size == 100


def test_the_least_history_has_just_one_origin() -> None:
    least = least_steps(steps_per_day=24, horizon=24)

    assert least == 53
    assert past_origins(least, steps_per_day=24, horizon=24).size == 1
    assert past_origins(least - 1, steps_per_day=24, horizon=24).size == 0


def test_paths_of_the_past_use_only_what_was_known_then() -> None:
    values = np.random.default_rng(0).random(24 * 10)
    changed = values.copy()
    changed[-30:] += 100

    before = run_backtest(values, DAYS[:1], steps_per_day=24, horizon=24)
    after = run_backtest(changed, DAYS[:1], steps_per_day=24, horizon=24)

    old = before.age >= 30
    np.testing.assert_array_equal(before.past[:, old], after.past[:, old])


def test_what_has_not_come_yet_is_nan() -> None:
    backtest = run_backtest(np.arange(24.0 * 10), DAYS[:1], steps_per_day=24, horizon=24)

    assert np.isnan(backtest.actual[0, 5:]).all()
    np.testing.assert_array_equal(backtest.actual[0, :5], np.arange(235.0, 240.0))
    np.testing.assert_array_equal(backtest.naive[0, :5], np.arange(211.0, 216.0))
