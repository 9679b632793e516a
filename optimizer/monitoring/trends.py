"""Where a metric is going: a robust slope, and whether chance alone would draw it. Pure."""

import math
from datetime import timedelta
from statistics import NormalDist

import numpy as np

from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import METRICS, Trend, TrendWord
from optimizer.statistics import FloatArray, theil_sen

BLOCKS = 30
"""How many means a trend looks at, at most."""

MINIMUM_BLOCKS = 10
"""With fewer, the test of Mann and Kendall cannot tell a trend from chance."""

SIGNIFICANCE = 0.05

MATERIAL_SHARE = 0.01
"""A change over the window below this share of a metric's range (or of its median, where the range
is open) is stable, however sure it is."""

_NORMAL = NormalDist()


def trend(series: Series) -> Trend:
    """The trend since the last gap.

    Args:
        series: Means of equal steps, of which the last `BLOCKS` count; NaN in gaps.

    Returns:
        The word, the slope in the metric's unit per hour and the p-value, which is corrected for
        the correlation of neighbouring means; or None with a reason.
    """
    y = _since_last_gap(series.values[-BLOCKS:])
    window_s = y.size * series.step.total_seconds()
    if y.size < MINIMUM_BLOCKS:
        minutes = MINIMUM_BLOCKS * series.step / timedelta(minutes=1)
        reason = f"{y.size} of {MINIMUM_BLOCKS} means without a gap; needs {minutes:g} minutes"
        return Trend(metric=series.metric, trend=None, window_s=window_s, reason=reason)
    slope = theil_sen(y)
    p_value = correct_for_autocorrelation(slope.p_value, lag_1(y, slope.per_step))
    change = slope.per_step * (y.size - 1)
    word: TrendWord = "stable"
    if p_value < SIGNIFICANCE and abs(change) >= _material_change(series.metric, y):
        word = "increasing" if change > 0 else "decreasing"
    return Trend(
        metric=series.metric,
        trend=word,
        per_hour=slope.per_step * 3600 / series.step.total_seconds(),
        p_value=p_value,
        window_s=window_s,
    )


def lag_1(y: FloatArray, slope: float) -> float:
    """Correlation of neighbours around a straight line; 0 when there is none to speak of."""
    rest = y - slope * np.arange(y.size)
    rest = rest - rest.mean()
    power = float(rest @ rest)
    if power <= 1e-12 * max(1.0, float(y @ y)):
        return 0.0
    return max(0.0, float(rest[1:] @ rest[:-1]) / power)


def correct_for_autocorrelation(p_value: float, correlation: float) -> float:
    """Widen a two-sided p-value for observations that resemble their neighbours.

    The variance of the test statistic grows by (1 + r) / (1 - r) in a series with lag-1
    correlation r.

    Source: Yue & Wang, Water Resources Management 18 (2004) 201-218, the first-order case.
    """
    if correlation <= 0 or p_value >= 1:
        return p_value
    z = _NORMAL.inv_cdf(1 - max(p_value, 1e-15) / 2)
    shrunk = z * math.sqrt((1 - correlation) / (1 + correlation))
    return 2 * (1 - _NORMAL.cdf(shrunk))


def _since_last_gap(values: FloatArray) -> FloatArray:
    gaps = np.flatnonzero(np.isnan(values))
    return values[gaps[-1] + 1 :] if gaps.size else values


def _material_change(metric: str, y: FloatArray) -> float:
    maximum = METRICS[metric].maximum
    return MATERIAL_SHARE * (float(np.median(np.abs(y))) if maximum is None else maximum)
