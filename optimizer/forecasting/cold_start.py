"""Forecasts from hours instead of days of history: a level, yesterday if there was one, wide bands.

With less than two days nothing can be back-tested. What remains is how well the hours of the second
day, as far as they are there, repeat those of the first: that evidence weighs yesterday against a
flat level. The constants were chosen on the real workloads of the development set of the benchmark
(168 forecasts from 36 h of history), where neighbouring values do about as well.
"""

import numpy as np

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting.protocol import QUANTILES, Outlook, in_order
from optimizer.statistics import FloatArray

LEAST_HOURS = 3
"""Hours without which even a level is a guess."""

EVIDENCE_POWER = 3.0
"""How steeply the weight of yesterday follows from its error against that of a flat level."""

FULL_DAY_HOURS = 3
"""Hours of a second day before the evidence counts; until then yesterday weighs one half."""

KEPT_DEVIATION, FADE_HOURS = 0.7, 6.0
"""Share of the last hours' deviation that is carried on, and the time in which it fades."""

FLAT_SPREAD, YESTERDAY_SPREAD, UPPER_SPREAD = 1.4, 1.73, 1.45
"""Width of the bands against the spread of the history and of its day-to-day change, and how much
wider they are above: workloads burst upwards."""

WIDE_HOURS, WIDENING_POWER = 30.0, 0.5
"""Below that many hours n of history the bands are (WIDE_HOURS / n)^WIDENING_POWER times wider."""

UNSEEN_SHARE = 0.05
"""Share of the level that the bands grow by for the hours of the day that were never seen; it
shrinks to nothing with the first whole day."""

NEAR_WIDTH, FULL_WIDTH_HOURS = 0.7, 6.0
"""The bands begin at this share of their width and have all of it after these hours."""

MARGINAL_SHARE = 0.1
"""Share of the plain quantiles of the history."""


def cold_outlook(values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
    """Forecast from a short history.

    Args:
        values: History, oldest first, shape (n,), no NaN.
        steps_per_day: Steps in a day.
        horizon: Steps to forecast.

    Returns:
        An outlook without a score.

    Raises:
        NotEnoughHistoryError: Less than `LEAST_HOURS`.
    """
    per_hour = steps_per_day // 24
    if values.size < LEAST_HOURS * per_hour:
        raise NotEnoughHistoryError(
            have=values.size // per_hour, need=LEAST_HOURS, unit="hours of history"
        )
    level = float(np.median(values[-steps_per_day:]))
    trust, change = _trust_in_yesterday(values, steps_per_day)
    lead = np.arange(1, horizon + 1) / per_hour
    mean = trust * _yesterday(values, steps_per_day, horizon) + (1 - trust) * level
    mean = mean + KEPT_DEVIATION * _deviation(values, level, trust, steps_per_day) * np.exp(
        -lead / FADE_HOURS
    )
    spread = np.quantile(values, QUANTILES) - np.median(values)
    side = np.array([-1.0, 0.0, UPPER_SPREAD, 1.28 * UPPER_SPREAD])
    width = (1 - trust) * FLAT_SPREAD * spread + trust * YESTERDAY_SPREAD * change * side
    width = width * max(1.0, WIDE_HOURS * per_hour / values.size) ** WIDENING_POWER
    width = width + UNSEEN_SHARE * abs(level) * max(0.0, 1 - values.size / steps_per_day) * side
    growth = NEAR_WIDTH + (1 - NEAR_WIDTH) * np.minimum(1.0, lead / FULL_WIDTH_HOURS)
    around = mean[None, :] + width[:, None] * growth[None, :]
    plain = np.quantile(values, QUANTILES)[:, None]
    blended = (1 - MARGINAL_SHARE) * around + MARGINAL_SHARE * plain
    floor_at_zero = bool(values.min() >= 0)
    mean = np.maximum(mean, 0.0) if floor_at_zero else mean
    return Outlook(mean=mean, quantiles=in_order(mean, blended, never_negative=floor_at_zero))


def _yesterday(values: FloatArray, steps_per_day: int, horizon: int) -> FloatArray:
    """The last day again; zeros while there is none, which then get no weight."""
    if values.size < steps_per_day:
        return np.zeros(horizon)
    return np.resize(values[-steps_per_day:], horizon)


def _trust_in_yesterday(values: FloatArray, steps_per_day: int) -> tuple[float, float]:
    """Weight of yesterday against a flat level, and the mean absolute change from day to day."""
    per_hour = steps_per_day // 24
    spread = float(np.abs(values - np.median(values)).mean())
    if values.size < steps_per_day:
        return 0.0, spread
    if values.size < steps_per_day + FULL_DAY_HOURS * per_hour:
        return 0.5, spread
    second = values[steps_per_day:]
    change = float(np.abs(second - values[:-steps_per_day]).mean())
    flat = float(np.abs(second - np.median(values[:steps_per_day])).mean())
    least = 1e-3 * float(np.abs(values).mean()) + 1e-9
    odds = ((flat + least) / (change + least)) ** EVIDENCE_POWER
    return odds / (1 + odds), change


def _deviation(values: FloatArray, level: float, trust: float, steps_per_day: int) -> float:
    """How far the last three hours lie above what the same mixture would have said of them."""
    recent = 3 * steps_per_day // 24
    expected = np.full(recent, level)
    if values.size >= steps_per_day + recent:
        before = values[-steps_per_day - recent : -steps_per_day]
        expected = trust * before + (1 - trust) * level
    return float((values[-recent:] - expected).mean())
