"""Statistics that several rooms share: intervals for rates, slopes that outliers cannot turn."""

import math
from dataclasses import dataclass
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
