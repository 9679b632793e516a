"""Means, medians and quantiles of weighted or partly missing numbers, along one axis at a time.

NumPy's own NaN-aware medians loop in Python; these sort once.
"""

from collections.abc import Sequence

import numpy as np

from optimizer.statistics import FloatArray


def masked_median(values: FloatArray, axis: int) -> FloatArray:
    """The median of what is there.

    Args:
        values: Any shape; NaN where there is nothing.
        axis: The axis to reduce.

    Returns:
        The medians, one axis fewer; NaN where there was nothing at all.
    """
    ordered = np.sort(values, axis=axis)
    count = np.maximum(np.sum(~np.isnan(values), axis=axis, keepdims=True), 1)
    low = np.take_along_axis(ordered, (count - 1) // 2, axis=axis)
    high = np.take_along_axis(ordered, count // 2, axis=axis)
    median: FloatArray = np.squeeze((low + high) / 2, axis=axis)
    return median


def masked_mean(values: FloatArray, weights: FloatArray, axis: int) -> FloatArray:
    """The weighted mean of what is there.

    Args:
        values: Any shape; NaN where there is nothing.
        weights: At least 0, broadcast against `values`.
        axis: The axis to reduce.

    Returns:
        The means, one axis fewer; NaN where no weight fell on anything.
    """
    there = ~np.isnan(values)
    used = np.where(there, weights, 0.0)
    total = used.sum(axis=axis)
    weighted = np.where(there, values, 0.0) * used
    mean: FloatArray = np.where(
        total > 0, weighted.sum(axis=axis) / np.where(total > 0, total, 1.0), np.nan
    )
    return mean


def quantiles_of_sorted(
    ordered: FloatArray, weights: FloatArray, probabilities: Sequence[float]
) -> FloatArray:
    """Weighted quantiles of sorted samples, under several weightings at once.

    The cumulative weight at a point is taken in the middle of its own weight, and values between
    two points are interpolated (Hazen's rule, which is unbiased for the median).

    Args:
        ordered: The sample, ascending along its last axis, shape (n,), or (k, n) for one sample
            per weighting.
        weights: At least 0, shape (k, n), each row with a positive sum.
        probabilities: Between 0 and 1, q of them.

    Returns:
        The quantiles, shape (q, k).
    """
    cumulative = np.cumsum(weights, axis=1)
    totals = cumulative[:, -1]
    middles = cumulative - 0.5 * weights
    targets = np.multiply.outer(totals, np.asarray(probabilities))
    above = np.stack(
        [row.searchsorted(target) for row, target in zip(middles, targets, strict=True)]
    )
    above = np.minimum(above, weights.shape[1] - 1)
    below = np.maximum(above - 1, 0)
    left = np.take_along_axis(middles, below, axis=1)
    right = np.take_along_axis(middles, above, axis=1)
    share = (targets - left) / np.where(right > left, right - left, 1.0)
    samples = np.broadcast_to(ordered, weights.shape)
    low = np.take_along_axis(samples, below, axis=1)
    high = np.take_along_axis(samples, above, axis=1)
    return np.asarray((low + np.clip(share, 0.0, 1.0) * (high - low)).T)
