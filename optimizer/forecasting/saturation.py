"""When a metric reaches its limit, with which probability."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from optimizer.forecasting.distribution import probability_at_most
from optimizer.forecasting.forecast import MetricForecast, Saturation
from optimizer.statistics import FloatArray


def quantile_rows(forecast: MetricForecast) -> FloatArray:
    """The quantiles as rows in the order of `QUANTILES`, shape (q, h)."""
    return np.array([forecast.quantiles[name] for name in ("0.1", "0.5", "0.9", "0.95")])


def exhaustion_probability(forecast: MetricForecast, limit: float) -> FloatArray:
    """The probability that each step lies above a limit, shape (h,)."""
    return np.asarray(1 - probability_at_most(quantile_rows(forecast), limit))


def find_saturations(
    forecasts: Mapping[str, MetricForecast], limits: Mapping[str, float], *, now: datetime
) -> tuple[Saturation, ...]:
    """The metrics whose 0.9 quantile reaches their limit within the horizon.

    Args:
        forecasts: By metric.
        limits: Critical level by metric, in its unit; metrics without one are skipped.
        now: When the forecast was made.

    Returns:
        One per metric, the earliest first.
    """
    found = []
    for metric, forecast in forecasts.items():
        limit = limits.get(metric)
        if limit is None:
            continue
        high = np.asarray(forecast.quantiles["0.9"])
        over = np.flatnonzero(high >= limit)
        if over.size == 0:
            continue
        at = forecast.origin + int(over[0]) * timedelta(seconds=forecast.step_s)
        found.append(
            Saturation(
                metric=metric,
                limit=limit,
                at=at,
                in_hours=round(max(0.0, (at - now).total_seconds() / 3600), 2),
                probability=round(float(exhaustion_probability(forecast, limit).max()), 4),
                peak=round(float(high.max()), 2),
            )
        )
    return tuple(sorted(found, key=lambda saturation: saturation.at))
