"""Who may grow, who is parked and who is ended when leases share memory. Pure: bytes and seconds.

Called every second with what the leases use. The order of relief is throttle, park, end: growth
stops at `highs`; for who still cannot move after a patience the youngest are parked (frozen, their
memory reclaimed to swap, no work lost); only where nothing can be parked is the youngest ended. A
part that is guaranteed is never cut, and a lease that stays inside its guaranteed part is never
parked or ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

QUANTILE = 0.98
"""Growth of all leases together stays inside what is kept for it 49 times of 50. Little depends on
it: on random splits of recorded runs, 0.95 gives 1 % fewer runs per hour with 60 runs at once and
1.5 % more with 16."""

HEADROOM_S = 4
"""Seconds of growth that are made free for who is held up: the time until one parked is back."""

PATIENCE_S = 2.0
"""A lease may be held up so long before others make room for it: most growth passes in one
look, and parking costs about two seconds (out to swap and back)."""

END_PATIENCE_S = 5.0
"""Where nothing can be parked, so long passes before somebody is ended: minutes of work are lost,
and others that end or shrink make room."""

HELD_UP_PARTS = 4.0
"""Who has just been held up gets so many times the part of the others: most wants are small, and
pass with the next look."""

STALLED_SHARE = 0.5
"""Share of what is free that goes to those held up. The rest keeps the others moving: with
little of it they are held up in turn."""

OLDEST_SHARE = 0.75
"""Of the part for those held up, the oldest takes this, the next this share of the rest, and so
on: one large growth is finished before another begins, where equal shares would let none finish."""


@dataclass(frozen=True)
class LiveLease:
    """One live lease as the machine sees it.

    Attributes:
        allocation_id: The lease.
        age_s: Seconds since it began.
        guaranteed: Bytes that nobody else gets.
        most: Upper end of its range, bytes.
        resident: Bytes that it holds in memory.
        stalled_s: For how long it has wanted to grow and could not.
        priority: Higher is served earlier and makes room later.
        parked: Whether it is frozen.
        swapped: Bytes of it that parking moved to swap.
        soon: Bytes that it is known to need at once beyond `resident`: the usual size at its start.
    """

    allocation_id: str
    age_s: float
    guaranteed: float
    most: float
    resident: float
    stalled_s: float = 0.0
    priority: int = 0
    parked: bool = False
    swapped: float = 0.0
    soon: float = 0.0

    @property
    def held_up(self) -> bool:
        """Whether it stands because of others, not at the end of its own range."""
        return not self.parked and self.stalled_s > 0 and self.resident < self.most

    @property
    def floor(self) -> float:
        """What is its own now: what it holds, and what is kept for it."""
        return max(self.resident, self.guaranteed)


@dataclass(frozen=True)
class Relief:
    """What to do now, by lease.

    Attributes:
        highs: memory.high in bytes, of every lease that runs.
        park: To freeze and reclaim down to the guaranteed part.
        resume: To thaw; their highs are among `highs`.
        end: To end with a notice; their work is lost.
    """

    highs: Mapping[str, float] = field(default_factory=dict)
    park: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    end: tuple[str, ...] = ()


def relieve(
    leases: Iterable[LiveLease],
    *,
    capacity: float,
    headroom: float,
    reserve: float,
    swap: float = inf,
    patience_s: float = PATIENCE_S,
) -> Relief:
    """Decide for one second.

    Args:
        leases: All live leases of one pool of memory.
        capacity: Bytes that they may use together: without reserve and unmanaged demand.
        headroom: Bytes that all running leases together may want in the next seconds; when one is
            held up, so much is made free. `pooling.pooled` of what leases grow in `HEADROOM_S`.
        reserve: Bytes that they may want until the next lease ends; a parked lease comes back only
            where so much stays free.
        swap: Bytes of swap that are free; 0: nothing can be parked, and a parked lease that holds
            its memory still comes back at once.
        patience_s: How long a lease is held up before others make room.

    Returns:
        Highs whose sum, with what parked leases still hold, is at most `capacity` as long as the
        guaranteed parts are.
    """
    ranked = sorted(leases, key=_rank)
    running = [lease for lease in ranked if not lease.parked]
    pressing = [lease for lease in running if lease.held_up and lease.stalled_s >= patience_s]
    resume: list[LiveLease] = []
    park: list[LiveLease] = []
    end: list[LiveLease] = []
    if pressing:
        missing = headroom - (capacity - sum(lease.floor for lease in ranked))
        park, end = _make_room(running, pressing[0], missing, swap)
    else:
        resume = _returning(ranked, capacity - reserve)
    if swap <= 0:
        resume = [lease for lease in ranked if lease.parked and not lease.swapped]
    gone = {lease.allocation_id for lease in (*park, *end)}
    back = {lease.allocation_id for lease in resume}
    served: list[LiveLease] = []
    kept = 0.0
    for lease in ranked:
        if lease.allocation_id in gone or (lease.parked and lease.allocation_id not in back):
            kept += lease.floor
        else:
            served.append(lease)
    return Relief(
        highs=share(served, capacity - kept, patience_s=patience_s),
        park=_ids(park),
        resume=_ids(resume),
        end=_ids(end),
    )


def share(
    leases: Sequence[LiveLease], capacity: float, *, patience_s: float = PATIENCE_S
) -> dict[str, float]:
    """memory.high of each lease, the first served first; the sum is at most the capacity.

    Everybody has what is guaranteed and what they hold; then what is known to be needed at once, in
    order; then half of the rest for those that are held up for the patience, the oldest first; the
    other half (all of it when nobody is) in equal parts, of which who has just been held up gets
    several. Where leases hold more than there is, the last are cut first, down to what is
    guaranteed.

    Args:
        leases: Running leases, the first served first.
        capacity: Bytes that they may use together.
        patience_s: As in `relieve`.
    """
    highs = _floors(leases, capacity)
    free = max(0.0, capacity - sum(highs.values()))
    for lease in leases:
        free -= _raise(highs, lease, min(free, lease.swapped + lease.soon))
    waiting = [lease for lease in leases if lease.held_up and lease.stalled_s >= patience_s]
    for_waiting = STALLED_SHARE * free if waiting else 0.0
    parts = {lease.allocation_id: HELD_UP_PARTS if lease.held_up else 1.0 for lease in leases}
    part = (free - for_waiting) / sum(parts.values(), start=1e-9)
    for lease in leases:
        _raise(highs, lease, part * parts[lease.allocation_id])
    for lease in waiting:
        taken = 1.0 if lease is waiting[-1] else OLDEST_SHARE
        for_waiting -= _raise(highs, lease, taken * for_waiting)
    return highs


def _rank(lease: LiveLease) -> tuple[int, float, str]:
    """The first served first: high priority, then old, then by name."""
    return -lease.priority, -lease.age_s, lease.allocation_id


def _floors(leases: Sequence[LiveLease], capacity: float) -> dict[str, float]:
    """What each has; where that is too much, the last are cut first, down to what is guaranteed."""
    floors = {lease.allocation_id: lease.floor for lease in leases}
    excess = sum(floors.values()) - capacity
    for lease in reversed(leases):
        if excess <= 0:
            break
        cut = max(lease.guaranteed, lease.floor - excess)
        excess -= lease.floor - cut
        floors[lease.allocation_id] = cut
    return floors


def _raise(highs: dict[str, float], lease: LiveLease, by: float) -> float:
    """Let a lease grow, at most to the end of its range; returns by how much."""
    high = highs[lease.allocation_id]
    highs[lease.allocation_id] = max(high, min(lease.most, high + by))
    return highs[lease.allocation_id] - high


def _make_room(
    running: Sequence[LiveLease], first: LiveLease, missing: float, swap: float
) -> tuple[list[LiveLease], list[LiveLease]]:
    """Who is parked and who is ended so that `missing` bytes become free for `first`.

    The last served go first; never `first` or who is served before it, nor who stays inside its
    guaranteed part. At most one is ended at a time, and only where nobody can be parked.
    """
    park: list[LiveLease] = []
    end: list[LiveLease] = []
    for lease in reversed(running):
        if missing <= 0 or lease is first:
            break
        burst = lease.resident - lease.guaranteed
        if burst <= 0:
            continue
        if burst <= swap:
            park.append(lease)
            swap -= burst
            missing -= burst
        else:
            if not park and first.stalled_s >= END_PATIENCE_S:
                end.append(lease)
            break
    return park, end


def _returning(ranked: Sequence[LiveLease], capacity: float) -> list[LiveLease]:
    """The parked leases that fit again, in order; the first that does not fit holds up the rest."""
    parked = [lease for lease in ranked if lease.parked]
    used = sum(lease.floor + lease.swapped for lease in ranked if not lease.parked)
    used += sum(lease.floor for lease in parked)
    alone = len(parked) == len(ranked)
    back: list[LiveLease] = []
    for lease in parked:
        used += max(0.0, lease.resident + lease.swapped - lease.floor)
        if used > capacity and not (alone and not back):
            break
        back.append(lease)
    return back


def _ids(leases: Iterable[LiveLease]) -> tuple[str, ...]:
    return tuple(lease.allocation_id for lease in leases)
