"""What an hour usually brings: plain quantiles of the same hour on past days, without any model."""

import numpy as np

from optimizer.forecasting.day_blocks import DayBlocks, IntArray
from optimizer.forecasting.protocol import QUANTILES
from optimizer.forecasting.weighted import quantiles_of_sorted
from optimizer.statistics import FloatArray

SAME_HOUR_HALF_LIFE_DAYS = 4.0
"""Age at which a past day counts half."""


def same_hour_quantiles(blocks: DayBlocks, origin: IntArray, step: IntArray) -> FloatArray:
    """Plain weighted quantiles of the same hour, and the hours beside it, on past days.

    Args:
        blocks: The past as seen from the origins.
        origin: Indices of origins, shape (t,).
        step: A step of the horizon from each, shape (t,).

    Returns:
        Quantiles in the unit of the series, shape (q, t).
    """
    hour = blocks.steps_per_hour
    column = (step % blocks.steps_per_day)[:, None] + np.array([-hour, 0, hour])
    if blocks.width == blocks.steps_per_day:
        column = column % blocks.width
    column = np.clip(column, 0, blocks.width - 1)
    day = np.arange(blocks.depth)
    sample = blocks.ahead[origin[:, None, None], day[None, :, None], column[:, None, :]]
    sample = sample.reshape(origin.size, -1)
    weights = np.where(np.isnan(sample), 0.0, np.repeat(0.5 ** (day / SAME_HOUR_HALF_LIFE_DAYS), 3))
    sample = np.where(np.isnan(sample), np.nanmax(sample, axis=1, keepdims=True), sample)
    order = np.argsort(sample, axis=1, kind="stable")
    return quantiles_of_sorted(
        np.take_along_axis(sample, order, axis=1),
        np.take_along_axis(weights, order, axis=1),
        QUANTILES,
    )
