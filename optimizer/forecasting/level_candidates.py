"""Candidates without a daily shape: a level that holds, or that comes back to normal.

They win on series without a daily rhythm, and right after a change that history has not seen.
"""

from functools import partial

import numpy as np

from optimizer.forecasting.candidates import Candidate, fading, recent_mean
from optimizer.forecasting.day_blocks import DayBlocks
from optimizer.statistics import FloatArray


def _flat(blocks: DayBlocks, level: FloatArray) -> FloatArray:
    return np.repeat(level, blocks.horizon, axis=1)


def median_level(blocks: DayBlocks, *, days: int) -> FloatArray:
    """The median of the last days, held."""
    return _flat(blocks, blocks.median_of_days(days))


def mean_level(blocks: DayBlocks) -> FloatArray:
    """The mean of the last day, held."""
    return _flat(blocks, blocks.level[:, :1])


def recent_level(blocks: DayBlocks) -> FloatArray:
    """The mean of the last three hours, held."""
    return _flat(blocks, recent_mean(blocks))


def last_value(blocks: DayBlocks) -> FloatArray:
    """The last value, held."""
    return _flat(blocks, blocks.behind[:, 0, -1:])


def returning_level(blocks: DayBlocks, *, days: int, hours: float) -> FloatArray:
    """From the mean of the last three hours back to the median of the last days."""
    median = blocks.median_of_days(days)
    return median + (recent_mean(blocks) - median) * fading(blocks, hours)


LEVELS: tuple[Candidate, ...] = (
    Candidate("median_1_day", partial(median_level, days=1)),
    Candidate("median_7_days", partial(median_level, days=7)),
    Candidate("mean_1_day", mean_level),
    Candidate("last_3_hours", recent_level),
    Candidate("last_value", last_value),
    Candidate("return_to_1_day_in_6_hours", partial(returning_level, days=1, hours=6)),
    Candidate("return_to_7_days_in_6_hours", partial(returning_level, days=7, hours=6)),
)
