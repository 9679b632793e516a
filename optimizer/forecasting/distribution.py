"""The distribution that four quantiles stand for.

Between the quantiles probability grows in a straight line; beyond them it falls off exponentially,
at the rate of the outermost interval on that side.
"""

import math

import numpy as np

from optimizer.forecasting.protocol import QUANTILES
from optimizer.statistics import FloatArray


def probability_at_most(quantiles: FloatArray, value: FloatArray | float) -> FloatArray:
    """The probability that the actual value is at most `value`.

    Args:
        quantiles: One value for each of `QUANTILES`, not crossing, shape (q, h).
        value: In the same unit, a number or shape (h,).

    Returns:
        Probabilities, shape (h,).
    """
    low, middle, high, top = quantiles
    x = np.broadcast_to(np.asarray(value, dtype=np.float64), low.shape)
    p_low, p_middle, p_high, p_top = QUANTILES
    below = p_low * np.exp(-_over(low - x, (middle - low) / math.log(p_middle / p_low)))
    upper_rate = (top - high) / math.log((1 - p_high) / (1 - p_top))
    body_rate = (high - middle) / math.log((1 - p_middle) / (1 - p_high))
    above = 1 - (1 - p_top) * np.exp(-_over(x - top, np.maximum(upper_rate, 0.5 * body_rate)))
    pieces = (
        (low, middle, p_low, p_middle),
        (middle, high, p_middle, p_high),
        (high, top, p_high, p_top),
    )
    result = np.where(x < low, below, above)
    for left, right, p_left, p_right in pieces:
        inside = (x >= left) & (x < right)
        width = right - left
        share = np.clip(x - left, 0.0, width) / np.maximum(width, np.finfo(float).tiny)
        result = np.where(inside, p_left + share * (p_right - p_left), result)
    return np.asarray(result)


def probability_near(quantiles: FloatArray, tolerance: FloatArray) -> FloatArray:
    """The probability that the actual value is within `tolerance` of the median.

    Args:
        quantiles: One value for each of `QUANTILES`, shape (q, h).
        tolerance: At least 0, in the same unit, shape (h,).

    Returns:
        Probabilities, shape (h,).
    """
    middle = quantiles[QUANTILES.index(0.5)]
    at_most = probability_at_most(quantiles, middle + tolerance)
    less = probability_at_most(quantiles, np.nextafter(middle - tolerance, -np.inf))
    return np.clip(at_most - less, 0.0, 1.0)


def _over(distance: FloatArray, rate: FloatArray) -> FloatArray:
    """`distance / rate`, never below 0 and cut at 700, where exp is still above 0."""
    positive = np.maximum(distance, 0.0)
    return np.divide(positive, np.maximum(np.maximum(rate, positive / 700), np.finfo(float).tiny))
