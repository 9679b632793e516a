"""Scaling recommendations: how much more, or less, of a resource a forecast calls for.

The same function serves forecasts and decisions. Usage is a share of what there is, so more of the
resource divides usage: with a share x more, usage u becomes u / (1 + x). The probability that this
exceeds the limit is at most 5 % in every hour once the 0.95 quantile of u, divided by 1 + x, is at
the limit; that gives x without any search.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from optimizer.forecasting.forecast import MetricForecast, Priority, ScalingRecommendation
from optimizer.forecasting.saturation import exhaustion_probability
from optimizer.statistics import FloatArray

RESOURCES = {"cpu_usage": "cpu", "memory_usage": "memory", "storage_usage": "storage"}
"""Metrics that are a share of a resource of which there can be more."""

REDUCIBLE = frozenset({"cpu_usage", "memory_usage"})
"""Those of which less can be had: disks do not shrink."""

TARGET_PROBABILITY = 0.05
"""Probability of exhaustion, in any one hour, that is accepted: that of the 0.95 quantile."""

ROUND_TO_PERCENT = 5
"""Increases are rounded up, and reductions towards zero, to this many per cent."""

URGENCY: tuple[tuple[timedelta, Priority], ...] = (
    (timedelta(hours=2), "critical"),
    (timedelta(hours=6), "high"),
    (timedelta(hours=24), "medium"),
)
"""Priority by the time that is left; beyond the last it is low."""

HEADROOM_POINTS = 15.0
"""A reduction keeps this many points between the 0.95 quantile and the limit, so that it is not
taken back by the next forecast (hysteresis)."""

LEAST_REDUCTION_PERCENT = 25
"""Smaller reductions are not worth the change."""

LEAST_REDUCTION_HOURS, LEAST_REDUCTION_ACTUALS = 24, 500
"""A reduction needs a forecast of a whole day, from a model back-tested on at least that many
values (about four days of history)."""


def recommend(
    forecasts: Mapping[str, MetricForecast], thresholds: Mapping[str, float], *, now: datetime
) -> list[ScalingRecommendation]:
    """What to scale, by how much, how soon.

    Args:
        forecasts: By metric; only shares of a resource count (`RESOURCES`).
        thresholds: Critical level by metric, in %; metrics without one are skipped.
        now: When the answer is given.

    Returns:
        At most one recommendation per resource, the most urgent first. An increase brings the
        probability of exhaustion in every hour to its target; a reduction keeps it there with room.
    """
    found = []
    for metric in RESOURCES:
        forecast, limit = forecasts.get(metric), thresholds.get(metric)
        if forecast is None or limit is None or limit <= 0:
            continue
        probability = exhaustion_probability(forecast, limit)
        if probability.max() > TARGET_PROBABILITY:
            found.append(_increase(forecast, limit, probability, now))
        elif metric in REDUCIBLE:
            found.extend(_reduction(forecast, limit, probability))
    return sorted(found, key=lambda item: (_RANK[item.priority], item.metric))


def increase_needed(forecast: MetricForecast, limit: float) -> float:
    """Share by which the resource must grow until the 0.95 quantile is within the limit."""
    return max(0.0, max(forecast.quantiles["0.95"]) / limit - 1)


_RANK: dict[Priority, int] = {"critical": 0, "high": 1, "medium": 2, "low": 3}


def _increase(
    forecast: MetricForecast, limit: float, probability: FloatArray, now: datetime
) -> ScalingRecommendation:
    """More of the resource, by the hour in which the probability first exceeds its target."""
    resource = RESOURCES[forecast.metric]
    first = int(np.argmax(probability > TARGET_PROBABILITY))
    needed_by = forecast.origin + first * timedelta(seconds=forecast.step_s)
    percent = _rounded_up(100 * increase_needed(forecast, limit))
    peak = max(forecast.quantiles["0.95"])
    reaches_maximum = forecast.maximum is not None and peak >= forecast.maximum
    least = (
        "; usage may be cut off by its maximum, so more may be needed" if reaches_maximum else ""
    )
    return ScalingRecommendation(
        type=f"scale_{resource}_resources",
        priority=_priority(needed_by - now),
        target_increase=f"{percent}%",
        reason=(
            f"{resource.capitalize()} usage {_change(forecast)}; "
            f"above {limit:g} % with probability {probability.max():.2f} in the worst hour, "
            f"0.95 quantile {peak:.1f} %{least}"
        ),
        metric=forecast.metric,
        probability=round(float(probability.max()), 4),
        target_probability=TARGET_PROBABILITY,
        needed_by=needed_by,
    )


def _reduction(
    forecast: MetricForecast, limit: float, probability: FloatArray
) -> list[ScalingRecommendation]:
    """Less of the resource, when the forecast is long and tried enough and the room is large."""
    hours = len(forecast.mean) * forecast.step_s / 3600
    tried = forecast.backtest.n if forecast.backtest is not None else 0
    if hours < LEAST_REDUCTION_HOURS or tried < LEAST_REDUCTION_ACTUALS:
        return []
    peak = max(forecast.quantiles["0.95"])
    spare = 100 * (1 - peak / max(limit - HEADROOM_POINTS, 1.0))
    percent = int(spare // ROUND_TO_PERCENT * ROUND_TO_PERCENT)
    if percent < LEAST_REDUCTION_PERCENT:
        return []
    resource = RESOURCES[forecast.metric]
    return [
        ScalingRecommendation(
            type=f"reduce_{resource}_resources",
            priority="low",
            target_increase=f"-{percent}%",
            reason=(
                f"{resource.capitalize()} usage stays below {peak:.1f} % (0.95 quantile) for "
                f"{hours:g} hours; with {percent} % less it would stay below "
                f"{peak / (1 - percent / 100):.1f} %, {HEADROOM_POINTS:g} points under the limit "
                f"of {limit:g} %"
            ),
            metric=forecast.metric,
            probability=round(float(probability.max()), 4),
            target_probability=TARGET_PROBABILITY,
            needed_by=None,
        )
    ]


def _change(forecast: MetricForecast) -> str:
    """The reference document's words: by how much of its present value usage will rise."""
    peak = max(forecast.mean)
    if forecast.last <= 0:
        return f"predicted to rise from 0 to {peak:.1f} %"
    percent = 100 * (peak / forecast.last - 1)
    if percent > 0:
        return f"predicted to increase by {percent:.1f}%"
    return f"predicted to stay at or below {forecast.last:.1f} %, with a wide band"


def _priority(left: timedelta) -> Priority:
    return next((priority for within, priority in URGENCY if left <= within), "low")


def _rounded_up(percent: float) -> int:
    """At least one step of `ROUND_TO_PERCENT`: what must grow must grow visibly."""
    return max(1, math.ceil(percent / ROUND_TO_PERCENT - 1e-9)) * ROUND_TO_PERCENT
