"""Candidates with a trend: the robust slope of the days' levels under the shape of the day."""

from functools import partial

import numpy as np

from optimizer.forecasting.candidates import Candidate
from optimizer.forecasting.day_blocks import DayBlocks
from optimizer.forecasting.weighted import masked_median
from optimizer.statistics import FloatArray

TREND_DAYS = 7
"""Days whose levels give the slope."""


def daily_slope(blocks: DayBlocks) -> FloatArray:
    """Median of all pairwise slopes of the last days' levels, per day, shape (o, 1).

    Zero while there is only one day. Source: Sen, J. Am. Stat. Assoc. 63 (1968) 1379-1389.
    """
    days = min(TREND_DAYS, blocks.depth)
    later, earlier = np.triu_indices(days, k=1)
    if later.size == 0:
        return np.zeros((blocks.origins.size, 1))
    slopes = (blocks.level[:, later] - blocks.level[:, earlier]) / (earlier - later)
    return np.nan_to_num(masked_median(slopes, axis=1), nan=0.0)[:, None]


def damped_days(blocks: DayBlocks, damping: float) -> FloatArray:
    """Days that the trend goes on, each worth `damping` of the one before it, shape (h,).

    Source: Gardner & McKenzie, Management Science 31 (1985) 1237-1246.
    """
    days = np.asarray(blocks.target_day + 1.0, dtype=np.float64)
    if damping == 1.0:
        return days
    return np.asarray(damping * (1 - damping**days) / (1 - damping))


def trend(blocks: DayBlocks, *, damping: float, shape_days: int) -> FloatArray:
    """The last day's level moved along the slope, in the mean shape of the last days.

    Args:
        blocks: The past.
        damping: What is left of the slope after each day; 1 keeps it whole.
        shape_days: Days that give the shape; 0 for a straight line without a shape.
    """
    level = blocks.level[:, :1] + daily_slope(blocks) * damped_days(blocks, damping)
    if shape_days == 0:
        return level
    recent = np.where(np.arange(blocks.depth) < shape_days, 1.0, 0.0)
    shape = blocks.mean_of_days(blocks.ahead, recent)
    usual = blocks.mean_of_days(blocks.level[:, :, None], recent)
    return level + blocks.over_horizon(shape - usual)


TRENDS: tuple[Candidate, ...] = (
    Candidate("trend", partial(trend, damping=1.0, shape_days=6)),
    Candidate("damped_trend", partial(trend, damping=0.5, shape_days=6)),
    Candidate("damped_line", partial(trend, damping=0.5, shape_days=0)),
)
