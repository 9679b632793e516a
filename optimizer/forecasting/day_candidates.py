"""Candidates with a daily rhythm: today's level in the shape of the past days."""

from functools import partial

import numpy as np

from optimizer.forecasting.candidates import Candidate, fading, smoothed
from optimizer.forecasting.day_blocks import DayBlocks
from optimizer.statistics import FloatArray

SAME_WEEKDAY_WEIGHT = 3.0
"""How much more a day counts for the shape when it is the weekday that is forecast."""


def yesterday(blocks: DayBlocks) -> FloatArray:
    """The last day again: the seasonal naive forecast, which all others have to beat."""
    return blocks.over_horizon(blocks.ahead[:, 0])


def _shape(blocks: DayBlocks, ahead: FloatArray, level: FloatArray, days: int) -> FloatArray:
    """Weighted mean of centred days for each target day, shape (o, h).

    Args:
        blocks: The past.
        ahead: The horizon's hours on past days, shape (o, d, width).
        level: Level of each of these days, which is taken from them, shape (o, d).
        days: Days that count, beside the same weekday farther back.
    """
    back = np.arange(blocks.depth)
    per_day = []
    for target in range(int(blocks.target_day[-1]) + 1):
        same_weekday = (back + 1 + target) % 7 == 0
        weights = np.where(back < days, np.where(same_weekday, SAME_WEEKDAY_WEIGHT, 1.0), 0.0)
        shape = blocks.mean_of_days(ahead, weights)
        per_day.append(shape - blocks.mean_of_days(level[:, :, None], weights))
    return np.concatenate(per_day, axis=1)[:, : blocks.horizon]


def shape_times_level(blocks: DayBlocks, *, days: int) -> FloatArray:
    """The last day's level times the shape of the past days, both in logarithms."""
    shape = _shape(blocks, blocks.log_ahead, blocks.log_level, days)
    return np.exp(blocks.log_level[:, :1] + shape) - blocks.log_offset


def shape_times_settled_level(blocks: DayBlocks, *, days: int) -> FloatArray:
    """As `shape_times_level`, with a level that weighs each day 0.6 of the one after it."""
    weights = np.power(0.6, np.arange(blocks.depth))
    level = blocks.mean_of_days(blocks.log_level[:, :, None], weights)
    shape = _shape(blocks, blocks.log_ahead, blocks.log_level, days)
    return np.exp(level + shape) - blocks.log_offset


def shape_plus_level(blocks: DayBlocks, *, days: int) -> FloatArray:
    """The last day's level plus the shape of the past days."""
    return blocks.level[:, :1] + _shape(blocks, blocks.ahead, blocks.level, days)


def same_hour_median(blocks: DayBlocks, *, days: int) -> FloatArray:
    """The median of the same hour on the last days."""
    return blocks.same_hour_median(days)


def smooth_same_hour_median(blocks: DayBlocks, *, days: int) -> FloatArray:
    """`same_hour_median`, smoothed over neighbouring hours."""
    return smoothed(same_hour_median(blocks, days=days))


def recent_deviation(blocks: DayBlocks) -> FloatArray:
    """How far the last three hours lie above the same hours' median of 7 days, shape (o, 1)."""
    return np.asarray(blocks.excess.mean(axis=1, keepdims=True))


def median_and_deviation(blocks: DayBlocks, *, hours: float) -> FloatArray:
    """The 7-day median of each hour plus the last hours' deviation from it, which fades."""
    normal = same_hour_median(blocks, days=7)
    return normal + recent_deviation(blocks) * fading(blocks, hours)


def shape_and_deviation(blocks: DayBlocks, *, hours: float) -> FloatArray:
    """`shape_times_level` of 6 days plus the last hours' deviation, which fades."""
    return shape_times_level(blocks, days=6) + recent_deviation(blocks) * fading(blocks, hours)


DAYS: tuple[Candidate, ...] = (
    Candidate("yesterday", yesterday),
    Candidate("day_shape_times_level_3", partial(shape_times_level, days=3)),
    Candidate("day_shape_times_level_6", partial(shape_times_level, days=6)),
    Candidate("day_shape_times_level_14", partial(shape_times_level, days=14)),
    Candidate("day_shape_times_settled_level_6", partial(shape_times_settled_level, days=6)),
    Candidate("day_shape_plus_level_3", partial(shape_plus_level, days=3)),
    Candidate("day_shape_plus_level_6", partial(shape_plus_level, days=6)),
    Candidate("day_shape_plus_level_14", partial(shape_plus_level, days=14)),
    Candidate("same_hour_median_3", partial(same_hour_median, days=3)),
    Candidate("same_hour_median_7", partial(same_hour_median, days=7)),
    Candidate("same_hour_median_14", partial(same_hour_median, days=14)),
    Candidate("smooth_same_hour_median_7", partial(smooth_same_hour_median, days=7)),
    Candidate("median_and_deviation_6h", partial(median_and_deviation, hours=6)),
    Candidate("median_and_deviation_12h", partial(median_and_deviation, hours=12)),
    Candidate("median_and_deviation_36h", partial(median_and_deviation, hours=36)),
    Candidate("shape_and_deviation_6h", partial(shape_and_deviation, hours=6)),
    Candidate("shape_and_deviation_12h", partial(shape_and_deviation, hours=12)),
)
