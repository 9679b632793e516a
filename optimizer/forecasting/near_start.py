"""The next hours in steps of minutes, from a history of hours: how far does load usually wander?

Nothing is fitted. The point forecast holds the last minutes, and its bands are how far the recorded
load was from that same rule at each lead, which a few hours of minutes already tell.
"""

import numpy as np

from optimizer.forecasting.protocol import QUANTILES, Outlook, in_order
from optimizer.forecasting.weighted import quantiles_of_sorted
from optimizer.statistics import FloatArray

NOW_MINUTES = 15
"""Minutes whose mean is held."""

FADE_HOURS = 12.0
"""Time in which it comes back to the median of the last day."""

WIDENING_HOURS = 2.0
"""Bands are 1 + WIDENING_HOURS / (hours of history) times wider than what was recorded."""


def reaches(size: int, horizon: int) -> bool:
    """Whether a history is long enough to show every lead many times."""
    return size >= 2 * horizon


def near_outlook(values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
    """Hold the last minutes, with bands from how that rule did at every recorded step.

    Args:
        values: History, oldest first, shape (n,), n at least twice the horizon, no NaN; the last
            day of it is used.
        steps_per_day: Steps in a day.
        horizon: Steps to forecast.

    Returns:
        An outlook without a score.
    """
    history = values[-steps_per_day:]
    per_hour = steps_per_day / 24
    window = max(1, round(NOW_MINUTES * per_hour / 60))
    sums = np.concatenate([[0.0], np.cumsum(history)])
    now = (sums[window:] - sums[:-window]) / window
    level = float(np.median(history))
    left = np.exp(-np.arange(1, horizon + 1) / per_hour / FADE_HOURS)
    paths = level + (now[:, None] - level) * left
    index = np.arange(window, history.size + 1)[:, None] + np.arange(horizon)
    came = index < history.size
    missed = np.where(came, history[np.minimum(index, history.size - 1)] - paths, np.inf)
    ordered = np.sort(missed, axis=0)
    known = np.isfinite(ordered)
    distances = quantiles_of_sorted(
        np.where(known, ordered, 0.0).T, known.T.astype(np.float64), QUANTILES
    )
    widening = 1 + WIDENING_HOURS / (history.size / per_hour)
    quantiles = paths[-1] + widening * distances
    return Outlook(
        mean=paths[-1],
        quantiles=in_order(paths[-1], quantiles, never_negative=bool(history.min() >= 0)),
    )
