"""Anomalies: steps far above what this hour usually brings, and how fast such excess dies down."""

from dataclasses import dataclass

import numpy as np

from optimizer.forecasting.weighted import masked_median
from optimizer.statistics import FloatArray

USUAL_DAYS = 7
"""Days before a step whose same hour says what is usual."""

THRESHOLD = 4.0
"""Robust standard deviations above the usual from which a step is a spike."""

LEAST_SHARE = 0.1
"""A spike is at least this share of the history's typical value: quiet series have tiny spreads."""

SPREAD_FROM_MAD = 1.4826
"""Turns a median absolute deviation into the standard deviation of a normal distribution."""

USUAL_REMAINDER = 0.5
"""Share of an excess that is left after one hour, until past spikes say otherwise."""

PRIOR_SPIKES = 2
"""How many past spikes that assumption is worth."""


@dataclass(frozen=True)
class PastSpike:
    """Consecutive steps far above the usual.

    Attributes:
        start: Index of the first step.
        length: Steps until it was over.
        size: Largest excess over the usual value, in the unit of the series.
        usual: What was usual at the largest excess.
    """

    start: int
    length: int
    size: float
    usual: float


def usual_values(values: FloatArray, *, steps_per_day: int) -> FloatArray:
    """What each step usually brings, told from the days before it.

    Args:
        values: Oldest first, shape (n,), no NaN.
        steps_per_day: Steps in a day.

    Returns:
        The median of the same hour on the last seven days, shape (n,); on the first day, which has
        none before it, the values themselves.
    """
    back = np.arange(values.size)[:, None] - steps_per_day * np.arange(1, USUAL_DAYS + 1)
    usual = masked_median(np.where(back >= 0, values[np.maximum(back, 0)], np.nan), axis=1)
    usual[:steps_per_day] = values[:steps_per_day]
    return usual


def excess_threshold(excess: FloatArray, values: FloatArray) -> float:
    """The excess from which a step is a spike, in the unit of the series.

    Args:
        excess: Excess of the steps that have an earlier day, shape (m,), m >= 1.
        values: The whole history, shape (n,).
    """
    spread = SPREAD_FROM_MAD * float(np.median(np.abs(excess - np.median(excess))))
    return max(THRESHOLD * spread, LEAST_SHARE * float(np.median(np.abs(values))), 1e-9)


def find_spikes(values: FloatArray, *, steps_per_day: int) -> tuple[PastSpike, ...]:
    """Every spike in a history, oldest first.

    Args:
        values: Oldest first, shape (n,), no NaN.
        steps_per_day: Steps in a day.
    """
    if values.size <= steps_per_day:
        return ()
    usual = usual_values(values, steps_per_day=steps_per_day)
    excess = values - usual
    high = excess > excess_threshold(excess[steps_per_day:], values)
    edges = np.diff(np.concatenate([[0], high.astype(np.int8), [0]]))
    spikes = []
    for start, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        peak = start + int(np.argmax(excess[start:end]))
        spikes.append(
            PastSpike(int(start), int(end - start), float(excess[peak]), float(usual[peak]))
        )
    return tuple(spikes)


def hourly_remainder(values: FloatArray, *, steps_per_day: int) -> FloatArray:
    """Share of an excess that is usually left after one hour, as known at each step.

    Args:
        values: Oldest first, shape (n,), no NaN.
        steps_per_day: Steps in a day.

    Returns:
        Shares in [0, 0.98], shape (n + 1,): the last is what is known now. Each is the mean over
        the spikes before it of what was left of them one hour after their peak, with the usual
        remainder counted as two further spikes.
    """
    per_hour = steps_per_day // 24
    usual = usual_values(values, steps_per_day=steps_per_day)
    excess = values - usual
    total = np.full(values.size + 1, PRIOR_SPIKES * USUAL_REMAINDER)
    count = np.full(values.size + 1, float(PRIOR_SPIKES))
    for spike in find_spikes(values, steps_per_day=steps_per_day):
        peak = spike.start + int(np.argmax(excess[spike.start : spike.start + spike.length]))
        after = peak + per_hour
        if after < values.size:
            total[after + 1 :] += np.clip(excess[after] / excess[peak], 0.0, 0.98)
            count[after + 1 :] += 1
    return np.asarray(np.minimum(total / count, 0.98))
