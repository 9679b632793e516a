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

LEAST_DAYS = 2
"""Days before the first origin: fewer do not tell a day's shape from chance."""

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
    steps_per_hour = steps_per_day // 24
    spread = max(1, round(horizon / steps_per_hour / LONG_HORIZON_HOURS))
    step = ORIGIN_STEP_HOURS * spread * steps_per_hour
    origins = np.arange(size - step, LEAST_DAYS * steps_per_day - 1, -step)
    return origins[: max(1, ORIGINS // spread)]


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
