import numpy as np
import pytest

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting.cold_start import cold_outlook
from optimizer.forecasting.near_start import near_outlook
from optimizer.statistics import FloatArray


def daily(hours: int, seed: int = 0) -> FloatArray:
    noise = np.random.default_rng(seed).normal(0, 1, hours)
    return 50 + 20 * np.sin(np.arange(hours) * 2 * np.pi / 24) + noise


def width(values: FloatArray) -> float:
    outlook = cold_outlook(values, steps_per_day=24, horizon=24)
    return float((outlook.quantiles[2] - outlook.quantiles[0]).mean())


def test_fewer_hours_give_wider_bands() -> None:
    same_spread = np.tile([40.0, 60.0], 24)

    assert width(same_spread[:4]) > width(same_spread[:12]) > width(same_spread[:24])


def test_a_quiet_first_hour_is_no_promise_for_the_day() -> None:
    assert width(np.full(4, 30.0)) > 2.0


def test_a_second_day_like_the_first_makes_yesterday_the_forecast() -> None:
    history = daily(46)

    outlook = cold_outlook(history, steps_per_day=24, horizon=24)

    repeated = np.abs(outlook.mean - history[-24:]).mean()
    assert repeated < np.abs(outlook.mean - np.median(history)).mean()


def test_a_second_day_unlike_the_first_makes_a_flat_forecast() -> None:
    random = 50 + 10 * np.random.default_rng(4).normal(0, 1, 46)

    outlook = cold_outlook(random, steps_per_day=24, horizon=24)

    assert outlook.mean.std() < 0.7 * random.std()


def test_less_than_three_hours_are_refused() -> None:
    with pytest.raises(NotEnoughHistoryError, match="2 hours of history recorded, 3 needed"):
        cold_outlook(np.ones(2), steps_per_day=24, horizon=24)
    with pytest.raises(NotEnoughHistoryError):
        cold_outlook(np.ones(35), steps_per_day=288, horizon=24)


def test_bands_of_the_next_minutes_grow_with_the_lead() -> None:
    walk = np.cumsum(np.random.default_rng(5).normal(0, 1, 12 * 8)) + 100

    outlook = near_outlook(walk, steps_per_day=288, horizon=24)

    widths = outlook.quantiles[2] - outlook.quantiles[0]
    assert widths[-6:].mean() > 2 * widths[:3].mean()


def test_the_next_minutes_start_from_the_last_ones() -> None:
    history = np.concatenate([np.full(90, 10.0), np.full(6, 80.0)])

    outlook = near_outlook(history, steps_per_day=288, horizon=24)

    assert outlook.mean[0] > 75
    assert outlook.mean[-1] < outlook.mean[0]
