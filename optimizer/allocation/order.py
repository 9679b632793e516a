"""An order: a request that was read against the pools, and the decision about it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from optimizer.allocation.admission import (
    Admission,
    Refusal,
    admit,
    least_parts,
    refuse,
    within_quota,
)
from optimizer.allocation.demand import Demand, Reading
from optimizer.allocation.headroom import Pressure
from optimizer.allocation.lease import AllocationRequest
from optimizer.allocation.ledger import Draft
from optimizer.allocation.pool import Balance, room_parts
from optimizer.allocation.pooling import Burst, admit_burst
from optimizer.allocation.slots import choose_slots
from optimizer.allocation.strategies import AllocationStrategy
from optimizer.quantities import PARTS, Unit, to_parts


@dataclass(frozen=True)
class Order:
    """A request that was read.

    Attributes:
        request: As it was asked.
        draft: The lease that it would become.
        reading: What it asks of each pool.
        strategy: Chooses the share.
        quota: What the asker may hold, in whole parts by resource.
        usual: What the same used in the past, by resource in the unit of its pool, equally likely;
            nothing where that is not known.
    """

    request: AllocationRequest
    draft: Draft
    reading: Reading
    strategy: AllocationStrategy
    quota: Mapping[str, int] = field(default_factory=dict)
    usual: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def demands(self) -> Mapping[str, Demand]:
        """What it asks of each pool, by resource."""
        return self.reading.demands

    @property
    def parts(self) -> Mapping[str, int]:
        """The same in whole parts alone."""
        return self.reading.parts

    @property
    def is_possible(self) -> bool:
        """Whether it would fit if nothing else were leased."""
        return all(
            (most := demand.pool.leasable_parts) is None
            or least_parts(demand.parts, self.request.min_fraction) <= most
            for demand in self.demands.values()
        )


Seen = Callable[[str, str], Sequence[float]]


def nothing_seen(lease: str, resource: str) -> Sequence[float]:
    """Nobody looked at any lease."""
    return ()


BURST_QUANTILE = 0.95
"""Share of the time in which the leases of a pool together stay inside it: nobody is throttled."""


@dataclass(frozen=True)
class Surroundings:
    """What else bears on a decision.

    Attributes:
        unmanaged: Demand that no lease covers now, by resource.
        pressures: The greatest that is foreseen while the lease would last, by resource.
        ahead: How many that wait for the same resources stand before.
        put_off: Until when work of this priority waits; None for not at all.
        seen: Answers what a lease was seen to use of a resource, in the unit of its pool.
    """

    unmanaged: Mapping[str, float]
    pressures: Mapping[str, Pressure] = field(default_factory=dict)
    ahead: int = 0
    put_off: datetime | None = None
    seen: Seen = nothing_seen


def decide(
    order: Order, balances: Mapping[str, Balance], around: Surroundings
) -> Admission | Refusal:
    """Whether an order is granted, how much of it, and which ones of indexed pools."""
    room = _room(order, balances, around.unmanaged, around.pressures)
    if around.put_off is not None:
        return replace(refuse(order.parts, room), deferred_until=around.put_off)
    decision = _decide_within(order, balances, room)
    if isinstance(decision, Refusal):
        if around.pressures and decision.quota is None and decision.binding in around.pressures:
            now = _room(order, balances, around.unmanaged, {})
            if isinstance(_decide_within(order, balances, now), Admission):
                until = around.pressures[decision.binding].at
                return replace(decision, pressed_until=until)
        return decision
    if around.ahead:
        return refuse(order.parts, room)
    return _in_detail(order, balances, decision, room, around)


def decide_as_planned(
    order: Order,
    balances: Mapping[str, Balance],
    around: Surroundings,
    planned: Mapping[str, int] | None,
) -> Admission | Refusal:
    """Grant what a plan for several orders gives to this one, if it still fits.

    Args:
        order: The order.
        balances: Of the moment.
        around: What else bears on it.
        planned: Whole parts by resource; None where the plan gives nothing.
    """
    demand = order.parts
    room = _room(order, balances, around.unmanaged, around.pressures)
    own = {name: balances[name].own for name in demand}
    mine = within_quota(room, order.quota, own) if order.quota else room
    fits = planned is not None and all(
        (free := mine[name]) is None or parts <= free for name, parts in planned.items()
    )
    if around.put_off is not None:
        return replace(refuse(demand, room), deferred_until=around.put_off)
    if planned is None or not fits:
        return refuse(demand, room)
    fraction = min(planned[name] / parts for name, parts in demand.items())
    effect = "nothing: shares are chosen for the batch as a whole"
    return _in_detail(order, balances, Admission(planned, fraction, effect), room, around)


def free_for(
    order: Order, balances: Mapping[str, Balance], around: Surroundings
) -> dict[str, int | None]:
    """Whole parts of each pool that its asker may be granted now."""
    room = _room(order, balances, around.unmanaged, around.pressures)
    return within_quota(room, order.quota, {name: balances[name].own for name in room})


def _room(
    order: Order,
    balances: Mapping[str, Balance],
    unmanaged: Mapping[str, float],
    pressures: Mapping[str, Pressure],
) -> dict[str, int | None]:
    """What is free of each pool, for as long as the lease would last."""
    room = {}
    for name, asked in order.demands.items():
        beyond = unmanaged.get(name, 0.0)
        if name in pressures:
            beyond = max(beyond, pressures[name].amount)
        room[name] = room_parts(asked.pool, balances[name], beyond)
    return room


def _decide_within(
    order: Order,
    balances: Mapping[str, Balance],
    room: Mapping[str, int | None],
) -> Admission | Refusal:
    quota = order.quota
    mine = within_quota(room, quota, {n: balances[n].own for n in room}) if quota else room
    decision = admit(
        order.parts,
        mine,
        min_fraction=order.request.min_fraction,
        strategy=order.strategy,
        leasable=order.reading.leasable,
    )
    if isinstance(decision, Refusal) and mine[decision.binding] != room[decision.binding]:
        return replace(decision, quota=quota[decision.binding])
    return decision


def _in_detail(
    order: Order,
    balances: Mapping[str, Balance],
    admission: Admission,
    room: Mapping[str, int | None],
    around: Surroundings,
) -> Admission | Refusal:
    """The same with which ones of indexed pools, and how far ranges may burst."""
    placed = _at_slots(order, balances, admission, room)
    return _with_bursts(order, balances, placed, around) if order.reading.has_ranges else placed


def _at_slots(
    order: Order,
    balances: Mapping[str, Balance],
    admission: Admission,
    room: Mapping[str, int | None],
) -> Admission | Refusal:
    """The same with indices; refused where enough is free in all, but not on fitting indices."""
    if not order.reading.has_slots:
        return admission
    chosen: dict[str, Mapping[int, int]] = {}
    for name, asked in order.demands.items():
        if asked.pool.slots is None:
            continue
        slots = choose_slots(
            balances[name].slots,
            admission.granted[name],
            size=PARTS[asked.pool.unit],
            wanted=asked.slots or None,
        )
        if slots is None:
            return replace(refuse(order.parts, room), binding=name, is_scattered=True)
        chosen[name] = slots
    return replace(admission, slots=chosen)


def _with_bursts(
    order: Order,
    balances: Mapping[str, Balance],
    decision: Admission | Refusal,
    around: Surroundings,
) -> Admission | Refusal:
    """The same with how far each range may burst, and the risk that is taken with it.

    A lease of which nothing is known, neither seen nor from the past, counts with all that it may
    use.
    """
    if isinstance(decision, Refusal):
        return decision
    bursts, risks = {}, {}
    for name, asked in order.demands.items():
        most = asked.pool.leasable_parts
        if asked.burst is None or most is None:
            continue
        unit, pressed = asked.pool.unit, around.pressures.get(name)
        unmanaged = max(around.unmanaged.get(name, 0.0), pressed.amount if pressed else 0.0)
        held = [
            _burst(one.granted, one.burst, around.seen(one.allocation_id, name), unit)
            for one in balances[name].holders
        ]
        admitted = admit_burst(
            _burst(decision.granted[name], asked.burst, order.usual.get(name, ()), unit),
            held,
            capacity=float(most - to_parts(unmanaged, unit)),
            quantile=BURST_QUANTILE,
        )
        bursts[name] = max(decision.granted[name], int(admitted.most))
        risks[name] = admitted.risk
    return replace(decision, bursts=bursts, risks=risks)


def _burst(guaranteed: int, most: int, used: Sequence[float], unit: Unit) -> Burst:
    """A range in whole parts; what was used comes in the unit of the pool."""
    seen = np.asarray(used, dtype=np.float64) * PARTS[unit]
    return Burst(float(guaranteed), float(most), seen)
