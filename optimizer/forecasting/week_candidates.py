"""Candidates with a weekly rhythm: the same hours of the weeks before."""

from functools import partial

import numpy as np

from optimizer.forecasting.candidates import Candidate, fading
from optimizer.forecasting.day_blocks import DayBlocks
from optimizer.forecasting.weighted import masked_mean
from optimizer.statistics import FloatArray

KEPT_CHANGE = 0.7
"""How much of the change of level since last week is expected to stay."""


def last_week(blocks: DayBlocks) -> FloatArray:
    """The same hours one week before."""
    return blocks.weeks_before(1)


def _change_since_last_week(blocks: DayBlocks) -> FloatArray:
    """Level of the last day less that of the same weekday before it, shape (o, 1)."""
    if blocks.depth <= 7:
        return np.full((blocks.origins.size, 1), np.nan)
    return blocks.level[:, :1] - blocks.level[:, 7:8]


def last_week_shifted(blocks: DayBlocks) -> FloatArray:
    """Last week's hours, moved by most of the change of level since."""
    return last_week(blocks) + KEPT_CHANGE * _change_since_last_week(blocks)


def last_week_scaled(blocks: DayBlocks) -> FloatArray:
    """Last week's hours, scaled by most of the change of level since; at most threefold."""
    if blocks.depth <= 7:
        return np.full((blocks.origins.size, blocks.horizon), np.nan)
    now, then = blocks.level[:, :1], blocks.level[:, 7:8]
    ratio: FloatArray = np.clip(now / np.where(then > 0, then, np.nan), 1 / 3, 3.0)
    scaled: FloatArray = last_week(blocks) * np.power(ratio, KEPT_CHANGE)
    return scaled


def weeks_mixed(blocks: DayBlocks) -> FloatArray:
    """One, two and three weeks before, weighted 5 : 3 : 2 as far as they are there."""
    weeks = np.stack([blocks.weeks_before(back) for back in (1, 2, 3)])
    return masked_mean(weeks, np.array([0.5, 0.3, 0.2])[:, None, None], axis=0)


def weeks_mixed_shifted(blocks: DayBlocks) -> FloatArray:
    """The mixture of weeks, moved by most of the change of level since last week."""
    return weeks_mixed(blocks) + KEPT_CHANGE * _change_since_last_week(blocks)


def last_week_and_deviation(blocks: DayBlocks, *, hours: float) -> FloatArray:
    """Last week's hours plus how far the last three hours lie above last week's, which fades."""
    if blocks.depth <= 7:
        return np.full((blocks.origins.size, blocks.horizon), np.nan)
    deviation = (blocks.behind[:, 0] - blocks.behind[:, 7]).mean(axis=1, keepdims=True)
    return last_week(blocks) + np.asarray(deviation) * fading(blocks, hours)


def days_and_weeks_mixed(blocks: DayBlocks) -> FloatArray:
    """Half the mixture of weeks and half the same hour's median of 7 days."""
    return 0.5 * weeks_mixed(blocks) + 0.5 * blocks.same_hour_median(7)


WEEKS: tuple[Candidate, ...] = (
    Candidate("last_week", last_week),
    Candidate("last_week_shifted", last_week_shifted),
    Candidate("last_week_scaled", last_week_scaled),
    Candidate("weeks_mixed", weeks_mixed),
    Candidate("weeks_mixed_shifted", weeks_mixed_shifted),
    Candidate("last_week_and_deviation_6h", partial(last_week_and_deviation, hours=6)),
    Candidate("last_week_and_deviation_12h", partial(last_week_and_deviation, hours=12)),
    Candidate("last_week_and_deviation_36h", partial(last_week_and_deviation, hours=36)),
    Candidate("days_and_weeks_mixed", days_and_weeks_mixed),
)
