"""What each candidate would have said at many moments of the past, against what then came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.forecasting.candidates import Candidate, paths_of
from optimizer.forecasting.day_blocks import DayBlocks, IntArray
from optimizer.statistics import FloatArray

ORIGINS = 65
"""Past moments that are forecast again; every five hours that is two weeks."""

ORIGIN_STEP_HOURS = 5
"""Hours between them; 5 has no common factor with 24, so every hour of the day has its turn."""

LONG_HORIZON_HOURS = 48
"""Beyond this the origins are spread out, so that the work does not grow with the horizon."""

FINE_ORIGINS = 100
"""Past moments for steps finer than an hour, which look ahead only a few hours."""

FINE_ORIGIN_SHARE = 17 / 24
"""Their distance, as a share of the horizon; two hours in steps of five minutes give 17 steps,
which has no common factor with the 288 of a day."""

LEAST_DAYS = 2
"""Days before the first origin: fewer do not tell a day's shape from chance."""

FINE_LEAST_DAYS = 1
"""The same for steps finer than an hour, where the last minutes say more than the day."""

HALF_LIFE_DAYS = 7.0
"""Age at which an error counts half when candidates are compared."""


@dataclass(frozen=True)
class Backtest:
    """Forecasts made from past origins, and the one from now.

    Attributes:
        now: Each candidate's path from the end of the history, shape (k, h).
        past: Their paths from the past origins, latest first, shape (k, o, h).
        naive: The last day repeated, from the past origins, shape (o, h).
        actual: What came, shape (o, h); NaN where it has not come yet.
        age: Steps from an origin to the end of the history, shape (o,).
        steps_per_day: Steps in a day.
    """

    now: FloatArray
    past: FloatArray
    naive: FloatArray
    actual: FloatArray
    age: IntArray
    steps_per_day: int

    @property
    def came(self) -> FloatArray:
        """1 where the actual value is known, else 0, shape (o, h)."""
        return (~np.isnan(self.actual)).astype(float)

    @property
    def recency(self) -> FloatArray:
        """Weight of each known actual, halved every `HALF_LIFE_DAYS`, shape (o, h)."""
        return self.came * 0.5 ** (self.age[:, None] / (HALF_LIFE_DAYS * self.steps_per_day))


def past_origins(size: int, *, steps_per_day: int, horizon: int) -> IntArray:
    """Moments to forecast again, latest first.

    Args:
        size: Observations in the history.
        steps_per_day: Steps in a day.
        horizon: Steps to forecast.

    Returns:
        Indices of first forecast steps, shape (o,); empty while history is too short for one.
    """
    per_hour = steps_per_day // 24
    if per_hour > 1 and horizon < ORIGIN_STEP_HOURS * per_hour:
        step, most = max(1, round(FINE_ORIGIN_SHARE * horizon)), FINE_ORIGINS
    else:
        spread = max(1, round(horizon / per_hour / LONG_HORIZON_HOURS))
        step, most = ORIGIN_STEP_HOURS * spread * per_hour, ORIGINS // spread
    return np.arange(size - step, least_days(steps_per_day) * steps_per_day - 1, -step)[:most]


def least_days(steps_per_day: int) -> int:
    """Days of history before the first origin."""
    return LEAST_DAYS if steps_per_day == 24 else FINE_LEAST_DAYS


def least_steps(*, steps_per_day: int, horizon: int) -> int:
    """The shortest history with a back-test."""
    size = least_days(steps_per_day) * steps_per_day
    while past_origins(size, steps_per_day=steps_per_day, horizon=horizon).size == 0:
        size += 1
    return size


def run_backtest(
    values: FloatArray, candidates: Sequence[Candidate], *, steps_per_day: int, horizon: int
) -> Backtest:
    """Forecast now and from past origins, with every candidate.

    Args:
        values: History, shape (n,), no NaN, at least `LEAST_DAYS` and some hours.
        candidates: Ways to continue it.
        steps_per_day: Steps in a day.
        horizon: Steps to forecast.

    Returns:
        Paths and actual values.
    """
    past = past_origins(values.size, steps_per_day=steps_per_day, horizon=horizon)
    origins = np.concatenate([[values.size], past]).astype(np.int64)
    blocks = DayBlocks(values, origins, steps_per_day, horizon)
    paths = paths_of(candidates, blocks)
    index = past[:, None] + np.arange(horizon)
    actual = np.where(index < values.size, values[np.minimum(index, values.size - 1)], np.nan)
    return Backtest(
        now=paths[:, 0],
        past=paths[:, 1:],
        naive=blocks.over_horizon(blocks.ahead[:, 0])[1:],
        actual=actual,
        age=values.size - past,
        steps_per_day=steps_per_day,
    )
