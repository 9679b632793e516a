"""Leases and refusals in the words that agents read, with every amount in absolute units."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from optimizer.allocation.admission import Refusal, fits_at, least_parts
from optimizer.allocation.demand import Demand
from optimizer.allocation.lease import (
    MAX_WAIT_S,
    Allocation,
    AllocationRequest,
    Alternative,
    Grant,
    Lease,
    LeaseState,
)
from optimizer.allocation.ledger import Declined, Moment
from optimizer.allocation.pool import ResourcePool
from optimizer.quantities import Unit, format_amount, from_parts

_UNOBSERVED = "no process is bound to this lease, so its use is not attributed"

_BARE: dict[Unit, tuple[str, float]] = {
    "core": ("cores", 1.0),
    "byte": ("GiB", 2.0**30),
    "byte/s": ("MB/s", 1e6),
    "device": ("gpus", 1.0),
}
"""What a bare number may have been meant in, and how many of the pool's units that is."""


def lease_answer(
    lease: Lease,
    *,
    at: datetime,
    notices: Iterable[str] = (),
    summary: str | None = None,
    followed_by: str | None = None,
) -> Allocation:
    """A lease as its holder reads it.

    Args:
        lease: The lease.
        at: The ledger's time.
        notices: What else the holder should know.
        summary: What happened; what is held when None.
        followed_by: What to do now; by default renew before the end, and release.
    """
    active = lease.state == "active"
    fraction = min(grant.granted / grant.requested for grant in lease.grants)
    remaining = (lease.expires_at - at).total_seconds() if active else None
    used = {g.resource: _native(g.used, g.unit) for g in lease.grants if g.used is not None}
    return Allocation(
        allocation_id=lease.allocation_id,
        state=_state(lease, fraction),
        summary=summary or f"{_held_word(lease)} {_amounts(lease.grants)}.",
        requested={g.resource: _native(g.requested, g.unit) for g in lease.grants},
        granted={g.resource: _native(g.granted, g.unit) for g in lease.grants},
        burst={g.resource: _native(g.burst, g.unit) for g in lease.grants if g.burst is not None},
        slots={g.resource: tuple(sorted(g.slots)) for g in lease.grants if g.slots},
        units={g.resource: g.unit for g in lease.grants},
        granted_fraction=fraction,
        strategy=lease.strategy,
        strategy_effect=lease.strategy_effect,
        priority_level=lease.priority_level,
        purpose=lease.purpose,
        principal=lease.principal,
        granted_at=lease.granted_at,
        expires_at=lease.expires_at,
        expires_in_s=remaining,
        ttl_s=lease.ttl_s,
        fencing_token=lease.fencing_token,
        used=used,
        next=followed_by or _next_of(lease),
        notices=tuple(notices),
        unknown={"observed": _UNOBSERVED} if active else {},
    )


def granted_summary(lease: Lease, demands: Mapping[str, Demand]) -> str:
    """What was granted, how a percentage was read, and how to ask for units instead."""
    parts: list[str] = []
    hints: list[str] = []
    for grant in lease.grants:
        demand = demands[grant.resource]
        held = format_amount(_native(grant.granted, grant.unit), grant.unit)
        pool = demand.pool
        bare = pool.resource.percent and not isinstance(demand.asked, str)
        if not bare or pool.capacity is None:
            parts.append(f"{grant.resource} {held}" + _burst_text(grant))
            continue
        share = 100 * _native(grant.granted, grant.unit) / pool.capacity
        whole = format_amount(pool.capacity, pool.unit)
        parts.append(f"{grant.resource} {share:.4g} % of {whole} = {held}")
        word, factor = _BARE[pool.unit]
        if not hints and float(demand.asked) * factor <= pool.capacity:
            asked = f"{float(demand.asked):g} {word}"
            hints.append(f" For {asked} ask {asked!r}.")
    return f"Granted {', '.join(parts)}." + "".join(hints)


def released_summary(
    lease: Lease, pools: Mapping[str, ResourcePool], overdrawn: Mapping[str, int]
) -> str:
    """What was given back, and what of each budget stays spent."""
    said = [f"Released {_amounts(lease.grants)}."]
    for grant in lease.grants:
        pool = pools.get(grant.resource)
        if pool is None or pool.kind != "budget":
            continue
        reserved = format_amount(_native(grant.granted, grant.unit), grant.unit)
        if grant.used is None:
            said.append(f"{grant.resource}: no use was reported, so all {reserved} count as spent.")
            continue
        used = format_amount(_native(grant.used, grant.unit), grant.unit)
        said.append(f"{grant.resource}: {used} spent of {reserved} reserved.")
        if grant.used > grant.granted:
            said.append("That is more than was reserved; all of it is charged.")
        if grant.resource in overdrawn:
            beyond = format_amount(_native(overdrawn[grant.resource], grant.unit), grant.unit)
            until = "it refills" if pool.window else f"pools.{pool.name} is raised in sro.toml"
            said.append(f"The budget is overdrawn by {beyond}: nothing is leased until {until}.")
    return " ".join(said)


def grant_notices(lease: Lease, pools: Mapping[str, ResourcePool]) -> list[str]:
    """What the holder of a new lease should know of it."""
    notices = []
    for grant in lease.grants:
        pool = pools[grant.resource]
        if pool.capacity is None:
            notices.append(f"{grant.resource} is metered: {pool.reason or 'no limit is known'}.")
        if grant.burst is not None:
            notices.append(
                f"{grant.resource}: {format_amount(_native(grant.granted, grant.unit), grant.unit)}"
                " is reserved; up to the burst is shared, not reserved, and may be taken back."
            )
        if grant.granted < grant.requested:
            notices.append(
                f"{grant.resource}: {grant.granted / grant.requested:.1%} of the request."
            )
    return notices


def risk_notices(lease: Lease, risks: Mapping[str, float]) -> list[str]:
    """How far a range may burst, and what is risked with it."""
    notices = []
    for grant in lease.grants:
        if grant.resource not in risks or grant.burst is None:
            continue
        most = format_amount(_native(grant.burst, grant.unit), grant.unit)
        notices.append(
            f"{grant.resource} may burst to {most}: all leases together want more than there is "
            f"with probability {risks[grant.resource]:.1%}, by what they were seen to use; bursts "
            "are throttled first."
        )
    return notices


def ending_notices(moment: Moment) -> list[str]:
    """Leases of the asker that end soon, or have to give way."""
    return [ending_notice(lease, moment.at) for lease in moment.ending]


def ending_notice(lease: Lease, at: datetime) -> str:
    """What the holder of a lease that ends soon should do."""
    left = max(0.0, (lease.expires_at - at).total_seconds())
    which = f"your lease {lease.allocation_id} ({lease.purpose or _amounts(lease.grants)})"
    if lease.yields_to is not None:
        return (
            f"{which} has to give way to a request of {lease.yields_to} priority: it ends in "
            f"{left:.0f} s and cannot be renewed beyond that; save your work and release it."
        )
    return f"{which} ends in {left:.0f} s; renew or release it."


def gave_way(lease: Lease, at: datetime) -> str:
    """Which lease gave way, and why that one."""
    held = max(0.0, (at - lease.granted_at).total_seconds())
    return (
        f"a {lease.priority_level} lease of {_amounts(lease.grants)}, held for {held:.0f} s, ended "
        "for this one: ending it loses least (lowest priority first, then the least work done)"
    )


def kept_after_all(lease: Lease) -> str:
    """Which lease had notice to give way, for nothing in the end."""
    return (
        f"a {lease.priority_level} lease of {_amounts(lease.grants)} had notice to give way; the "
        "notice is withdrawn, because you wait no longer"
    )


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
    refusal, at = declined.refusal, declined.moment.at
    if refusal.deferred_until is not None:
        return _deferred_answer(request, demands, refusal, refusal.deferred_until, at)
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
    return Allocation(
        state="refused",
        summary=f"{why} Nothing was reserved.",
        requested={n: _native(d.parts, d.pool.unit) for n, d in demands.items()},
        granted={},
        units={name: demand.pool.unit for name, demand in demands.items()},
        granted_fraction=0.0,
        strategy=request.strategy,
        strategy_effect="nothing: no share that you accept is free",
        priority_level=request.priority_level,
        purpose=request.purpose,
        ttl_s=request.ttl_s,
        binding_resource=refusal.binding if refusal.quota is None else "quota",
        free_now={
            n: None if (f := refusal.free[n]) is None else _native(f, d.pool.unit)
            for n, d in demands.items()
        },
        fits_in_s=fits_in,
        shortfalls={n: _native(p, demands[n].pool.unit) for n, p in refusal.shortfalls.items()},
        alternatives=alternatives,
        next=_next_of_refusal(
            request,
            pool,
            alternatives,
            fits_in,
            ahead=ahead,
            quota=refusal.quota,
            may_preempt=grace_s if _may_preempt(request, pool, refusal) else None,
        ),
        notices=tuple(ending_notices(declined.moment)),
        unknown={}
        if fits_in is not None
        else {"fits_in_s": _unforeseeable(demands, refusal, ahead=ahead)},
    )


def _deferred_answer(
    request: AllocationRequest,
    demands: Mapping[str, Demand],
    refusal: Refusal,
    until: datetime,
    at: datetime,
) -> Allocation:
    """Why work that can wait gets no lease yet."""
    wait = max(0.0, (until - at).total_seconds())
    return Allocation(
        state="refused",
        summary=f"Refused: work of low priority is put off until {until:%Y-%m-%d %H:%M} UTC, by an "
        "operator's decision. Nothing was reserved.",
        requested={n: _native(d.parts, d.pool.unit) for n, d in demands.items()},
        granted={},
        units={name: demand.pool.unit for name, demand in demands.items()},
        granted_fraction=0.0,
        strategy=request.strategy,
        strategy_effect="nothing: no share is granted before then",
        priority_level=request.priority_level,
        purpose=request.purpose,
        ttl_s=request.ttl_s,
        binding_resource="deferral",
        free_now={
            n: None if (free := refusal.free[n]) is None else _native(free, d.pool.unit)
            for n, d in demands.items()
        },
        fits_in_s=wait,
        next=f"ask again in {wait:.0f} s, or with priority_level=normal if it cannot wait",
    )


def _state(lease: Lease, fraction: float) -> LeaseState:
    if lease.state != "active":
        return lease.state
    return "active" if fraction >= 1 else "partial"


def _held_word(lease: Lease) -> str:
    return {
        "active": "Holds",
        "released": "Held until released:",
        "expired": "Held until it ended:",
        "preempted": "Held until it gave way:",
    }[lease.state]


def _next_of(lease: Lease) -> str:
    if lease.state != "active":
        return "this lease is over; call allocate for a new one"
    if lease.yields_to is not None:
        return (
            f"save your work and release_allocation: it gives way to a request of "
            f"{lease.yields_to} priority at {_clock(lease.expires_at)} UTC"
        )
    return (
        f"release_allocation when done; renew_allocation before {_clock(lease.expires_at)} UTC "
        "to keep it"
    )


def _why(
    demands: Mapping[str, Demand], refusal: Refusal, *, ahead: int, waited: timedelta | None
) -> str:
    demand = demands[refusal.binding]
    pool = demand.pool
    asked = format_amount(_native(demand.parts, pool.unit), pool.unit)
    after = "" if waited is None else f" after waiting {waited.total_seconds():.0f} s"
    if pool.capacity == 0:
        return f"Refused: this machine has no {pool.name} ({pool.capacity_source})."
    if refusal.is_scattered:
        return f"Refused{after}: {pool.name} {asked} asked, and {_no_index(demand)} so free."
    if ahead and not refusal.shortfalls:
        return f"Refused{after}: {ahead} waiting before you for the same resources."
    free = refusal.free[refusal.binding]
    is_free = "" if free is None else format_amount(_native(free, pool.unit), pool.unit)
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
        and not request.allow_preemption
        and pool.kind != "budget"
        and bool(pool.capacity)
        and refusal.pressed_until is None
    )


def _over_quota(demand: Demand, refusal: Refusal) -> str:
    unit = demand.pool.unit
    asked = format_amount(_native(demand.parts, unit), unit)
    most = format_amount(_native(refusal.quota or 0, unit), unit)
    left = format_amount(_native(refusal.free[refusal.binding] or 0, unit), unit)
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
                granted={n: _native(p, demands[n].pool.unit) for n, p in smaller.items()},
                granted_fraction=share,
                wait_s=0.0,
                how=f"min_fraction={share:g}",
            )
        )
    if whole_at is not None:
        wait = max(0.0, (whole_at - at).total_seconds())
        found.append(
            Alternative(
                granted={n: _native(d.parts, d.pool.unit) for n, d in demands.items()},
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
    return f"ask again in {wait:.0f} s"


def _next_of_refusal(
    request: AllocationRequest,
    pool: ResourcePool,
    alternatives: tuple[Alternative, ...],
    fits_in: float | None,
    *,
    ahead: int,
    quota: int | None,
    may_preempt: float | None,
) -> str:
    if ahead and quota is None:
        return f"wait_s={MAX_WAIT_S:g} to stand in the line"
    ways = [alternative.how for alternative in alternatives]
    if may_preempt is not None:
        ways.append(f"allow_preemption=true with wait_s={may_preempt:g}, if it is more urgent")
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
    return f"ask for less {pool.name}, or wait_s={MAX_WAIT_S:g} in case somebody releases early"


def _unforeseeable(demands: Mapping[str, Demand], refusal: Refusal, *, ahead: int) -> str:
    if refusal.quota is not None:
        return "it depends on when you release what you hold"
    if ahead and not refusal.shortfalls:
        return f"it depends on the {ahead} waiting before"
    demand = demands[refusal.binding]
    if refusal.is_scattered:
        return f"it depends on which {refusal.binding} is released"
    leasable = demand.pool.leasable_parts
    if leasable is not None and leasable < demand.parts:
        return f"it asks for more {refusal.binding} than can ever be leased here"
    return f"the end of every lease would not free enough {refusal.binding}"


def _burst_text(grant: Grant) -> str:
    if grant.burst is None:
        return ""
    return f" (burst to {format_amount(_native(grant.burst, grant.unit), grant.unit)})"


def _amounts(grants: Iterable[Grant]) -> str:
    return ", ".join(
        f"{g.resource} {format_amount(_native(g.granted, g.unit), g.unit)}" for g in grants
    )


def _clock(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"


def _native(parts: int, unit: Unit) -> float:
    return from_parts(parts, unit)
