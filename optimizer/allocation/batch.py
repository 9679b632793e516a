"""Many requests at once: which of them to admit, and how much of each, for the greatest value.

`max sum v_i x_i  subject to  sum_i d_ir x_i <= K_r,  x_i = 0 or m_i <= x_i <= 1`, in whole parts.
One by one, first come first served, requests reached as little as three quarters of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.allocation.admission import ROUNDING, least_parts
from optimizer.milp import Program, maximise
from optimizer.quantities import whole
from optimizer.statistics import FloatArray

IntArray = NDArray[np.int64]

EXACT_BELOW = 100
"""So many requests are solved as a mixed-integer program; more by relaxing, rounding, swapping."""

LIMIT_S = 1.0
"""Seconds of the exact search, after which the best so far stands: long enough for the seven
knapsacks of SAC-94. Nobody else waits for it: it runs on a thread, outside the transaction."""

RELAXED_S = 5.0

TIGHT = 1e-9
"""A share that is nearer to 1 than this is 1."""

IN_DOUBT = 200
"""Requests nearest to the price line, among which swaps are looked for."""

PASSES = 5


@dataclass(frozen=True)
class Bid:
    """One request of a batch.

    Attributes:
        demand: Whole parts by resource, each at least 1.
        value: What all of it is worth, above 0; a share of it is worth that share.
        min_fraction: Least share that is of use, above 0 to 1.
        least_only: Whether more than the least share is worth nothing (cost_priority).
    """

    demand: Mapping[str, int]
    value: float
    min_fraction: float = 1.0
    least_only: bool = False


@dataclass(frozen=True)
class Selection:
    """What is admitted.

    Attributes:
        granted: Of each bid the whole parts by resource; None where it is not admitted.
        value: What that is worth in all.
        is_proven: Whether nothing is worth more, but for less than a whole part of a resource.
    """

    granted: tuple[Mapping[str, int] | None, ...]
    value: float
    is_proven: bool


def select(
    bids: Sequence[Bid],
    room: Mapping[str, int | None],
    *,
    gap: float = 0.0,
    limit_s: float = LIMIT_S,
) -> Selection:
    """Choose among requests that wait together.

    Args:
        bids: The requests.
        room: Whole parts that are free, by resource; None without a known limit.
        gap: Relative distance to the best that is good enough.
        limit_s: Seconds for the exact search.

    Returns:
        The selection. However it was found, no resource is granted beyond its room: that is counted
        in whole parts at the end, and what a tolerance let through is taken back.
    """
    names = sorted({name for bid in bids for name in bid.demand if room[name] is not None})
    free = np.array([max(0, room[name] or 0) for name in names], dtype=np.int64)
    demand = np.array(
        [[bid.demand.get(name, 0) for name in names] for bid in bids], dtype=np.int64
    ).reshape(len(bids), len(names))
    value = np.array([bid.value for bid in bids])
    low = np.array([bid.min_fraction for bid in bids])
    least = least_of(demand, low)
    top = np.where([bid.least_only for bid in bids], low, 1.0)
    if (np.where((top > low)[:, None], demand, least).sum(axis=0) <= free).all():
        shares, is_proven = top, True
    elif len(bids) < EXACT_BELOW:
        shares, is_proven = _exact(value, demand, least, low, top, free, gap, limit_s)
    else:
        shares, is_proven = _rounded(value, demand, least, low, top, free), False
    parts = _counted(value, demand, least, shares, free)
    granted = tuple(
        _grant(bid, names, row, share) if share > 0 else None
        for bid, row, share in zip(bids, parts.tolist(), shares.tolist(), strict=True)
    )
    worth = sum(
        bid.value * min(given[name] / wanted for name, wanted in bid.demand.items())
        for bid, given in zip(bids, granted, strict=True)
        if given is not None
    )
    return Selection(granted, worth, is_proven)


def least_of(demand: IntArray, low: FloatArray) -> IntArray:
    """The fewest whole parts of use, as `admission.least_parts` counts them, of many at once.

    Args:
        demand: Whole parts wanted, a row a request; 0 is not wanted.
        low: Least share of each request.
    """
    exact = demand * low[:, None]
    least = np.ceil(exact - ROUNDING * np.maximum(1.0, exact)).astype(np.int64)
    return np.minimum(demand, np.maximum(1, least))


def _exact(
    value: FloatArray,
    demand: IntArray,
    least: IntArray,
    low: FloatArray,
    top: FloatArray,
    free: IntArray,
    gap: float,
    limit_s: float,
) -> tuple[FloatArray, bool]:
    """Shares by a mixed-integer program: z says whether, e how much beyond the least share."""
    extra = np.flatnonzero(top > low)
    n, more = value.size, extra.size
    link = np.zeros((more, n + more))
    link[np.arange(more), extra] = -1.0
    link[np.arange(more), n + np.arange(more)] = 1.0
    beyond = (demand - least)[extra]
    program = Program(
        values=np.concatenate([value * low, (value * (top - low))[extra]]),
        rows=np.concatenate([np.concatenate([least, beyond]).T.astype(float), link]),
        low=np.full(free.size + more, -np.inf),
        high=np.concatenate([free.astype(float), np.zeros(more)]),
        is_whole=np.arange(n + more) < n,
    )
    solution = maximise(program, gap=gap, limit_s=limit_s)
    if solution is None:
        return _rounded(value, demand, least, low, top, free), False
    z = solution.x[:n] > 0.5
    shares = np.where(z, low, 0.0)
    shares[extra] += np.where(z[extra], solution.x[n:] * (top - low)[extra], 0.0)
    return shares, solution.is_proven


def _rounded(
    value: FloatArray,
    demand: IntArray,
    least: IntArray,
    low: FloatArray,
    top: FloatArray,
    free: IntArray,
) -> FloatArray:
    """Shares by the linear relaxation, rounded down, filled up and improved by swaps."""
    count = value.size
    everything = Program(
        values=value * top,
        rows=(demand * top[:, None]).T,
        low=np.full(free.size, -np.inf),
        high=free.astype(float),
        is_whole=np.zeros(count, dtype=bool),
    )
    relaxed = maximise(everything, gap=0.0, limit_s=RELAXED_S)
    x = np.zeros(count) if relaxed is None else relaxed.x
    prices = np.zeros(free.size) if relaxed is None else relaxed.prices
    gain = value * top - demand @ prices * top
    shares = np.where(x > 1 - TIGHT, top, 0.0)
    left = free - _parts(demand, least, shares).sum(axis=0)
    order = np.lexsort((-gain, -x))
    _fill(order, shares, demand, least, low, top, left)
    _swap(shares, value * top, gain, demand, least, top, left)
    _fill(order, shares, demand, least, low, top, left)
    return shares


def _parts(demand: IntArray, least: IntArray, shares: FloatArray) -> IntArray:
    """Whole parts of shares; none of what has no share."""
    parts = np.floor(demand * shares[:, None] + TIGHT).astype(np.int64)
    return np.where((shares > 0)[:, None], np.clip(parts, least, demand), 0)


def _fill(
    order: NDArray[np.intp],
    shares: FloatArray,
    demand: IntArray,
    least: IntArray,
    low: FloatArray,
    top: FloatArray,
    left: IntArray,
) -> None:
    """Admit what still fits, in order, at the greatest share; changes `shares` and `left`."""
    possible = order[(shares[order] == 0) & (least[order] <= left).all(axis=1)]
    for index in possible:
        if (least[index] > left).any():
            continue
        asks = demand[index] > 0
        most = float((left[asks] / demand[index][asks]).min(initial=1.0))
        shares[index] = min(top[index], max(low[index], most))
        left -= _parts(demand[[index]], least[[index]], shares[[index]])[0]


def _swap(
    shares: FloatArray,
    worth: FloatArray,
    gain: FloatArray,
    demand: IntArray,
    least: IntArray,
    top: FloatArray,
    left: IntArray,
) -> None:
    """Put a more valuable request in the place of one that is admitted, while that is possible.

    Only what the prices of the relaxation leave in doubt is looked at. Changes `shares`, `left`.
    """
    whole_parts, parts = _parts(demand, least, top), _parts(demand, least, shares)
    doubtful = np.argsort(np.abs(gain))[:IN_DOUBT]
    for _ in range(PASSES):
        before = shares.copy()
        outside = doubtful[shares[doubtful] == 0]
        for index in outside[np.argsort(-worth[outside])]:
            inside = doubtful[shares[doubtful] > 0]
            fits = (whole_parts[index] <= left + parts[inside]).all(axis=1)
            has = worth[inside] * shares[inside] / top[inside]
            fits &= has < worth[index]
            if fits.any():
                out = inside[fits][np.argmin(has[fits])]
                left += parts[out] - whole_parts[index]
                shares[out], shares[index] = 0.0, top[index]
                parts[out], parts[index] = 0, whole_parts[index]
        if (before == shares).all():
            return


def _counted(
    value: FloatArray, demand: IntArray, least: IntArray, shares: FloatArray, free: IntArray
) -> IntArray:
    """Whole parts that never exceed what is free; takes back (changes `shares`) what does."""
    parts = _parts(demand, least, shares)
    while (over := parts.sum(axis=0) > free).any():
        blamed = np.flatnonzero((parts[:, over] > 0).any(axis=1))
        drop = blamed[np.argmin((value * shares)[blamed])]
        shares[drop], parts[drop] = 0.0, 0
    return parts


def _grant(bid: Bid, names: list[str], row: list[int], share: float) -> dict[str, int]:
    """Parts of the limited resources as counted, of the others by the share."""
    counted = dict(zip(names, row, strict=True))
    return {
        name: counted[name]
        if name in counted
        else max(least_parts(wanted, bid.min_fraction), min(wanted, whole(share * wanted)))
        for name, wanted in bid.demand.items()
    }
