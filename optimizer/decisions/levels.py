"""Which amounts of a resource are considered: discrete levels around what there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from optimizer.decisions.job import Need
from optimizer.decisions.recommend import TARGET_PROBABILITY
from optimizer.decisions.request import Scope
from optimizer.decisions.risk import exceedance
from optimizer.decisions.snapshot import LeaseUse, Lever, ResourceState, Snapshot
from optimizer.quantities import RESOURCES, Unit

MOVABLE = ("cpu", "memory", "storage", "gpu")
"""Resources whose level changes a figure that is computed. The speed of a link does not."""


LEASED = ("cpu", "memory")
"""What a lease of the lease scopes is sized in: what every task needs."""

TOLERANCE = 1e-9
"""Relative slack when two amounts that were computed differently are compared."""

LEAST_KEPT = 0.1
"""Share of what it holds that even an idle lease keeps: it may begin to work at any moment. A
judgement, as is the next one."""

WORTH_SHRINKING = 0.75
"""Share of what a lease holds: only leases that need at most this much of it shrink, because a
smaller gain is not worth the change."""

BY_LEASE = Lever(actuator="allocate", downtime=False)
"""How the lease scopes are carried out: our own allocator."""


@dataclass(frozen=True)
class Rules:
    """What the search is bounded by; configuration, not a result.

    Attributes:
        multipliers: Levels of the machine to consider, as multiples of what there is.
        lease_shares: Sizes of a lease to consider, as shares of all that no lease holds.
        quota_shares: Quotas to consider, as shares of what can be leased.
        lease_headroom: Times its use that a lease which shrinks keeps at least: use was seen for
            minutes only. A judgement; where the forecast lets use grow by more, that counts.
        validation_cycles: Depths of validation to consider beside none, in cycles.
    """

    multipliers: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    lease_shares: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 1.0)
    quota_shares: tuple[float, ...] = (0.5, 0.75)
    lease_headroom: float = 1.5
    validation_cycles: tuple[int, ...] = (1, 2, 3, 5)


@dataclass(frozen=True)
class Basis:
    """A resource and the amounts of it that are considered.

    Attributes:
        state: What is known about the resource.
        amount: How much level 1 is, in the resource's unit.
        levels: Multiples of `amount`, 1 first, then by their distance from 1.
        lever: What can change it, or None when only an operator can.
        fixed_because: Why nothing but level 1 is considered, or why no smaller level is.
        need: What the work of a lease uses, where that is known; level 1 is then that much.
    """

    state: ResourceState
    amount: float
    levels: tuple[float, ...] = (1.0,)
    lever: Lever | None = None
    fixed_because: str | None = None
    need: Need | None = None

    @property
    def resource(self) -> str:
        """Name of the resource, with its host where that is another machine."""
        return self.state.key

    @property
    def unit(self) -> Unit:
        """Unit of the amount."""
        return self.state.unit


def bases(
    snapshot: Snapshot,
    scope: Scope,
    *,
    rules: Rules,
    max_increase: float | None,
    movable: frozenset[str] | None = None,
    needs: Mapping[str, Need] = MappingProxyType({}),
) -> tuple[Basis, ...]:
    """The considered amounts of every resource whose capacity is known.

    Args:
        snapshot: What is known.
        scope: At task and session level, level 1 is what the work needs, where that is not known
            what no lease holds; else all of the machine.
        rules: Levels, and how far they may shrink.
        max_increase: Most that a resource may grow, as a fraction; None for as far as levels go.
        movable: Only these may move; None for every one that can.
        needs: What the work of a lease uses, by resource, where that is known.

    Returns:
        One basis for each resource, in the snapshot's order; for a lease of those it is sized in.
    """
    known = [state for state in snapshot.resources if state.capacity is not None]
    if is_lease_scope(scope):
        leased = [state for state in known if state.resource in LEASED]
        return tuple(
            _needed_basis(state, needs[state.resource], rules)
            if state.resource in needs
            else _lease_basis(state, rules, movable)
            for state in leased
        )
    if scope == "global_level":
        known += [state for state in snapshot.elsewhere if state.capacity is not None]
    found = tuple(_machine_basis(state, rules, max_increase, movable) for state in known)
    return _bounded(found)


def _bounded(found: tuple[Basis, ...]) -> tuple[Basis, ...]:
    """Only so many resources move that the exact front stays small: those that are used most."""
    moving = [basis for basis in found if len(basis.levels) > 1]
    by_use = sorted(moving, key=lambda basis: -_share_used(basis.state))
    kept = {basis.resource for basis in by_use[:MOST_MOVING]}
    return tuple(
        basis
        if basis not in moving or basis.resource in kept
        else Basis(basis.state, basis.amount, fixed_because=_NOT_THE_BUSIEST)
        for basis in found
    )


def _share_used(state: ResourceState) -> float:
    highest = state.outlook[-1].amount if state.outlook else state.used
    return (highest or 0.0) / (state.capacity or 1.0)


def is_lease_scope(scope: Scope) -> bool:
    """Whether the scope is sized by a lease out of what is free."""
    return scope in ("task_level", "session_level")


def _machine_basis(
    state: ResourceState, rules: Rules, max_increase: float | None, movable: frozenset[str] | None
) -> Basis:
    """Levels of the machine's own capacity."""
    capacity = state.capacity or 0.0
    reason = _why_fixed(state, movable)
    if reason is not None:
        return Basis(state, capacity, fixed_because=reason)
    largest = float("inf") if max_increase is None else 1.0 + max_increase
    levels = [
        level
        for level in _outwards(rules.multipliers)
        if level <= largest + TOLERANCE
        and _is_whole(level * capacity, state.unit)
        and (level >= 1 or _machine_may_shrink(state, level * capacity, rules))
    ]
    because = _why_no_less(state) if min(levels) == 1 else None
    return Basis(state, capacity, tuple(levels), state.lever, fixed_because=because)


def _lease_basis(state: ResourceState, rules: Rules, movable: frozenset[str] | None) -> Basis:
    """Sizes of a lease, at most all that no lease holds."""
    free = max(0.0, (state.capacity or 0.0) - state.reserved - state.leased)
    if movable is not None and state.resource not in movable:
        return Basis(state, free, lever=BY_LEASE, fixed_because=_BY_FOCUS)
    levels = [
        level
        for level in _outwards(rules.lease_shares)
        if level <= 1 and (level == 1 or _lease_may_be(state, level * free))
    ]
    because = None if state.outlook else "the lease is sized by what is used now: no forecast of it"
    return Basis(state, free, tuple(levels), BY_LEASE, fixed_because=because)


def _needed_basis(state: ResourceState, need: Need, rules: Rules) -> Basis:
    """Sizes of a lease for work whose need is known: more than that is of no use to it.

    With fewer cores it takes longer; with less memory it does not run.
    """
    if RESOURCES[state.resource].kind == "incompressible":
        return Basis(state, need.amount, lever=BY_LEASE, need=need)
    levels = tuple(level for level in _outwards(rules.lease_shares) if level <= 1)
    return Basis(state, need.amount, levels, BY_LEASE, need=need)


MOST_MOVING = 8
"""Resources that move in one decision: the exact merge takes 58 to 130 ms with eight."""

_NOT_THE_BUSIEST = f"only the {MOST_MOVING} resources that are used most move in one decision"

_BY_FOCUS = "constraints.focus leaves it as it is"


def _outwards(levels: Sequence[float]) -> list[float]:
    """1 first, then by distance from it."""
    return sorted({1.0, *levels}, key=lambda level: (abs(level - 1), level))


def _why_fixed(state: ResourceState, movable: frozenset[str] | None) -> str | None:
    if state.resource not in MOVABLE:
        return "its level changes no figure that is computed"
    if not state.capacity:
        return "there is none of it"
    if movable is not None and state.resource not in movable:
        return _BY_FOCUS
    if not state.outlook and state.price is None:
        return "neither a forecast of it nor a price is known"
    return None


def _why_no_less(state: ResourceState) -> str:
    if not state.outlook:
        return "no smaller amount is considered without a forecast of it"
    return "no smaller amount is considered, because the forecast recommends no reduction"


def _is_whole(amount: float, unit: Unit) -> bool:
    return unit != "device" or float(amount).is_integer()


def _holds_use(state: ResourceState, amount: float) -> bool:
    """Whether an amount is enough for what was measured."""
    if RESOURCES[state.resource].kind == "incompressible" and amount < (state.used or 0.0):
        return False
    return state.demand is None or amount > state.demand


def _machine_may_shrink(state: ResourceState, amount: float, rules: Rules) -> bool:
    """Whether less of the machine holds what is used and leased, and the forecast recommends it.

    That recommendation asks for days of back-tested history.
    """
    if state.recommended_change is None or state.recommended_change >= 0:
        return False
    advised = (state.capacity or 0.0) * (1 + state.recommended_change)
    least = max(leased_after_shrinking(state, rules), advised * (1 - TOLERANCE))
    return _holds_use(state, amount) and amount >= least


def headroom(state: ResourceState, rules: Rules) -> float:
    """Times its use that a lease which shrinks keeps: as much as use may grow within the horizon.

    Use of the whole machine may grow from its demand to the highest forecast quantile. That of one
    lease varies more than that of all together, so it is at least what is configured.
    """
    if not state.outlook or not state.demand:
        return rules.lease_headroom
    return max(rules.lease_headroom, state.outlook[-1].amount / state.demand)


def needed(lease: LeaseUse, state: ResourceState, rules: Rules) -> float:
    """What a lease keeps when it shrinks; what it holds, where shrinking is not worth it."""
    keeps = max(lease.used * headroom(state, rules), LEAST_KEPT * lease.held)
    return keeps if keeps <= WORTH_SHRINKING * lease.held else lease.held


def leased_after_shrinking(state: ResourceState, rules: Rules) -> float:
    """What leases hold once those that hold clearly more than they need gave the rest back."""
    return state.leased - sum(lease.held - needed(lease, state, rules) for lease in state.leases)


def _lease_may_be(state: ResourceState, amount: float) -> bool:
    """Whether a lease holds what is used, and what is forecast where it is.

    A lease is renewed in minutes, so the forecast alone is enough to make it smaller.
    """
    quantiles = [(q.probability, q.amount) for q in state.outlook]
    enough = not quantiles or exceedance(quantiles, amount) <= TARGET_PROBABILITY
    return enough and _holds_use(state, amount)
