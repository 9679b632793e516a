"""Histories with holes, made even enough to forecast."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting.day_blocks import MAX_DAYS, IntArray
from optimizer.monitoring.history import Series
from optimizer.statistics import FloatArray

Mask = NDArray[np.bool_]

BRIDGED_HOURS = 3
"""Longest hole that a straight line bridges."""

LEAST_RECORDED = 0.5
"""Share of the hours that must be recorded; older history is left out until it is."""


def usable_history(past: Series) -> FloatArray:
    """The part of a series that forecasts look at, without holes.

    Args:
        past: A recorded metric.

    Returns:
        Values without NaN, at most `MAX_DAYS` and one more day of them, ending where `past` ends.

    Raises:
        NotEnoughHistoryError: Nothing was recorded in that time.
    """
    steps_per_day = round(timedelta(days=1) / past.step)
    return filled(past.values[-(MAX_DAYS + 1) * steps_per_day :], steps_per_day=steps_per_day)


def filled(values: FloatArray, *, steps_per_day: int) -> FloatArray:
    """A history without holes.

    What comes before the first record is cut off, and so is old history while more than half of
    the rest is missing. Holes of at most three hours are bridged by a straight line; in longer ones
    each step takes the value of the same hour on the nearest earlier day that has one, else the
    line.

    Args:
        values: Oldest first, shape (n,); NaN or infinite where nothing was recorded.
        steps_per_day: Steps in a day.

    Returns:
        Values without NaN, shape (m,), m <= n, ending at the same moment.

    Raises:
        NotEnoughHistoryError: Nothing was recorded.
    """
    recorded = np.isfinite(values)
    if recorded.all() and values.size:
        return np.asarray(values, dtype=np.float64)
    if not recorded.any():
        raise NotEnoughHistoryError(have=0, need=1, unit=_steps(steps_per_day))
    start = _usable_start(recorded)
    values, recorded = values[start:], recorded[start:]
    steps = np.arange(values.size)
    line = np.interp(steps, steps[recorded], values[recorded])
    source = _same_hour_source(recorded, steps_per_day)
    long_hole = _in_long_hole(recorded, BRIDGED_HOURS * steps_per_day // 24)
    from_day = long_hole & (source >= 0)
    return np.where(from_day, line[np.maximum(source, 0)], line)


def _usable_start(recorded: Mask) -> int:
    """First recorded index from which at least half of the rest is recorded."""
    share = np.cumsum(recorded[::-1])[::-1] / np.arange(recorded.size, 0, -1)
    return int(np.argmax(recorded & (share >= LEAST_RECORDED)))


def _in_long_hole(recorded: Mask, bridged: int) -> Mask:
    """Whether each step lies in a hole longer than `bridged` steps."""
    steps = np.arange(recorded.size)
    before = np.maximum.accumulate(np.where(recorded, steps, -1))
    after = np.minimum.accumulate(np.where(recorded, steps, recorded.size)[::-1])[::-1]
    return ~recorded & (after - before - 1 > bridged)


def _same_hour_source(recorded: Mask, steps_per_day: int) -> IntArray:
    """Index of the same hour on the nearest earlier day that is recorded; -1 without one."""
    source = np.where(recorded, np.arange(recorded.size), -1)
    for index in range(steps_per_day, recorded.size):
        if source[index] < 0:
            source[index] = source[index - steps_per_day]
    return source


def _steps(steps_per_day: int) -> str:
    """What is counted, for people: a step that has begun is not recorded yet."""
    return "finished hours" if steps_per_day == 24 else f"steps of {1440 // steps_per_day} minutes"
