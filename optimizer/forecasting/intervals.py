"""Quantiles around a forecast, from the residuals that the same forecast left in the back-test.

Residuals stay in the unit of the series and are scaled by the square root of the level. Dividing
them by a local spread instead looks tempting and is wrong: after one change of regime the spread is
near zero, and the intervals blow up several-hundred-fold.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.forecasting.day_blocks import DayBlocks, IntArray
from optimizer.forecasting.protocol import QUANTILES
from optimizer.forecasting.weighted import quantiles_of_sorted
from optimizer.statistics import FloatArray

HOUR_SD = 3.0
"""Hours of day within which residuals count for each other (standard deviation of the kernel)."""

LOG_LEAD_SD = 1.2
"""The same for the logarithm of the lead: an error at hour 2 says little about hour 20."""

RESIDUAL_HALF_LIFE_DAYS = 4.0
"""Age at which a residual counts half: spread changes faster than habits do."""

INFLATION, SHORT_HISTORY_INFLATION = 0.91, 1.0
"""Residuals are multiplied by INFLATION (1 + SHORT_HISTORY_INFLATION / days)."""

SAME_HOUR_SHARE = 0.3
"""Share of the plain quantiles of the same hour (and its neighbours) on past days."""

SAME_HOUR_HALF_LIFE_DAYS = 4.0
"""Age at which a past day counts half in them."""


COVERAGE_DAYS = 7
"""Days on which the band is tested against what came."""


@dataclass(frozen=True)
class Residuals:
    """What a forecast missed in the past, sorted by size.

    Attributes:
        scaled: (actual - forecast) / sqrt(level of the forecast), ascending, shape (n,).
        hour: Hour of day of each, in hours after the present origin, 0 to 24, shape (n,).
        log_lead: log(1 + steps ahead), in hours, shape (n,).
        age_days: Days since each came, shape (n,).
        floor: Least level, so that a forecast of zero still has a scale.
    """

    scaled: FloatArray
    hour: FloatArray
    log_lead: FloatArray
    age_days: FloatArray
    floor: float


def collect_residuals(
    past: FloatArray, actual: FloatArray, age: IntArray, *, steps_per_day: int, typical: float
) -> Residuals:
    """Gather what a forecast missed.

    Args:
        past: Its paths from past origins, shape (o, h).
        actual: What came, shape (o, h); NaN where unknown.
        age: Steps from each origin to now, shape (o,).
        steps_per_day: Steps in a day.
        typical: Mean absolute value of the series.

    Returns:
        Residuals, sorted.
    """
    steps_per_hour = steps_per_day / 24
    came = ~np.isnan(actual)
    ahead = np.broadcast_to(np.arange(actual.shape[1]), actual.shape)
    since = age[:, None] - ahead
    floor = max(1e-3 * typical, 1e-9)
    scaled = (actual - past)[came] / np.sqrt(np.maximum(np.abs(past[came]), floor))
    order = np.argsort(scaled, kind="stable")
    return Residuals(
        scaled=scaled[order],
        hour=((-since[came]) % steps_per_day / steps_per_hour)[order],
        log_lead=np.log1p(ahead[came] / steps_per_hour)[order],
        age_days=(since[came] / steps_per_day)[order],
        floor=floor,
    )


def kernel_weights(residuals: Residuals, *, steps_per_day: int, horizon: int) -> FloatArray:
    """How much each residual says about each step of the horizon, shape (h, n)."""
    steps = np.arange(horizon)
    steps_per_hour = steps_per_day / 24
    apart = np.abs(residuals.hour[None, :] - (steps % steps_per_day / steps_per_hour)[:, None])
    around_the_clock = np.minimum(apart, 24 - apart)
    lead = residuals.log_lead[None, :] - np.log1p(steps / steps_per_hour)[:, None]
    exponent = -0.5 * ((around_the_clock / HOUR_SD) ** 2 + (lead / LOG_LEAD_SD) ** 2)
    recency = 0.5 ** (residuals.age_days / RESIDUAL_HALF_LIFE_DAYS)
    return np.asarray(np.exp(exponent) * recency[None, :])


def scale_of(path: FloatArray, residuals: Residuals) -> FloatArray:
    """What turns scaled residuals back into the unit of the series, shape (h,)."""
    return np.sqrt(np.maximum(np.abs(path), residuals.floor))


def residual_quantiles(
    path: FloatArray, residuals: Residuals, weights: FloatArray, *, days: float
) -> FloatArray:
    """Distance of each quantile from the forecast.

    Args:
        path: The forecast, shape (h,).
        residuals: What it missed in the past, n of them.
        weights: How much each says about each step, shape (h, n).
        days: Length of the history in days.

    Returns:
        Distances in the unit of the series, shape (q, h).
    """
    inflation = INFLATION * (1 + SHORT_HISTORY_INFLATION / days)
    quantiles = quantiles_of_sorted(residuals.scaled, weights, QUANTILES)
    return np.asarray(quantiles * scale_of(path, residuals)[None, :] * inflation)


def same_hour_quantiles(blocks: DayBlocks) -> FloatArray:
    """Plain weighted quantiles of the same hour and its neighbours on past days.

    Args:
        blocks: The past as seen from one origin, now.

    Returns:
        Quantiles in the unit of the series, shape (q, h).
    """
    days = blocks.ahead[0][blocks.available[0]]
    hour = max(1, blocks.steps_per_hour)
    beside = [np.roll(days, shift, axis=1) for shift in (-hour, 0, hour)]
    sample = np.concatenate(beside)
    age = np.tile(np.arange(days.shape[0]), 3)
    order = np.argsort(sample, axis=0, kind="stable")
    ordered = np.take_along_axis(sample, order, axis=0)
    weights = 0.5 ** (age[order] / SAME_HOUR_HALF_LIFE_DAYS)
    day = quantiles_of_sorted(ordered.T, weights.T, QUANTILES)
    return blocks.over_horizon(day)


def band_coverage(residuals: Residuals) -> float | None:
    """How often the 0.1 to 0.9 band held, made each time from older residuals only.

    The residuals of each of the last days are compared with the quantiles of all that came before
    that day.

    Returns:
        A share, or None when there are less than two days of residuals.
    """
    days = int(residuals.age_days.max()) if residuals.age_days.size else 0
    inside = total = 0
    for day in range(min(COVERAGE_DAYS, days)):
        tested = (residuals.age_days > day) & (residuals.age_days <= day + 1)
        known = residuals.age_days > day + 1
        if known.sum() < 24 or not tested.any():
            continue
        weights = 0.5 ** (residuals.age_days[known] / RESIDUAL_HALF_LIFE_DAYS)
        low, high = quantiles_of_sorted(residuals.scaled[known], weights[None, :], (0.1, 0.9))[:, 0]
        scaled = residuals.scaled[tested]
        inside += int(((scaled >= low) & (scaled <= high)).sum())
        total += int(tested.sum())
    return inside / total if total else None
