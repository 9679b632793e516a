"""How much each candidate counts: by its errors in the back-test.

Workloads change their habits, and no candidate is good on all of them; on one series, though, the
candidate that was best lately is mostly best again. So weights fall steeply with the error, close
to choosing the best but averaging those that tie, and are then refined on the simplex towards the
mixture whose own error is smallest, because candidates that err in opposite directions help each
other.
"""

import math
from dataclasses import replace

import numpy as np

from optimizer.forecasting.backtest import Backtest
from optimizer.statistics import FloatArray

STEEPNESS = 30.0
"""Exponent p in weight = (error / least error)^-p."""

FULL_TRUST_DAYS = 14.0
"""Days of history from which p holds in full; before, it shrinks with the square root."""

KEPT = 24
"""Candidates that are mixed; the others were too far off to be worth the work."""

ROUNDS = 3
"""Times that the absolute error is replaced by a weighted square, each from the last answer."""

SMALL_ERROR = 0.2
"""Errors below this share of the typical one all weigh alike, so that none weighs infinitely."""

STEPS, STEP, LEAST_STEEPNESS = 40, 0.25, 0.25
"""Gradient steps in a round, and their size before it is divided by the steepness (the root mean
square of the gradient). Few and small enough that the mixture stays near its beginning where the
back-test says little."""

FLAT = 1e-3
"""Steepness, as a share of the typical error, at which there is nothing more to gain."""


def origin_errors(backtest: Backtest) -> FloatArray:
    """Mean absolute error of each candidate from each origin, shape (k, o)."""
    came = backtest.recency > 0
    error = np.where(came, np.abs(backtest.past - backtest.actual), 0.0)
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
    power = STEEPNESS * min(1.0, math.sqrt(days / FULL_TRUST_DAYS))
    weights = (np.maximum(errors, least) / least) ** -power
    return np.asarray(weights / weights.sum())


def refine(weights: FloatArray, backtest: Backtest, *, days: float) -> FloatArray:
    """Move weights on the simplex towards the mixture with the least absolute error.

    The absolute error is minimised as a sequence of weighted squares, each by exponentiated
    gradient, which keeps weights positive and adding up to 1.

    Args:
        weights: Where to begin; adds up to 1, shape (k,).
        backtest: Paths and actual values of the same k candidates.
        days: Length of the history; short histories are refined less.

    Returns:
        Weights that add up to 1, shape (k,).

    Source: Kivinen & Warmuth, Information and Computation 132 (1997) 1-63 (exponentiated gradient);
    Schlossmacher, J. Am. Stat. Assoc. 68 (1973) 857-859 (least absolute deviations by reweighting).
    """
    share = (backtest.recency / backtest.recency.sum()).ravel()
    missed = np.where(backtest.recency > 0, backtest.past - backtest.actual, 0.0)
    missed = missed.reshape(weights.size, -1)
    typical = float((np.abs(missed) @ share).min())
    if typical <= 0:
        return weights
    missed = missed / typical
    step = STEP * min(1.0, math.sqrt(days / FULL_TRUST_DAYS))
    refined = (weights + 1e-3 / weights.size) / (1 + 1e-3)
    for _ in range(ROUNDS):
        importance = share / np.maximum(np.abs(refined @ missed), SMALL_ERROR)
        refined = _descend(refined, (missed * importance) @ missed.T, step=step)
    return refined


def _descend(weights: FloatArray, curvature: FloatArray, *, step: float) -> FloatArray:
    """Exponentiated gradient on the square that `curvature`, shape (k, k), describes."""
    for _ in range(STEPS):
        gradient = curvature @ weights
        gradient -= weights @ gradient
        steepness = math.sqrt(weights @ (gradient * gradient))
        if steepness < FLAT:
            break
        gradient *= -step / max(LEAST_STEEPNESS, steepness)
        weights = weights * np.exp(np.minimum(gradient, 3.0))
        weights /= weights.sum()
    return weights


def combination_weights(backtest: Backtest, *, days: float) -> FloatArray:
    """The weight of every candidate, zero for most.

    Args:
        backtest: Paths and actual values of k candidates.
        days: Length of the history.

    Returns:
        Weights that add up to 1, shape (k,).
    """
    errors = typical_errors(backtest)
    kept = np.sort(np.argsort(errors, kind="stable")[:KEPT])
    part = replace(backtest, now=backtest.now[kept], past=backtest.past[kept])
    weights = np.zeros(errors.size)
    weights[kept] = refine(steep_weights(errors[kept], days=days), part, days=days)
    return weights
