"""Forecast quantiles and amounts to the probability of running out, and to reliability."""

from collections.abc import Sequence
from statistics import NormalDist

from optimizer.monitoring.workload import MINIMUM_REQUESTS
from optimizer.statistics import wilson_interval

_NORMAL = NormalDist()

LEAST_PROBABILITY = 1e-4
"""A probability of exhaustion below this counts as this: one hour in 14 months. No forecast that
was back-tested on at most months of hours can tell smaller ones apart."""

ERROR_CONFIDENCE = 0.95
"""Two-sided confidence of the Wilson bounds of the error rate; the monitor's convention."""


def exceedance(quantiles: Sequence[tuple[float, float]], amount: float) -> float:
    """The probability that demand is more than an amount.

    Between the quantiles the distribution is read off linearly in z-space, which is exact for a
    Gaussian. Beyond them it goes on as wide as its outer segment or its half, whichever is wider:
    use is measured up to 100 % only, which flattens the outer segment.

    Args:
        quantiles: Pairs of probability and amount, at least two, ascending in both.
        amount: In the unit of the quantiles.

    Returns:
        A probability, 0 to 1; for quantiles that are all equal, 0 or 1.
    """
    points = [(_NORMAL.inv_cdf(p), value) for p, value in quantiles]
    return 1 - _NORMAL.cdf(_z_at(points, amount))


def _z_at(points: Sequence[tuple[float, float]], amount: float) -> float:
    """The z-value of an amount: the largest where several share it."""
    low, high = points[0], points[-1]
    middle = min(points, key=lambda point: abs(point[0]))
    if amount < low[1]:
        width = max(_width(points[0], points[1]), _width(low, middle))
        return low[0] - (low[1] - amount) / width if width > 0 else -40.0
    if amount >= high[1]:
        width = max(_width(points[-2], points[-1]), _width(middle, high))
        return high[0] + (amount - high[1]) / width if width > 0 else 40.0
    right = next(i for i, (_, value) in enumerate(points) if value > amount)
    (z0, v0), (z1, v1) = points[right - 1], points[right]
    return z0 + (z1 - z0) * (amount - v0) / (v1 - v0)


def _width(left: tuple[float, float], right: tuple[float, float]) -> float:
    """Amount per unit of z between two points."""
    return (right[1] - left[1]) / (right[0] - left[0]) if right[0] > left[0] else 0.0


def any_exhausted(probabilities: Sequence[float]) -> tuple[float, float]:
    """Bounds of the probability that at least one resource runs out.

    Resources peak together, so they are not taken as independent.

    Args:
        probabilities: Probability of exhaustion of each resource; none answers (0, 0).

    Returns:
        The greatest of them, and their sum up to 1 (Boole, Fréchet).
    """
    return max(probabilities, default=0.0), min(1.0, sum(probabilities))


def observed_error_rate(failures: int | None, requests: int | None) -> float | None:
    """The share of requests that failed; None when nobody counted, or of too few to tell.

    Args:
        failures: Requests of the last hour that failed.
        requests: All requests of the last hour.
    """
    if failures is None or requests is None or requests < MINIMUM_REQUESTS:
        return None
    return failures / requests


def error_bounds(error_rate: float | None, requests: int) -> tuple[float, float]:
    """Wilson bounds of the probability that a request fails.

    Args:
        error_rate: Observed share of failures; None when no request was seen.
        requests: How many requests it was counted from.

    Returns:
        Lower and upper bound; (0, 0) without requests, because then none can fail.
    """
    if error_rate is None or requests == 0:
        return 0.0, 0.0
    return wilson_interval(error_rate * requests, requests, confidence=ERROR_CONFIDENCE)


def reliability(p_exhaustion: float, p_error: float) -> float:
    """The probability that nothing runs out and a request does not fail: (1 - P)(1 - e).

    Args:
        p_exhaustion: Probability that some resource runs out.
        p_error: Probability that a request fails.
    """
    return (1 - p_exhaustion) * (1 - p_error)
