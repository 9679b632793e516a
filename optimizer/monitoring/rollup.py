"""Many samples to few: mean, least, greatest and 95th percentile of each step. Pure."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optimizer.statistics import FloatArray

FIVE_MINUTES_S = 300
HOUR_S = 3600

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class RollUps:
    """What happened in some steps, oldest first; NaN where a metric was not known.

    Attributes:
        step_s: Width of a step in seconds.
        starts_s: Beginning of each step, whole seconds since 1970, shape (n,).
        samples: How many samples fell into each, shape (n,).
        mean: Shape (n, metrics).
        least: Shape (n, metrics).
        greatest: Shape (n, metrics).
        p95: 95th percentile with linear interpolation, shape (n, metrics). Few samples make it
            little more than the greatest: a step of 5 minutes holds 10 at the default interval.
    """

    step_s: int
    starts_s: IntArray
    samples: IntArray
    mean: FloatArray
    least: FloatArray
    greatest: FloatArray
    p95: FloatArray


def roll_up(times_s: FloatArray, values: FloatArray, *, step_s: int) -> RollUps:
    """Aggregate samples by the step that they fall into.

    Args:
        times_s: Seconds since 1970, shape (n,), in any order.
        values: A column a metric, shape (n, metrics); NaN where unknown.
        step_s: Width of a step in seconds.

    Returns:
        One row for each step that holds a sample.
    """
    order = np.argsort(times_s, kind="stable")
    bins = np.floor_divide(times_s[order], step_s).astype(np.int64)
    ordered = values[order]
    present, first = np.unique(bins, return_index=True)
    edges = np.append(first, bins.size)
    aggregates = [_aggregate(ordered[a:b]) for a, b in pairwise(edges)]
    shape = (present.size, values.shape[1])
    mean, least, greatest, p95 = (
        np.array([row[i] for row in aggregates], dtype=np.float64).reshape(shape) for i in range(4)
    )
    return RollUps(
        step_s=step_s,
        starts_s=present * step_s,
        samples=np.diff(edges).astype(np.int64),
        mean=mean,
        least=least,
        greatest=greatest,
        p95=p95,
    )


def _aggregate(rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Mean, least, greatest, p95 of every column without its NaN; NaN where nothing is left."""
    ordered = np.sort(rows, axis=0)
    counts = np.count_nonzero(~np.isnan(rows), axis=0)
    known = counts > 0
    columns = np.arange(rows.shape[1])
    last = np.maximum(counts - 1, 0)
    place = 0.95 * last
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, last)
    share = place - below
    p95 = ordered[below, columns] * (1 - share) + ordered[above, columns] * share
    mean = np.full(rows.shape[1], np.nan)
    np.divide(np.nansum(rows, axis=0), counts, out=mean, where=known)
    return mean, ordered[0], ordered[last, columns], p95
