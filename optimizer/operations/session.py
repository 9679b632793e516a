"""What a principal has taken of its session's budget, and what is left of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from optimizer.allocation.lease import Lease
from optimizer.allocation.pool import PoolState
from optimizer.allocation.quota import Quotas
from optimizer.decisions.job import Session
from optimizer.identity import Principal
from optimizer.prices import HOURS_PER_MONTH, PriceTable, monthly_cost
from optimizer.quantities import from_parts

MONTH = timedelta(hours=HOURS_PER_MONTH)


class Holds(Protocol):
    """What is needed of the allocator."""

    @property
    def quotas(self) -> Quotas:
        """What each principal may hold."""

    async def held(self) -> Sequence[Lease]:
        """Every active lease."""

    async def utilization(self) -> Mapping[str, PoolState]:
        """Every pool now, by resource."""

    async def spent(self, principal: Principal, resource: str, since: datetime) -> float:
        """What a principal's leases settled of a budget which ended since a moment."""


async def session_of(
    leases: Sequence[Lease],
    principal: Principal,
    allocator: Holds,
    prices: PriceTable,
    now: datetime,
) -> Session:
    """Add up what a principal holds and has spent in the last month.

    Args:
        leases: Its own.
        principal: Whose session it is.
        allocator: What is spent, and the pools.
        prices: What leases cost.
        now: The present moment.
    """
    pools = await allocator.utilization()
    reserved = sum(
        from_parts(g.granted, g.unit) for lease in leases for g in lease.grants if g.unit == "usd"
    )
    return Session(
        leases=len(leases),
        held_usd_month=_held_usd_month(leases, prices),
        spent_usd=await allocator.spent(principal, "usd", now - MONTH),
        left_usd=_left(principal, pools, allocator.quotas, reserved),
    )


def _held_usd_month(leases: Sequence[Lease], prices: PriceTable) -> float | None:
    """What leases cost a month; dollars that they reserve count as they are."""
    total = 0.0
    for grant in (grant for lease in leases for grant in lease.grants):
        amount, price = from_parts(grant.granted, grant.unit), prices.price(grant.resource)
        if grant.unit == "usd":
            total += amount
        elif price is not None:
            total += monthly_cost(price, amount, grant.unit)
        elif grant.resource not in prices.not_by_capacity:
            return None
    return total


def _left(
    principal: Principal, pools: Mapping[str, PoolState], quotas: Quotas, reserved: float
) -> float | None:
    """Dollars that the pool and the principal's quota leave."""
    pool, quota = pools.get("usd"), quotas.of(principal.name).get("usd")
    left = [] if pool is None or pool.available is None else [pool.available]
    if quota is not None:
        left.append(max(0.0, from_parts(quota, "usd") - reserved))
    return min(left, default=None)
