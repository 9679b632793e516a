"""How much the error at one point says about the error at another.

Errors are alike at like hours of the day and at like leads, and recent ones say more. Each of the
three falls off smoothly, so that no error counts fully and none not at all.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.forecasting.day_blocks import IntArray
from optimizer.statistics import FloatArray

HOUR_SD = 3.0
"""Hours of day within which errors count for each other (standard deviation of the kernel)."""

LOG_LEAD_SD = 1.2
"""The same for the logarithm of the lead: an error at hour 2 says little about hour 20."""

HALF_LIFE_DAYS = 4.0
"""Age at which an error counts half: spread changes faster than habits do."""


@dataclass(frozen=True)
class Points:
    """Steps of forecasts that were, or are, made.

    Attributes:
        hour: Hour of the day in which each lies, counted from the end of the history, 0 to 24,
            shape (n,).
        log_lead: log(1 + hours ahead of its origin), shape (n,).
        age_days: Days before the end of the history; negative for what is to come, shape (n,).
    """

    hour: FloatArray
    log_lead: FloatArray
    age_days: FloatArray

    @classmethod
    def at(cls, origin_age: IntArray, step: IntArray, *, steps_per_day: int) -> "Points":
        """The points at these steps of forecasts that were made this many steps before now."""
        age = origin_age - step
        per_hour = steps_per_day / 24
        return cls(
            hour=(-age % steps_per_day) / per_hour,
            log_lead=np.log1p(step / per_hour),
            age_days=age / steps_per_day,
        )


def kernel_weights(asked: Points, known: Points) -> FloatArray:
    """Weight of each known point for each asked one, up to a factor for each asked one.

    Args:
        asked: Points whose error is to be judged, m of them.
        known: Points whose errors are known, n of them.

    Returns:
        Weights, at least 0, shape (m, n).
    """
    apart = np.abs(known.hour[None, :] - asked.hour[:, None])
    around_the_clock = np.minimum(apart, 24 - apart)
    lead = known.log_lead[None, :] - asked.log_lead[:, None]
    exponent = (around_the_clock / HOUR_SD) ** 2 + (lead / LOG_LEAD_SD) ** 2
    recency = 0.5 ** (known.age_days / HALF_LIFE_DAYS)
    return np.asarray(np.exp(-0.5 * exponent) * recency[None, :])
