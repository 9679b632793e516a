"""How much each candidate counts: by its errors in the back-test.

Workloads change their habits, and no candidate is good on all of them; on one series, though, the
candidate that was best lately is mostly best again. So weights fall steeply with the error, close
to choosing the best but averaging those that tie, and are then refined on the simplex towards the
mixture whose own error is smallest, because candidates that err in opposite directions help each
other.
"""

import numpy as np

from optimizer.forecasting.backtest import Backtest
from optimizer.statistics import FloatArray

STEEPNESS = 40.0
"""Exponent p in weight = (error / least error)^-p."""

FULL_TRUST_DAYS = 14.0
"""Days of history from which p holds in full; before, it shrinks with the square root."""

KEPT = 12
"""Candidates that are mixed; the others were too far off to be worth the work."""

REFINEMENTS = 20
"""Steps of exponentiated gradient; few, because stopping early keeps it from over-fitting."""

STEP = 0.5
"""Size of such a step, before it is scaled by the steepest gradient."""


def origin_errors(backtest: Backtest) -> FloatArray:
    """Mean absolute error of each candidate from each origin, shape (k, o)."""
    came = backtest.came
    error = np.where(came > 0, np.abs(backtest.past - backtest.actual), 0.0)
    mean: FloatArray = error.sum(axis=2) / came.sum(axis=1)
    return mean


def typical_errors(backtest: Backtest) -> FloatArray:
    """One error per candidate: the recency-weighted power mean over origins with exponent 1/2.

    The exponent keeps one unforeseeable burst, which all candidates miss, from deciding among them.

    Returns:
        Errors in the unit of the series, shape (k,).
    """
    trust = backtest.recency.sum(axis=1)
    root = np.sqrt(origin_errors(backtest)) @ trust / trust.sum()
    return np.asarray(root**2)


def steep_weights(errors: FloatArray, *, days: float) -> FloatArray:
    """Weights that fall with a high power of the error.

    Args:
        errors: At least 0, shape (k,).
        days: Length of the history; short histories get flatter weights.

    Returns:
        Weights that add up to 1, shape (k,).
    """
    least = max(float(errors.min()), 1e-12)
    power = STEEPNESS * min(1.0, float(np.sqrt(days / FULL_TRUST_DAYS)))
    weights = (np.maximum(errors, least) / least) ** -power
    return np.asarray(weights / weights.sum())


def refine(weights: FloatArray, backtest: Backtest, *, days: float) -> FloatArray:
    """Move weights on the simplex towards the mixture with the least absolute error.

    Exponentiated gradient on a smoothed absolute error. Source: Kivinen & Warmuth, Information and
    Computation 132 (1997) 1-63.

    Args:
        weights: Where to begin; adds up to 1, shape (k,).
        backtest: Paths and actual values of the same k candidates.
        days: Length of the history; short histories are refined less.

    Returns:
        Weights that add up to 1, shape (k,).
    """
    importance = backtest.recency / backtest.recency.sum()
    difference = np.where(backtest.came > 0, backtest.past - backtest.actual, 0.0)
    flat = difference.reshape(weights.size, -1)
    share = importance.ravel()
    scale = float((np.abs(flat) @ share).min())
    if scale <= 0:
        return weights
    flat = flat / scale
    step = STEP * min(1.0, float(np.sqrt(days / FULL_TRUST_DAYS)))
    refined = weights + 1e-4 / weights.size
    refined = refined / refined.sum()
    for _ in range(REFINEMENTS):
        slope = np.clip((refined @ flat) / 0.2, -1.0, 1.0) * share
        gradient = flat @ slope
        gradient -= refined @ gradient
        steepest = max(1.0, 2 * float(np.abs(gradient[refined > 1e-3]).max()))
        refined = refined * np.exp(np.clip(-step / steepest * gradient, -3.0, 3.0))
        refined = refined / refined.sum()
    return np.asarray(refined)


def combination_weights(backtest: Backtest, *, days: float) -> FloatArray:
    """The weight of every candidate, zero for most.

    Returns:
        Weights that add up to 1, shape (k,).
    """
    errors = typical_errors(backtest)
    kept = np.sort(np.argsort(errors, kind="stable")[:KEPT])
    part = Backtest(
        now=backtest.now[kept],
        past=backtest.past[kept],
        naive=backtest.naive,
        actual=backtest.actual,
        age=backtest.age,
        steps_per_day=backtest.steps_per_day,
    )
    weights = np.zeros(errors.size)
    weights[kept] = refine(steep_weights(errors[kept], days=days), part, days=days)
    return weights
