"""Leases in the words that agents read, with every amount in absolute units."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from optimizer.allocation.demand import Demand
from optimizer.allocation.lease import (
    Allocation,
    Grant,
    Lease,
    LeaseState,
)
from optimizer.allocation.ledger import Admitted, Moment
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
    burst_risk: Mapping[str, float] = MappingProxyType({}),
    preempted: Iterable[str] = (),
) -> Allocation:
    """A lease as its holder reads it.

    Args:
        lease: The lease.
        at: The ledger's time.
        notices: What else the holder should know.
        summary: What happened; what is held when None.
        followed_by: What to do now; by default renew before the end, and release.
        burst_risk: Of ranges: the probability that all leases together want more than there is.
        preempted: Which leases gave way to it.
    """
    active = lease.state == "active"
    fraction = min([grant.granted / grant.requested for grant in lease.grants])
    remaining = (lease.expires_at - at).total_seconds() if active else None
    grants = lease.grants
    return Allocation(
        allocation_id=lease.allocation_id,
        state=_state(lease, fraction),
        summary=summary or f"{_held_word(lease)} {amounts_of(lease.grants)}.",
        requested={g.resource: from_parts(g.requested, g.unit) for g in grants},
        granted={g.resource: from_parts(g.granted, g.unit) for g in grants},
        burst={g.resource: from_parts(g.burst, g.unit) for g in grants if g.burst is not None},
        burst_risk=dict(burst_risk),
        slots={g.resource: tuple(sorted(g.slots)) for g in grants if g.slots},
        units={g.resource: g.unit for g in grants},
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
        used={g.resource: from_parts(g.used, g.unit) for g in grants if g.used is not None},
        preempted=tuple(preempted),
        next=followed_by or _next_of(lease),
        notices=tuple(notices),
        unknown={"observed": _UNOBSERVED} if active else {},
    )


def granted_answer(
    demands: Mapping[str, Demand], admitted: Admitted, *, yielded: Iterable[Lease] = ()
) -> Allocation:
    """The lease that a request got.

    Args:
        demands: What was asked for.
        admitted: The ledger's answer.
        yielded: Leases that had notice to give way to it before it was admitted.
    """
    lease, at = admitted.lease, admitted.moment.at
    pools = {name: demand.pool for name, demand in demands.items()}
    notices = grant_notices(lease, pools) + ending_notices(admitted.moment)
    if admitted.replayed:
        notices.insert(0, "this request_id was answered before; this is the same lease.")
        return lease_answer(lease, at=at, notices=notices)
    return lease_answer(
        lease,
        at=at,
        notices=notices + risk_notices(lease, admitted.risks),
        summary=granted_summary(lease, demands),
        burst_risk=admitted.risks,
        preempted=[gave_way(each, at) for each in admitted.preempted or yielded],
    )


def answer_for_others(lease: Lease, at: datetime) -> Allocation:
    """A lease without what only its holder may know."""
    return lease_answer(lease, at=at, followed_by="held by somebody else").model_copy(
        update={
            "allocation_id": None,
            "fencing_token": None,
            "principal": None,
            "purpose": "",
        }
    )


@lru_cache(maxsize=1024)
def text_of(parts: int, unit: Unit) -> str:
    """Whole parts as people write them."""
    return format_amount(from_parts(parts, unit), unit)


def amounts_of(grants: Iterable[Grant]) -> str:
    """What is held, in words."""
    return ", ".join(f"{g.resource} {text_of(g.granted, g.unit)}" for g in grants)


def granted_summary(lease: Lease, demands: Mapping[str, Demand]) -> str:
    """What was granted, how a percentage was read, and how to ask for units instead."""
    parts: list[str] = []
    hints: list[str] = []
    for grant in lease.grants:
        demand = demands[grant.resource]
        held = text_of(grant.granted, grant.unit)
        pool = demand.pool
        bare = pool.resource.percent and not isinstance(demand.asked, str)
        if not bare or pool.capacity is None:
            parts.append(f"{grant.resource} {held}" + _burst_text(grant))
            continue
        share = 100 * from_parts(grant.granted, grant.unit) / pool.capacity
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
    said = [f"Released {amounts_of(lease.grants)}."]
    for grant in lease.grants:
        pool = pools.get(grant.resource)
        if pool is None or pool.kind != "budget":
            continue
        reserved = text_of(grant.granted, grant.unit)
        if grant.used is None:
            said.append(f"{grant.resource}: no use was reported, so all {reserved} count as spent.")
            continue
        used = text_of(grant.used, grant.unit)
        said.append(f"{grant.resource}: {used} spent of {reserved} reserved.")
        if grant.used > grant.granted:
            said.append("That is more than was reserved; all of it is charged.")
        if grant.resource in overdrawn:
            beyond = text_of(overdrawn[grant.resource], grant.unit)
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
                f"{grant.resource}: {text_of(grant.granted, grant.unit)} is reserved; up to "
                "the burst is shared, not reserved, and may be taken back."
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
        most = text_of(grant.burst, grant.unit)
        notices.append(
            f"{grant.resource} may burst to {most}: all leases together want more than there is "
            f"with probability {risks[grant.resource]:.1%}, by what they and past runs of their "
            "commands were seen to use; bursts are throttled first."
        )
    return notices


def gave_way(lease: Lease, at: datetime) -> str:
    """Which lease gave way, and why that one."""
    held = max(0.0, (at - lease.granted_at).total_seconds())
    return (
        f"a {lease.priority_level} lease of {amounts_of(lease.grants)}, held for {held:.0f} s, "
        "ended for this one: ending it loses least (lowest priority first, then the least work "
        "done)"
    )


def ending_notices(moment: Moment) -> list[str]:
    """Leases of the asker that end soon, or have to give way."""
    return [ending_notice(lease, moment.at) for lease in moment.ending]


def ending_notice(lease: Lease, at: datetime) -> str:
    """What the holder of a lease that ends soon should do."""
    left = max(0.0, (lease.expires_at - at).total_seconds())
    which = f"your lease {lease.allocation_id} ({lease.purpose or amounts_of(lease.grants)})"
    if lease.yields_to is not None:
        return (
            f"{which} has to give way to a request of {lease.yields_to} priority: it ends in "
            f"{left:.0f} s and cannot be renewed beyond that; save your work and release it."
        )
    return f"{which} ends in {left:.0f} s; renew or release it."


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


def _burst_text(grant: Grant) -> str:
    if grant.burst is None:
        return ""
    return f" (burst to {text_of(grant.burst, grant.unit)})"


def _clock(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
