"""Whether a request fits, how much of it is granted, and when it will fit. Pure, in whole parts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from optimizer.allocation.strategies import AllocationStrategy, Room, Scope
from optimizer.quantities import whole

ROUNDING = 1e-9
"""What is above a whole number by this share of it is that number."""


@dataclass(frozen=True)
class Admission:
    """A request that fits.

    Attributes:
        granted: Whole parts by resource; at most what was asked and what is free.
        fraction: The least granted share of any resource, 0 to 1.
        effect: What the strategy changed.
        slots: Of indexed pools: parts by index.
        bursts: Of ranges: the most that may be used, in whole parts.
        risks: Of ranges: the probability that all leases together want more than there is.
    """

    granted: Mapping[str, int]
    fraction: float
    effect: str
    slots: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    bursts: Mapping[str, int] = field(default_factory=dict)
    risks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A request that does not fit.

    Attributes:
        binding: The resource that lets the smallest share through.
        most: The share that is free, 0 to 1: below what was asked for as the least.
        free: Whole parts that are free, by resource; None without a known limit.
        shortfalls: Whole parts that are missing of the whole request, by resource.
        missing: What must become free for the whole request: more than `shortfalls` where more is
            used than there is.
        quota: What the asker may hold of `binding`, in whole parts, when it is that which binds.
        deferred_until: Until when work of this priority is put off, when it is that which binds.
        is_scattered: Whether there is enough of `binding` in all, but not on the indices asked for.
        pressed_until: Until when demand that no lease covers is foreseen to take what is free now.
    """

    binding: str
    most: float
    free: Mapping[str, int | None]
    shortfalls: Mapping[str, int]
    missing: Mapping[str, int]
    quota: int | None = None
    deferred_until: datetime | None = None
    is_scattered: bool = False
    pressed_until: datetime | None = None

    @property
    def is_lasting(self) -> bool:
        """Whether nothing that others release would change it."""
        return self.quota is not None or self.deferred_until is not None


def admit(
    demand: Mapping[str, int],
    room: Mapping[str, int | None],
    *,
    min_fraction: float,
    strategy: AllocationStrategy,
    leasable: Mapping[str, int | None],
) -> Admission | Refusal:
    """Decide on one request: f = min(1, min_r free_r/d_r), admitted if f >= min_fraction.

    The strategy then chooses a share between min_fraction and f. Shares are cut to whole parts:
    at least min_fraction of every resource, at most what is free and what was asked.

    Args:
        demand: Whole parts that are asked for, each at least 1.
        room: Whole parts that are free, below 0 where more is used than there is; None without a
            known limit.
        min_fraction: Least share of use to the asker, above 0 to 1.
        strategy: Chooses the share.
        leasable: Capacity without its reserve, in whole parts, for the strategy.

    Returns:
        The admission, or why it does not fit.
    """
    if min_fraction >= 1:
        if any(_lacks(wanted, room[name]) for name, wanted in demand.items()):
            return refuse(demand, room)
        return Admission(demand, 1.0, _no_choice(1.0, 1.0))
    free = {name: _free(parts) for name, parts in room.items()}
    most = min(_share(wanted, free[name]) for name, wanted in demand.items())
    least = {name: least_parts(wanted, min_fraction) for name, wanted in demand.items()}
    if any(_lacks(least[name], free[name]) for name in demand):
        return refuse(demand, room)
    least_share = min(min_fraction, most)
    rooms = {name: Room(demand[name], free[name], leasable[name]) for name in demand}
    choice = strategy.choose(Scope(least=least_share, most=most, rooms=rooms))
    share = _clamp(choice.fraction, least_share, most)
    granted = {
        name: max(least[name], min(wanted, whole(share * wanted), _limit(free[name], wanted)))
        for name, wanted in demand.items()
    }
    fraction = min(granted[name] / wanted for name, wanted in demand.items())
    effect = choice.effect if least_share < most else _no_choice(min_fraction, most)
    return Admission(granted=granted, fraction=fraction, effect=effect)


def within_quota(
    room: Mapping[str, int | None], quota: Mapping[str, int], own: Mapping[str, int]
) -> dict[str, int | None]:
    """What is free to a principal that may hold only so much.

    Args:
        room: Whole parts that are free, as in `admit`.
        quota: The most that it may hold, by resource; a resource without a quota is missing.
        own: What it holds, by resource.
    """
    return {
        name: parts if name not in quota else _least(parts, quota[name] - own[name])
        for name, parts in room.items()
    }


def refuse(demand: Mapping[str, int], room: Mapping[str, int | None]) -> Refusal:
    """The refusal of a demand, whether or not it would fit.

    Args:
        demand: Whole parts that are asked for, each at least 1.
        room: Whole parts that are free, as in `admit`.
    """
    free = {name: _free(room[name]) for name in demand}
    shares = {name: _share(wanted, free[name]) for name, wanted in demand.items()}
    binding = min(shares, key=lambda name: shares[name])
    return Refusal(
        binding=binding,
        most=shares[binding],
        free=free,
        shortfalls=_missing(demand, free),
        missing=_missing(demand, room),
    )


def least_parts(wanted: int, min_fraction: float) -> int:
    """The fewest whole parts that are min_fraction of what is wanted; at least one."""
    exact = wanted * min_fraction
    return max(1, min(wanted, math.ceil(exact - ROUNDING * max(1.0, exact))))


@dataclass(frozen=True)
class Freeing:
    """A moment at which parts become free if nobody renews.

    Attributes:
        at: When; aware.
        parts: Whole parts by resource.
    """

    at: datetime
    parts: Mapping[str, int]


def fits_at(missing: Mapping[str, int], freeings: Iterable[Freeing]) -> datetime | None:
    """The earliest moment at which enough has become free.

    Args:
        missing: Whole parts that must become free, by resource; 0 or less is nothing.
        freeings: What becomes free later, in any order.

    Returns:
        The moment; None when what becomes free is never enough, or nothing is missing.
    """
    left = {name: parts for name, parts in missing.items() if parts > 0}
    for freeing in sorted(freeings, key=lambda freeing: freeing.at) if left else ():
        for name, parts in freeing.parts.items():
            if name in left:
                left[name] -= parts
                if left[name] <= 0:
                    del left[name]
        if not left:
            return freeing.at
    return None


def _missing(demand: Mapping[str, int], room: Mapping[str, int | None]) -> dict[str, int]:
    return {
        name: wanted - parts
        for name, wanted in demand.items()
        if (parts := room[name]) is not None and parts < wanted
    }


def _free(room: int | None) -> int | None:
    return None if room is None else max(0, room)


def _least(room: int | None, other: int) -> int:
    return other if room is None else min(room, other)


def _share(wanted: int, free: int | None) -> float:
    return 1.0 if free is None else min(1.0, free / wanted)


def _lacks(needed: int, free: int | None) -> bool:
    return free is not None and free < needed


def _limit(free: int | None, wanted: int) -> int:
    return wanted if free is None else free


def _clamp(fraction: float, low: float, high: float) -> float:
    """Keep a strategy's answer in its bounds; what is no number counts as the least."""
    return max(low, min(high, fraction)) if math.isfinite(fraction) else low


def _no_choice(min_fraction: float, most: float) -> str:
    if min_fraction >= 1:
        return "nothing: min_fraction 1 asks for all or nothing"
    return f"nothing: {most:.0%} is both free and the least that you accept"
