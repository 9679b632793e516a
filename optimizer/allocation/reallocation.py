"""Which leases should hold more and which less, now that use and room are known. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from optimizer.allocation.admission import least_parts
from optimizer.allocation.fairness import dominant_share
from optimizer.allocation.lease import PRIORITIES, Grant, Lease
from optimizer.quantities import Kind

HEADROOM = 1.2
"""What a lease keeps beyond the most that it was seen to use."""

Why = Literal["free", "idle", "lower"]
"""free: nobody held it; idle: its holder did not use it; lower: its holder's priority is lower."""


@dataclass(frozen=True)
class Move:
    """So many parts of a resource for one lease, from another or from what is free.

    Attributes:
        resource: What of.
        parts: Whole parts, at least 1.
        gains: The lease that holds more: it holds less than it asked for.
        loses: The lease that holds less; None when the parts are free.
        why: Why that one.
        seen: The most that the loser was seen to use, in whole parts; None when nobody looked.
    """

    resource: str
    parts: int
    gains: Lease
    loses: Lease | None
    why: Why
    seen: int | None = None


def propose(
    leases: Sequence[Lease],
    room: Mapping[str, int | None],
    *,
    kinds: Mapping[str, Kind],
    capacity: Mapping[str, float],
    seen: Mapping[str, Mapping[str, int]],
    weights: Mapping[str, float],
) -> tuple[Move, ...]:
    """Let leases that got less than they asked for grow.

    Who gains: the highest priority first, then the principal with the least dominant share per
    weight, then the oldest lease; nobody who was seen not to use what it has. From where: what is
    free; then what a lease of no higher priority holds idle; then what a lease of strictly lower
    priority holds beyond the least that it accepts. Nobody falls below that least, and
    incompressible resources are only taken where their use is known and stays covered. Budgets,
    indexed pools and leases that have to give way stay as they are.

    Args:
        leases: Active leases.
        room: What is free, in whole parts; None without a known limit.
        kinds: Of the pools.
        capacity: Whole parts that may be leased, of the limited pools.
        seen: By lease: the most that each was seen to use, in whole parts; without those that
            nobody looked at.
        weights: Of principals; 1 of who is not named.

    Returns:
        The moves, in the order in which they should be made; together they exceed no room.
    """
    free = dict(room)
    holds = {(one.allocation_id, g.resource): g.granted for one in leases for g in one.grants}
    shares = _shares(leases, capacity, weights)
    moves = []
    for lease in sorted(leases, key=lambda one: _turn(one, shares[one.principal])):
        for grant in lease.grants:
            if lease.yields_to or kinds.get(grant.resource, "budget") == "budget" or grant.slots:
                continue
            has = holds[lease.allocation_id, grant.resource]
            missing = grant.requested - has
            if missing < 1:
                continue
            used = seen.get(lease.allocation_id, {}).get(grant.resource)
            if used is not None and HEADROOM * used < has:
                continue
            for move in _sources(lease, grant, leases, free, holds, kinds, seen):
                parts = min(missing, move.parts)
                if parts < 1:
                    continue
                missing -= parts
                holds[lease.allocation_id, grant.resource] += parts
                if move.loses is None:
                    left = free[grant.resource]
                    free[grant.resource] = None if left is None else left - parts
                else:
                    holds[move.loses.allocation_id, grant.resource] -= parts
                moves.append(Move(grant.resource, parts, lease, move.loses, move.why, move.seen))
    return tuple(moves)


def _shares(
    leases: Sequence[Lease], capacity: Mapping[str, float], weights: Mapping[str, float]
) -> dict[str, float]:
    """Dominant share of each principal that holds something, by its weight."""
    held: dict[str, Counter[str]] = defaultdict(Counter)
    for lease in leases:
        for grant in lease.grants:
            held[lease.principal][grant.resource] += grant.granted
    return {
        name: dominant_share(parts, capacity) / weights.get(name, 1.0)
        for name, parts in held.items()
    }


def _turn(lease: Lease, share: float) -> tuple[int, float, int]:
    return -PRIORITIES.index(lease.priority_level), share, lease.fencing_token


def _sources(
    gains: Lease,
    grant: Grant,
    leases: Sequence[Lease],
    free: Mapping[str, int | None],
    holds: Mapping[tuple[str, str], int],
    kinds: Mapping[str, Kind],
    seen: Mapping[str, Mapping[str, int]],
) -> list[Move]:
    """Where a lease could get more of a resource, the gentlest first."""
    name = grant.resource
    left = free.get(name, 0)
    most = grant.requested if left is None else max(0, left)
    found = [Move(name, most, gains, None, "free")] if most else []
    rank = PRIORITIES.index(gains.priority_level)
    others = [
        (other, held)
        for other in leases
        for held in other.grants
        if other is not gains
        and held.resource == name
        and held.host == grant.host
        and not held.slots
        and not other.yields_to
        and PRIORITIES.index(other.priority_level) <= rank
    ]
    idle, lower = [], []
    for other, held in others:
        has = holds[other.allocation_id, name]
        used = seen.get(other.allocation_id, {}).get(name)
        least = least_parts(held.requested, other.min_fraction)
        kept = None if used is None else max(least, math.ceil(HEADROOM * used))
        if kept is not None and has > kept:
            idle.append(Move(name, has - kept, gains, other, "idle", used))
        is_lower = PRIORITIES.index(other.priority_level) < rank
        if is_lower and kinds[name] == "compressible" and min(has, kept or has) > least:
            lower.append(Move(name, min(has, kept or has) - least, gains, other, "lower", used))
    lower.sort(key=lambda move: _rank_of(move.loses))
    return [*found, *idle, *lower]


def _rank_of(lease: Lease | None) -> tuple[int, int]:
    """The lowest priority first, then the newest."""
    if lease is None:
        return 0, 0
    return PRIORITIES.index(lease.priority_level), -lease.fencing_token
