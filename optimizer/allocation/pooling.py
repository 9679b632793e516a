"""How much many leases use together: the mean and ONE reserve for the sum. Pure, in bytes.

The peak of a sum is far below the sum of the peaks, so bursts are admitted on a quantile of the sum
of what leases were seen to use. The sum is drawn (bootstrapped) from the observations themselves:
use has a heavy tail, and a normal approximation is wrong just where it matters.

Assumed: leases do not peak together. Where they do (one build on every lease at once) the stated
risk is too low, and the throttle of `pressure` carries the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

POINTS = 128
"""Values that stand for one lease's observations: the quantile 1 - 1/128 is still one of them."""

DRAWS = 512
"""Draws of a sum: the 95 % quantile of 512 draws is between the 93 % and the 97 % (two sigma)."""

_SEED = 20_260_209
"""Any number: the same leases get the same answer, and one lease more never gets a lower one."""


@dataclass(frozen=True)
class Pooled:
    """What leases use together.

    Attributes:
        mean: Expected sum, bytes.
        reserve: What is kept beside it for the sum as a whole, bytes; the quantile minus the mean,
            never below 0.
    """

    mean: float
    reserve: float

    @property
    def booked(self) -> float:
        """The mean and the reserve together, bytes."""
        return self.mean + self.reserve


@dataclass(frozen=True)
class Burst:
    """A lease as a range: a part that is guaranteed, and more while it is there.

    Attributes:
        guaranteed: Bytes that nobody else gets.
        most: Upper end of the range, bytes; at least `guaranteed`.
        seen: What it, or its command in the past, was observed to use: bytes, shape (n,), equally
            likely. Empty: nothing is known, and it counts with all of `most`.
    """

    guaranteed: float
    most: float
    seen: FloatArray


@dataclass(frozen=True)
class BurstAdmission:
    """How far a lease may burst.

    Attributes:
        most: Upper end that is granted, bytes: at most what was asked, at least `guaranteed`.
        booked: The quantile of the sum of use with this lease in it, bytes.
        risk: Probability that the sum exceeds the capacity, so that bursts are throttled, 0 to 1;
            at least 1/(DRAWS + 1), because nothing drawn is no proof.
    """

    most: float
    booked: float
    risk: float


def equally_likely(observed: FloatArray, points: int = POINTS) -> FloatArray:
    """Few values that stand for many observations: the means of equal shares of them, ascending.

    Args:
        observed: Observations of one lease in any order, shape (n,), n >= 1, no NaN.
        points: How many values to keep.

    Returns:
        Shape (points,). The mean stays what it was; with fewer observations than points each is
        repeated.
    """
    ordered = np.sort(observed)
    if ordered.size <= points:
        return np.asarray(ordered[np.arange(points) * ordered.size // points], dtype=np.float64)
    edges = np.arange(points) * ordered.size // points
    sizes = np.diff(np.append(edges, ordered.size))
    return np.asarray(np.add.reduceat(ordered, edges) / sizes, dtype=np.float64)


def sums(uses: Sequence[FloatArray]) -> FloatArray:
    """Draws of the sum of what leases use, each lease drawn by itself.

    Args:
        uses: Of each lease, its equally likely values, shape (POINTS,); see `equally_likely`.

    Returns:
        Shape (DRAWS,), in the unit of `uses`; zeros without leases.
    """
    if not uses:
        return np.zeros(DRAWS)
    picks = _picks(1 << (len(uses) - 1).bit_length())[: len(uses)]
    rows = POINTS * np.arange(len(uses))[:, np.newaxis]
    return np.asarray(np.concatenate(uses).take(picks + rows).sum(axis=0))


def pooled(uses: Sequence[FloatArray], quantile: float) -> Pooled:
    """The mean of a sum and the reserve that its quantile needs.

    Args:
        uses: As in `sums`.
        quantile: Share of the time in which the sum stays inside, 0 to 1.
    """
    drawn = sums(uses)
    mean = float(drawn.mean())
    return Pooled(mean, max(0.0, _quantile(drawn, quantile) - mean))


def admit_burst(
    asked: Burst, held: Sequence[Burst], *, capacity: float, quantile: float
) -> BurstAdmission:
    """How far a lease may burst while the quantile of the SUM of observed use stays inside.

    The guaranteed parts are not decided here: their sum obeys the capacity in the ledger, without
    exception. A burst that does not fit is cut to what does, down to the guaranteed part.

    Args:
        asked: The lease that asks.
        held: The leases that are held on the same pool.
        capacity: Bytes for leases: without reserve and unmanaged demand.
        quantile: Share of the time in which nobody is throttled, 1 - eps.
    """
    others = sums([_use(lease) for lease in held])
    granted = asked.most
    if _quantile(others + _drawn(asked, len(held)), quantile) > capacity:
        room = capacity - _quantile(others, quantile)
        granted = min(asked.most, max(asked.guaranteed, room))
    together = others + _drawn(Burst(asked.guaranteed, granted, asked.seen), len(held))
    risk = (1 + int((together > capacity).sum())) / (DRAWS + 1)
    return BurstAdmission(granted, _quantile(together, quantile), risk)


def _use(lease: Burst) -> FloatArray:
    if lease.seen.size == 0:
        return np.full(POINTS, lease.most)
    return np.minimum(equally_likely(lease.seen), lease.most)


def _drawn(lease: Burst, row: int) -> FloatArray:
    picks = _picks(1 << row.bit_length())[row]
    return np.asarray(_use(lease)[picks])


def _quantile(drawn: FloatArray, quantile: float) -> float:
    """Between its neighbours, as `np.quantile` does it at six times the time."""
    place, beyond = divmod(quantile * (drawn.size - 1), 1.0)
    low, high = np.sort(drawn)[[int(place), min(int(place) + 1, drawn.size - 1)]]
    return float(low + beyond * (high - low))


@cache
def _picks(rows: int) -> NDArray[np.intp]:
    """Which value each draw takes of each lease; row i is the same for every number of rows."""
    generator = np.random.default_rng(_SEED)
    return np.stack([generator.integers(0, POINTS, DRAWS) for _ in range(rows)]).astype(np.intp)
