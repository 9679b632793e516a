"""Refusals in the words that agents read: what is free, what fits when, and what to do."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from optimizer.allocation.admission import Refusal, fits_at, least_parts
from optimizer.allocation.answers import amounts_of, ending_notices, text_of
from optimizer.allocation.demand import Demand
from optimizer.allocation.lease import MAX_WAIT_S, Allocation, AllocationRequest, Alternative, Lease
from optimizer.allocation.ledger import Declined
from optimizer.allocation.pool import ResourcePool
from optimizer.quantities import format_amount, from_parts


def refusal_answer(
    request: AllocationRequest,
    demands: Mapping[str, Demand],
    declined: Declined,
    *,
    ahead: int = 0,
    waited: timedelta | None = None,
    grace_s: float | None = None,
) -> Allocation:
    """Why there is no lease, what is free, what fits when, and what to do.

    Args:
        request: What was asked.
        demands: The same in whole parts.
        declined: The ledger's answer.
        ahead: How many others wait for the same resources.
        waited: How long the request has waited.
        grace_s: How long leases of lower priority have until they give way, if they may have to.
    """
    refusal = declined.refusal
    if refusal.deferred_until is not None:
        said = _put_off(refusal.deferred_until, declined.moment.at)
    else:
        said = _does_not_fit(
            request, demands, declined, ahead=ahead, waited=waited, grace_s=grace_s
        )
    return Allocation(
        state="refused",
        requested={n: from_parts(d.parts, d.pool.unit) for n, d in demands.items()},
        granted={},
        units={name: demand.pool.unit for name, demand in demands.items()},
        granted_fraction=0.0,
        strategy=request.strategy,
        priority_level=request.priority_level,
        purpose=request.purpose,
        ttl_s=request.ttl_s,
        free_now={
            name: None if (free := refusal.free[name]) is None else from_parts(free, d.pool.unit)
            for name, d in demands.items()
        },
        preempted=tuple(_kept_after_all(lease) for lease in declined.yielding),
        notices=tuple(ending_notices(declined.moment)),
        **said,
    )


def _put_off(until: datetime, at: datetime) -> dict[str, Any]:
    """What is said to work that can wait."""
    wait = max(0.0, (until - at).total_seconds())
    return {
        "summary": f"Refused: work of low priority is put off until {until:%Y-%m-%d %H:%M} UTC, by "
        "an operator's decision. Nothing was reserved.",
        "strategy_effect": "nothing: no share is granted before then",
        "binding_resource": "deferral",
        "fits_in_s": wait,
        "next": f"ask again in {math.ceil(wait)} s, or with priority_level=normal if it cannot "
        "wait",
    }


def _does_not_fit(
    request: AllocationRequest,
    demands: Mapping[str, Demand],
    declined: Declined,
    ahead: int,
    waited: timedelta | None,
    grace_s: float | None,
) -> dict[str, Any]:
    """What is said where there is too little, or others stand before."""
    refusal, at = declined.refusal, declined.moment.at
    least = {n: least_parts(d.parts, request.min_fraction) for n, d in demands.items()}
    spared = {name: demand.parts - least[name] for name, demand in demands.items()}
    needed = {name: parts - spared[name] for name, parts in refusal.missing.items()}
    moment = fits_at(needed, declined.freeings)
    whole_at = fits_at(refusal.missing, declined.freeings)
    fits_in = None if moment is None else max(0.0, (moment - at).total_seconds())
    alternatives = _alternatives(demands, refusal, at, whole_at, queued=ahead > 0)
    pool = demands[refusal.binding].pool
    why = (
        _why(demands, refusal, ahead=ahead, waited=waited)
        if refusal.quota is None
        else _over_quota(demands[refusal.binding], refusal)
    )
    unknown = {}
    if fits_in is None:
        unknown["fits_in_s"] = _unforeseeable(demands, declined, ahead=ahead)
    return {
        "summary": f"{why} Nothing was reserved.",
        "strategy_effect": "nothing: no share that you accept is free",
        "binding_resource": refusal.binding if refusal.quota is None else "quota",
        "fits_in_s": fits_in,
        "shortfalls": {
            n: from_parts(p, demands[n].pool.unit) for n, p in refusal.shortfalls.items()
        },
        "alternatives": alternatives,
        "next": _next_of_refusal(
            request,
            pool,
            alternatives,
            fits_in,
            ahead=ahead,
            quota=refusal.quota,
            free=refusal.free[refusal.binding],
            most=_most_ever(pool, refusal, least[refusal.binding]),
            grace_s=grace_s if _may_preempt(request, pool, refusal) else None,
        ),
        "unknown": unknown,
    }


def _kept_after_all(lease: Lease) -> str:
    """Which lease had notice to give way, for nothing in the end."""
    return (
        f"a {lease.priority_level} lease of {amounts_of(lease.grants)} had notice to give way; the "
        "notice is withdrawn, because you wait no longer"
    )


def _why(
    demands: Mapping[str, Demand], refusal: Refusal, *, ahead: int, waited: timedelta | None
) -> str:
    demand = demands[refusal.binding]
    pool = demand.pool
    asked = text_of(demand.parts, pool.unit)
    after = "" if waited is None else f" after waiting {waited.total_seconds():.0f} s"
    if pool.capacity == 0:
        return f"Refused: this machine has no {pool.name} ({pool.capacity_source})."
    if refusal.is_scattered:
        return f"Refused{after}: {pool.name} {asked} asked, and {_no_index(demand)} so free."
    if ahead and not refusal.shortfalls:
        return f"Refused{after}: {ahead} waiting before you for the same resources."
    free = refusal.free[refusal.binding]
    is_free = "" if free is None else text_of(free, pool.unit)
    whole = "" if pool.capacity is None else f" of {format_amount(pool.capacity, pool.unit)}"
    if refusal.pressed_until is not None:
        return (
            f"Refused{after}: {pool.name} {asked} asked, which is free now; demand without a lease "
            f"is forecast to leave {is_free}{whole} by {refusal.pressed_until:%H:%M} UTC."
        )
    return f"Refused{after}: {pool.name} {asked} asked, {is_free} free{whole}."


def _no_index(demand: Demand) -> str:
    """Which indices have too little."""
    pool = demand.pool
    if demand.slots:
        named = ", ".join(f"{pool.name}:{slot}" for slot in demand.slots)
        return f"{named} {'are' if len(demand.slots) > 1 else 'is'} not"
    return f"none of the {pool.slots} is"


def _may_preempt(request: AllocationRequest, pool: ResourcePool, refusal: Refusal) -> bool:
    """Whether asking for preemption could help: leases, not a budget or the forecast, bind."""
    return (
        request.priority_level in ("high", "critical")
        and pool.kind != "budget"
        and bool(pool.capacity)
        and refusal.pressed_until is None
    )


def _most_ever(pool: ResourcePool, refusal: Refusal, least: int) -> int | None:
    """All that could be leased of a pool; None where that is enough, so that it may fit one day."""
    bounds = [bound for bound in (pool.leasable_parts, refusal.quota) if bound is not None]
    return min(bounds) if bounds and min(bounds) < least else None


def _over_quota(demand: Demand, refusal: Refusal) -> str:
    unit = demand.pool.unit
    asked = text_of(demand.parts, unit)
    most = text_of(refusal.quota or 0, unit)
    left = text_of(refusal.free[refusal.binding] or 0, unit)
    return (
        f"Refused: {refusal.binding} {asked} asked, {left} left of the {most} that you may hold "
        "(your quota)."
    )


def _alternatives(
    demands: Mapping[str, Demand],
    refusal: Refusal,
    at: datetime,
    whole_at: datetime | None,
    *,
    queued: bool,
) -> tuple[Alternative, ...]:
    """A smaller share at once, and the whole later."""
    found = []
    share = int(refusal.most * 100) / 100
    smaller = {name: int(demand.parts * share) for name, demand in demands.items()}
    if 0 < share < 1 and not queued and all(parts >= 1 for parts in smaller.values()):
        found.append(
            Alternative(
                granted={n: from_parts(p, demands[n].pool.unit) for n, p in smaller.items()},
                granted_fraction=share,
                wait_s=0.0,
                how=f"min_fraction={share:g}",
            )
        )
    if whole_at is not None:
        wait = max(0.0, (whole_at - at).total_seconds())
        found.append(
            Alternative(
                granted={n: from_parts(d.parts, d.pool.unit) for n, d in demands.items()},
                granted_fraction=1.0,
                wait_s=wait,
                available_at=whole_at,
                how=_how_to_wait(wait),
            )
        )
    return tuple(found)


def _how_to_wait(wait: float) -> str:
    if wait < MAX_WAIT_S:
        return f"wait_s={min(MAX_WAIT_S, int(wait) + 1):g}"
    return f"ask again in {math.ceil(wait)} s"


def _next_of_refusal(
    request: AllocationRequest,
    pool: ResourcePool,
    alternatives: tuple[Alternative, ...],
    fits_in: float | None,
    *,
    ahead: int,
    quota: int | None,
    free: int | None,
    most: int | None,
    grace_s: float | None,
) -> str:
    ways = [alternative.how for alternative in alternatives]
    if most:
        whose = "that can ever be leased here" if quota is None else "of your quota"
        return ", or ".join([*ways, f"ask for at most {text_of(most, pool.unit)}, all {whose}"])
    if ahead and quota is None:
        return f"wait_s={MAX_WAIT_S:g} to stand in the line"
    if grace_s is not None and not request.allow_preemption:
        ways.append(f"allow_preemption=true with wait_s={grace_s:g}, if it is more urgent")
    elif grace_s is not None and request.wait_s < grace_s:
        ways.append(f"wait_s={grace_s:g}, as leases of lower priority have so long to give way")
    if quota is not None:
        return ", or ".join([*ways, f"release what you hold of {pool.name}"])
    if fits_in is not None and request.min_fraction < 1:
        ways.append(_how_to_wait(fits_in))
    if ways:
        return ", or ".join(dict.fromkeys(ways))
    if pool.capacity == 0:
        return f"ask without {pool.name}"
    if pool.kind == "budget":
        return f"ask for less {pool.name}, or raise pools.{pool.name} in sro.toml"
    wait = f"wait_s={MAX_WAIT_S:g} in case something is given back, or the load falls"
    return f"ask for less {pool.name}, or {wait}" if free else wait


def _unforeseeable(demands: Mapping[str, Demand], declined: Declined, *, ahead: int) -> str:
    refusal = declined.refusal
    if refusal.quota is not None and refusal.quota < demands[refusal.binding].parts:
        return f"it asks for more {refusal.binding} than your quota"
    if refusal.quota is not None:
        return "it depends on when you release what you hold"
    if ahead and not refusal.shortfalls:
        return f"it depends on the {ahead} waiting before"
    demand = demands[refusal.binding]
    if refusal.is_scattered:
        return f"it depends on which {refusal.binding} is released"
    pool, bound = demand.pool, declined.bound.get(refusal.binding, 0)
    if pool.leasable_parts is not None and pool.leasable_parts < demand.parts:
        return f"it asks for more {refusal.binding} than can ever be leased here"
    if bound:
        held = text_of(bound, pool.unit)
        return f"processes hold {held} of {refusal.binding} for as long as they run"
    if pool.kind == "budget":
        return f"what is spent of {refusal.binding} does not come back"
    return (
        f"what is used without a lease leaves too little {refusal.binding}, even when every lease "
        "has ended"
    )
