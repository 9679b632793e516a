"""Terms: what bears on every decision of the allocator, and orders read by them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from optimizer.allocation.admission import Freeing
from optimizer.allocation.deferral import Deferral
from optimizer.allocation.demand import Reader
from optimizer.allocation.headroom import Ahead, Pressure, easings, pressure
from optimizer.allocation.lease import (
    AllocationRequest,
    Lease,
    PriorityLevel,
    new_allocation_id,
)
from optimizer.allocation.ledger import Declined, Draft, Room
from optimizer.allocation.order import Order, Seen, Surroundings, nothing_seen
from optimizer.allocation.pool import Balance, PoolState, ResourcePool, pool_state, room_parts
from optimizer.allocation.preemption import PreemptionPolicy
from optimizer.allocation.quota import Quotas
from optimizer.allocation.strategies import AllocationStrategy
from optimizer.clock import Clock, utc_now
from optimizer.identity import Principal
from optimizer.plugins import Registry
from optimizer.quantities import from_parts


@dataclass
class Terms:
    """What bears on every decision.

    Attributes:
        pools: What there is, by resource.
        strategies: Choose the share that is granted.
        unmanaged: Given what is leased, answers the measured demand that no lease covers; both by
            resource, in the unit of each pool. A resource that is missing counts as 0.
        quotas: What each principal may hold; may be replaced at any time, as the next three may.
        preemption: Whether leases of lower priority may have to give way.
        weights: Share of a principal when several wait for the same; 1 of who is not named.
        deferral: Until when requests of low priority wait; None for not at all.
        ahead: Answers the demand that no lease will cover, as far as it is foreseen, by resource.
        seen: Answers what a lease was seen to use of a resource, in the unit of its pool.
        clock: Says what time it is, for what is foreseen; the ledger has its own.
    """

    pools: Mapping[str, ResourcePool]
    strategies: Registry[AllocationStrategy]
    unmanaged: Callable[[Mapping[str, float]], Mapping[str, float]]
    quotas: Quotas = field(default_factory=lambda: Quotas({}, {}))
    preemption: PreemptionPolicy = field(default_factory=PreemptionPolicy)
    weights: Mapping[str, float] = field(default_factory=dict)
    deferral: Deferral | None = None
    ahead: Callable[[], Mapping[str, Ahead]] = dict
    seen: Seen = nothing_seen
    clock: Clock = utc_now
    _reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = Reader(self.pools)

    def read(
        self,
        request: AllocationRequest,
        principal: Principal,
        usual: Mapping[str, Sequence[float]] = MappingProxyType({}),
    ) -> Order:
        """A request, read against the pools; `usual` as in `Order`.

        Raises:
            InvalidRequestError: An unknown resource or strategy, or an amount that cannot be read.
        """
        strategy = self.strategies[request.strategy]
        reading = self._reader(request.resources)
        quota = self.quotas.of(principal.name)
        draft = Draft(
            allocation_id=new_allocation_id(),
            principal=principal.name,
            request_id=request.request_id,
            fingerprint=request.fingerprint,
            purpose=request.purpose,
            priority_level=request.priority_level,
            strategy=request.strategy,
            ttl_s=request.ttl_s,
            asked=reading.grants,
            has_quota=not reading.demands.keys().isdisjoint(quota),
            min_fraction=request.min_fraction,
        )
        return Order(request, draft, reading, strategy, quota, usual)

    def forget_readings(self) -> None:
        """Read every request anew: a share of a pool is another amount where the pool is."""
        self._reader.forget()

    def put_off(self, priority: PriorityLevel) -> datetime | None:
        """Until when work of this priority waits; None for not at all."""
        return None if self.deferral is None else self.deferral.puts_off(priority)

    def grace(self, request: AllocationRequest, *, wait_s: float) -> float | None:
        """Seconds until leases of lower priority give way to a request; None when none has to."""
        return self.preemption.grace(
            allowed=request.allow_preemption, priority=request.priority_level, wait_s=wait_s
        )

    def around(self, order: Order, balances: Mapping[str, Balance], ahead: int = 0) -> Surroundings:
        """What bears on a decision about an order, of which `ahead` others stand before."""
        return Surroundings(
            self.beyond_leases(balances),
            self.pressures(order.demands, order.request.ttl_s),
            ahead,
            self.put_off(order.request.priority_level),
            self.seen,
        )

    def beyond_leases(self, balances: Mapping[str, Balance]) -> Mapping[str, float]:
        """Measured demand that no lease covers, by resource."""
        return self.unmanaged(
            {
                name: from_parts(balance.leased, self.pools[name].unit)
                for name, balance in balances.items()
                if name in self.pools
            }
        )

    def pressures(self, resources: Iterable[str], ttl_s: float) -> dict[str, Pressure]:
        """The demand that is foreseen while a lease would last, beyond every lease."""
        foreseen = self.ahead()
        if not foreseen:
            return {}
        now = self.clock()
        found = (
            (name, pressure(foreseen[name], now, ttl_s)) for name in resources if name in foreseen
        )
        return {name: one for name, one in found if one is not None}

    def free(self, resource: str) -> Room:
        """Answers what is free of a resource now, whatever is foreseen."""
        pool = self.pools[resource]

        def room(balances: Mapping[str, Balance]) -> int | None:
            unmanaged = self.beyond_leases(balances).get(resource, 0.0)
            return room_parts(pool, balances[resource], unmanaged)

        return room

    def states(self, balances: Mapping[str, Balance]) -> dict[str, PoolState]:
        """Every pool as agents read it."""
        unmanaged = self.beyond_leases(balances)
        return {
            name: pool_state(pool, balances[name], unmanaged.get(name))
            for name, pool in self.pools.items()
        }

    def capacity(self) -> dict[str, float]:
        """Whole parts that may be leased, of the pools that have a limit."""
        return {
            pool.name: float(pool.leasable_parts)
            for pool in self.pools.values()
            if pool.leasable_parts is not None
        }

    def with_easings(self, order: Order, declined: Declined) -> Declined:
        """A refusal that also knows when demand is foreseen to fall."""
        if declined.refusal.is_lasting:
            return declined
        foreseen, now, ttl_s = self.ahead(), declined.moment.at, order.request.ttl_s
        eased: list[Freeing] = []
        for name, asked in order.demands.items():
            if name in foreseen:
                eased += easings(name, asked.pool.unit, foreseen[name], now, ttl_s, 0.0)
        return replace(declined, freeings=declined.freeings + tuple(eased)) if eased else declined


def held_parts(leases: Iterable[Lease]) -> Counter[str]:
    """Whole parts that leases hold together, by resource."""
    parts: Counter[str] = Counter()
    for lease in leases:
        parts.update({grant.resource: grant.granted for grant in lease.grants})
    return parts
