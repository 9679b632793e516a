"""Which leases of lower priority have to give way, when a request may ask for that. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from optimizer.allocation.lease import PRIORITIES, Lease, PriorityLevel
from optimizer.milp import Program, maximise

Mode = Literal["never", "on_request", "always"]


@dataclass(frozen=True)
class PreemptionPolicy:
    """Whether leases may have to give way.

    Attributes:
        mode: on_request: where the request says allow_preemption.
        grace_s: Seconds between the notice to the holder and the end of its lease.
    """

    mode: Mode = "on_request"
    grace_s: float = 15.0

    def grace(self, *, allowed: bool, priority: PriorityLevel, wait_s: float) -> float | None:
        """The grace time of a request that waits so long; None when nothing gives way to it."""
        is_asked = self.mode == "always" or (self.mode == "on_request" and allowed)
        can_wait = wait_s >= self.grace_s
        return self.grace_s if is_asked and can_wait and priority != PRIORITIES[0] else None


STEP = 10.0
"""How much dearer it is to end a lease of the next higher priority."""

LIMIT_S = 0.1


def loss(lease: Lease, capacity: Mapping[str, int | None], at: datetime) -> float:
    """What ending a lease now loses: the work since its grant, to be done again.

    Its unit is seconds of the whole machine: seconds held times the dominant share, ten times as
    much for each level of priority. So the newest, smallest and lowest goes first.
    """
    held_s = 1.0 + max(0.0, (at - lease.granted_at).total_seconds())
    share = max(
        (
            grant.granted / most
            for grant in lease.grants
            if (most := capacity.get(grant.resource)) is not None and most > 0
        ),
        default=0.0,
    )
    return held_s * max(share, 1e-6) * STEP ** PRIORITIES.index(lease.priority_level)


def choose_victims(
    leases: Sequence[Lease],
    missing: Mapping[str, int],
    *,
    priority: PriorityLevel,
    capacity: Mapping[str, int | None],
    at: datetime,
) -> tuple[Lease, ...]:
    """The leases whose end makes the room that is missing, and loses least.

    Nobody has to give way while leases of a lower priority suffice.

    Args:
        leases: Active leases; those of the same or a higher priority are never chosen, nor those
            that have to give way already.
        missing: Whole parts that must become free, by resource.
        priority: Of the request.
        capacity: Whole parts of each pool; None without a known limit.
        at: Now.

    Returns:
        The leases to end; empty when all that may be ended would not make the room.
    """
    needed = {name: parts for name, parts in missing.items() if parts > 0}
    for rank in range(PRIORITIES.index(priority)):
        may_end = [
            lease
            for lease in leases
            if PRIORITIES.index(lease.priority_level) <= rank
            and lease.yields_to is None
            and any(grant.resource in needed for grant in lease.grants)
        ]
        if needed and _covers(may_end, needed):
            losses = [loss(lease, capacity, at) for lease in may_end]
            return _least_loss(may_end, losses, needed)
    return ()


def _least_loss(
    leases: Sequence[Lease], losses: Sequence[float], needed: Mapping[str, int]
) -> tuple[Lease, ...]:
    """Of leases that together make the room, the set that loses least."""
    least = np.array([float(parts) for parts in needed.values()])
    held = np.array([[_held(lease, name) for lease in leases] for name in needed], dtype=float)
    found = maximise(
        Program(
            values=-np.array(losses) / max(losses),
            rows=np.minimum(held, least[:, None]),
            low=least,
            high=np.full(least.size, np.inf),
            is_whole=np.ones(len(leases), dtype=bool),
        ),
        gap=0.0,
        limit_s=LIMIT_S,
    )
    chosen = [i for i in range(len(leases)) if found is None or found.x[i] > 0.5]
    victims = sorted(chosen, key=lambda index: -losses[index])
    for index in tuple(victims):
        rest = [other for other in victims if other != index]
        if _covers([leases[other] for other in rest], needed):
            victims = rest
    ended = tuple(leases[index] for index in victims)
    return ended if _covers(ended, needed) else ()


def _covers(leases: Sequence[Lease], needed: Mapping[str, int]) -> bool:
    return all(
        sum(_held(lease, name) for lease in leases) >= parts for name, parts in needed.items()
    )


def _held(lease: Lease, resource: str) -> int:
    return sum(grant.granted for grant in lease.grants if grant.resource == resource)
