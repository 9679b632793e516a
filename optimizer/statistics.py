"""Statistics that several rooms share: intervals for rates, slopes that outliers cannot turn."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def wilson_interval(
    successes: float, trials: float, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Where the true rate lies, given how often something happened.

    Args:
        successes: How often it happened, 0 to `trials`; fractional counts are allowed.
        trials: How often it could have happened; 0 answers (0, 1).
        confidence: Two-sided probability, between 0 and 1.

    Returns:
        The lower and the upper bound of the rate, each in [0, 1].

    Source: Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    if trials <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / trials
    denominator = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / denominator
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / denominator
    return min(rate, max(0.0, centre - half)), max(rate, min(1.0, centre + half))


@dataclass(frozen=True)
class Slope:
    """A robust straight line through a series.

    Attributes:
        per_step: Change of the value in one step, in the unit of the series.
        p_value: Probability of a trend at least this clear in a series without one, two-sided.
    """

    per_step: float
    p_value: float


def theil_sen(y: FloatArray) -> Slope:
    """The median of all pairwise slopes, and the Mann-Kendall test of whether there is a trend.

    Args:
        y: Evenly spaced observations, oldest first, shape (n,), n >= 2, no NaN; any unit. Work and
            memory grow with n^2, so thin a long series first.

    Returns:
        The slope in units per step, and its p-value (1.0 for a constant series).

    Source: Sen, J. Am. Stat. Assoc. 63 (1968) 1379-1389; Kendall, Rank Correlation Methods (1975),
    with the variance corrected for ties.
    """
    n = y.size
    i, j = np.triu_indices(n, k=1)
    differences = y[j] - y[i]
    per_step = float(np.median(differences / (j - i)))
    s = float(np.sign(differences).sum())
    _, counts = np.unique(y, return_counts=True)
    ties = float((counts * (counts - 1) * (2 * counts + 5)).sum())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if variance <= 0 or s == 0:
        return Slope(per_step=per_step, p_value=1.0)
    z = (abs(s) - 1) / math.sqrt(variance)
    return Slope(per_step=per_step, p_value=2 * (1 - NormalDist().cdf(z)))


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function: P(X <= x) for X ~ Beta(a, b).

    Args:
        x: Where to evaluate; below 0 answers 0, above 1 answers 1.
        a: First shape, above 0.
        b: Second shape, above 0.

    Returns:
        A probability in [0, 1].

    Source: DLMF 8.17.22 (continued fraction), evaluated by the modified Lentz method.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x <= (a + 1) / (a + b + 2):
        return math.exp(log_front) * _beta_fraction(x, a, b) / a
    return 1 - math.exp(log_front) * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of DLMF 8.17.22; it converges fast for x <= (a + 1) / (a + b + 2)."""
    tiny = 1e-300
    c = 1.0
    d = 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    fraction = d
    for m in range(1, 10_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + step * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + step / c
            c = c if abs(c) > tiny else tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return fraction


@lru_cache(maxsize=16_384)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """The value that X ~ Beta(a, b) stays below with the given probability.

    Args:
        probability: Between 0 and 1.
        a: First shape, above 0.
        b: Second shape, above 0.

    Returns:
        The quantile in [0, 1], found by Newton steps kept inside a shrinking bracket.
    """
    if probability <= 0:
        return 0.0
    if probability >= 1:
        return 1.0
    low, high = 0.0, 1.0
    x = a / (a + b)
    log_scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(200):
        excess = beta_cdf(x, a, b) - probability
        low, high = (low, x) if excess > 0 else (x, high)
        log_density = log_scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x)
        step = excess * math.exp(-log_density) if log_density > -700 else math.inf
        following = x - step
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - x) <= 1e-13 * x or not 0 < following < 1:
            break
        x = following
    return x


def beta_interval(a: float, b: float, *, confidence: float = 0.9) -> tuple[float, float]:
    """The central interval of Beta(a, b): equal probability is left out on both sides.

    Args:
        a: First shape, above 0; successes plus the prior's.
        b: Second shape, above 0; failures plus the prior's.
        confidence: Probability inside, between 0 and 1.

    Returns:
        The lower and the upper bound, each in [0, 1].
    """
    tail = (1 - confidence) / 2
    return beta_quantile(tail, a, b), beta_quantile(1 - tail, a, b)


def significant(value: float) -> float:
    """Four significant digits; just under 1 two of what is lacking, so that .99998 is not 1."""
    if 0.99 < value < 1:
        return round(value, 1 - math.floor(math.log10(1 - value)))
    return float(f"{value:.4g}")
