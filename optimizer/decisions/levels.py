"""Which amounts of a resource are considered: discrete levels around what there is."""

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.decisions.recommend import TARGET_PROBABILITY
from optimizer.decisions.request import Scope
from optimizer.decisions.risk import exceedance
from optimizer.decisions.snapshot import Lever, ResourceState, Snapshot
from optimizer.quantities import RESOURCES, Unit

MOVABLE = ("cpu", "memory", "storage", "gpu")
"""Resources whose level changes a figure that is computed. The speed of a link does not."""


BY_LEASE = Lever(actuator="allocate", downtime=False)
"""How the lease scopes are carried out: our own allocator."""


@dataclass(frozen=True)
class Rules:
    """What the search is bounded by; configuration, not a result.

    Attributes:
        multipliers: Levels to consider, as multiples of what there is.
    """

    multipliers: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Basis:
    """A resource and the amounts of it that are considered.

    Attributes:
        state: What is known about the resource.
        amount: How much level 1 is, in the resource's unit.
        levels: Multiples of `amount`, 1 first, then by their distance from 1.
        lever: What can change it, or None when only an operator can.
        fixed_because: Why nothing but level 1 is considered, or why no smaller level is.
    """

    state: ResourceState
    amount: float
    levels: tuple[float, ...] = (1.0,)
    lever: Lever | None = None
    fixed_because: str | None = None

    @property
    def resource(self) -> str:
        """Name of the resource."""
        return self.state.resource

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
) -> tuple[Basis, ...]:
    """The considered amounts of every resource whose capacity is known.

    Args:
        snapshot: What is known.
        scope: At task and session level, level 1 is what no lease holds; else all of the machine.
        rules: Levels, and how far they may shrink.
        max_increase: Most that a resource may grow, as a fraction; None for as far as levels go.
        movable: Only these may move; None for every one that can.

    Returns:
        One basis for each resource, in the snapshot's order.
    """
    return tuple(
        _basis(state, scope, rules, max_increase, movable)
        for state in snapshot.resources
        if state.capacity is not None
    )


def is_lease_scope(scope: Scope) -> bool:
    """Whether the scope is sized by a lease out of what is free."""
    return scope in ("task_level", "session_level")


def _basis(
    state: ResourceState,
    scope: Scope,
    rules: Rules,
    max_increase: float | None,
    movable: frozenset[str] | None,
) -> Basis:
    capacity = state.capacity or 0.0
    leases = is_lease_scope(scope)
    amount = max(0.0, capacity - state.reserved - state.leased) if leases else capacity
    reason = _why_fixed(state, amount, movable)
    if reason is not None:
        return Basis(state=state, amount=amount, fixed_because=reason)
    largest = 1.0 if leases else 1.0 + (float("inf") if max_increase is None else max_increase)
    levels = [
        level
        for level in sorted({1.0, *rules.multipliers}, key=lambda level: (abs(level - 1), level))
        if level <= largest + 1e-9
        and _is_whole(level * amount, state.unit)
        and (level >= 1 or _may_shrink(state, level * amount, leases))
    ]
    lever = BY_LEASE if leases else state.lever
    return Basis(state, amount, tuple(levels), lever, fixed_because=_why_no_less(state, levels))


def _why_fixed(state: ResourceState, amount: float, movable: frozenset[str] | None) -> str | None:
    if state.resource not in MOVABLE:
        return "its level changes no figure that is computed"
    if amount <= 0:
        return "there is none of it"
    if movable is not None and state.resource not in movable:
        return "constraints.focus leaves it as it is"
    if not state.outlook and state.price is None:
        return "neither a forecast of it nor a price is known"
    return None


def _why_no_less(state: ResourceState, levels: Sequence[float]) -> str | None:
    if min(levels) < 1:
        return None
    if not state.outlook:
        return "no smaller amount is considered without a forecast of it"
    return "no smaller amount is considered, because the forecast recommends no reduction"


def _is_whole(amount: float, unit: Unit) -> bool:
    return unit != "device" or float(amount).is_integer()


def _may_shrink(state: ResourceState, amount: float, leases: bool) -> bool:
    """Whether an amount below today's still holds what is used, promised and forecast.

    The machine shrinks as far as the forecast's own recommendation goes, which asks for days of
    back-tested history; a lease, which is renewed in minutes, as far as the forecast alone allows.
    """
    if RESOURCES[state.resource].kind == "incompressible" and amount < (state.used or 0.0):
        return False
    if state.demand is not None and amount <= state.demand:
        return False
    if leases:
        quantiles = [(q.probability, q.amount) for q in state.outlook]
        return bool(quantiles) and exceedance(quantiles, amount) <= TARGET_PROBABILITY
    advised = state.recommended_change or 0.0
    return amount >= state.leased and amount >= (state.capacity or 0.0) * (1 + advised) - 1e-9
