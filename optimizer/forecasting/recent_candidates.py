"""Candidates for the next hours in steps of minutes: what the last minutes say.

An hour ahead the last minutes matter more than the shape of the day, and the question is how fast
the load comes back to its usual. Nobody knows, so several speeds compete.
"""

from functools import partial

import numpy as np

from optimizer.forecasting.candidates import Candidate, fading
from optimizer.forecasting.day_blocks import DayBlocks
from optimizer.statistics import FloatArray


def _last_minutes(blocks: DayBlocks, values: FloatArray, minutes: int) -> FloatArray:
    """Mean of the last minutes of rows that end at the origin, shape (o, 1)."""
    steps = max(1, round(minutes * blocks.steps_per_hour / 60))
    return np.asarray(values[:, -steps:].mean(axis=1, keepdims=True))


def held(blocks: DayBlocks, *, minutes: int) -> FloatArray:
    """The mean of the last minutes, held."""
    return np.repeat(_last_minutes(blocks, blocks.behind[:, 0], minutes), blocks.horizon, axis=1)


def back_to_usual(blocks: DayBlocks, *, minutes: int, hours: float) -> FloatArray:
    """From the last minutes back to the same time's median of 7 days."""
    excess = _last_minutes(blocks, blocks.excess, minutes)
    return blocks.same_hour_median(7) + excess * fading(blocks, hours)


def back_to_smooth_usual(blocks: DayBlocks, *, minutes: int, hours: float) -> FloatArray:
    """As `back_to_usual`, with a median that is smoothed over half an hour around each step."""
    excess = _last_minutes(blocks, blocks.excess, minutes)
    reach = blocks.steps_per_hour // 4
    wide = np.pad(blocks.same_hour_median(7), ((0, 0), (reach, reach)), mode="edge")
    shifted = [wide[:, shift : shift + blocks.horizon] for shift in range(2 * reach + 1)]
    return np.asarray(np.mean(shifted, axis=0)) + excess * fading(blocks, hours)


def back_to_yesterday(blocks: DayBlocks, *, minutes: int, hours: float) -> FloatArray:
    """From the last minutes back to what yesterday brought at the same time."""
    excess = _last_minutes(blocks, blocks.behind[:, 0] - blocks.behind[:, 1], minutes)
    return blocks.over_horizon(blocks.ahead[:, 0]) + excess * fading(blocks, hours)


def back_to_level(blocks: DayBlocks, *, minutes: int, hours: float) -> FloatArray:
    """From the last minutes back to the median of the last day."""
    level = blocks.median_of_days(1)
    now = _last_minutes(blocks, blocks.behind[:, 0], minutes)
    return level + (now - level) * fading(blocks, hours)


def drifting_on(blocks: DayBlocks, *, minutes: int, hours: float) -> FloatArray:
    """The drift between the halves of the last minutes, carried on until it fades."""
    half = _last_minutes(blocks, blocks.behind[:, 0], minutes // 2)
    whole = _last_minutes(blocks, blocks.behind[:, 0], minutes)
    per_hour = (half - whole) * 4 * 60 / minutes
    return half + per_hour * hours * (1 - fading(blocks, hours))


RECENT: tuple[Candidate, ...] = (
    *(Candidate(f"held_{m}min", partial(held, minutes=m)) for m in (15, 60)),
    *(
        Candidate(f"back_to_usual_{m}min_{h:g}h", partial(back_to_usual, minutes=m, hours=h))
        for m in (5, 15, 60)
        for h in (0.5, 2, 6)
    ),
    *(
        Candidate(
            f"back_to_smooth_usual_30min_{h:g}h",
            partial(back_to_smooth_usual, minutes=30, hours=h),
        )
        for h in (1, 6)
    ),
    *(
        Candidate(
            f"back_to_yesterday_15min_{h:g}h", partial(back_to_yesterday, minutes=15, hours=h)
        )
        for h in (1, 6)
    ),
    *(
        Candidate(f"back_to_level_{m}min_{h:g}h", partial(back_to_level, minutes=m, hours=h))
        for m in (5, 30)
        for h in (0.5, 2)
    ),
    *(
        Candidate(f"drifting_on_{m}min", partial(drifting_on, minutes=m, hours=0.5))
        for m in (30, 60)
    ),
)
