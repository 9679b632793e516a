"""Leases and quotas that a plan moves: what is held and not used goes back to those who ask."""

from dataclasses import dataclass

from optimizer.decisions.levels import Rules, needed
from optimizer.decisions.snapshot import LeaseUse, ResourceState

CROWDED_BELOW = 0.1
"""Share of the capacity: with less than this free to lease, the next request may be refused. A
judgement, as is the next one."""

HALF = 0.5
"""One principal that holds more than this share of what can be leased leaves the others less."""


@dataclass(frozen=True)
class Shrink:
    """A lease that can hold less.

    Attributes:
        lease: What it holds and uses.
        to: What it needs, in the resource's unit.
    """

    lease: LeaseUse
    to: float


def shrinks(state: ResourceState, rules: Rules) -> tuple[Shrink, ...]:
    """The leases of a resource that hold clearly more than they need, the most idle first."""
    needs = ((lease, needed(lease, state, rules)) for lease in state.leases)
    found = [Shrink(lease, keeps) for lease, keeps in needs if keeps < lease.held]
    return tuple(sorted(found, key=lambda shrink: shrink.to - shrink.lease.held))


def is_crowded(state: ResourceState) -> bool:
    """Whether hardly anything of it is free to lease."""
    if not state.capacity or state.available is None:
        return False
    return state.available < CROWDED_BELOW * state.capacity


def fair_quota(state: ResourceState, rules: Rules) -> float | None:
    """A quota for everybody, where one principal holds most of a crowded resource.

    Returns:
        The smallest configured share of what can be leased, in the resource's unit; None where
        none is needed, or a quota as small is in force.
    """
    leasable = (state.capacity or 0.0) - state.reserved
    if not is_crowded(state) or state.largest_holding <= HALF * leasable or not rules.quota_shares:
        return None
    quota = min(rules.quota_shares) * leasable
    return None if state.quota is not None and state.quota <= quota else quota
