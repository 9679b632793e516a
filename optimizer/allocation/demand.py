"""A request in whole parts: what an agent wrote, read against the pools."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from optimizer.allocation.lease import Grant, Lease
from optimizer.allocation.pool import ResourcePool
from optimizer.errors import InvalidRequestError
from optimizer.quantities import PARTS, RESOURCES, Resource, format_amount, parse_amount, to_parts


@dataclass(frozen=True)
class Demand:
    """How much of one pool is asked for.

    Attributes:
        pool: The pool.
        asked: As it was written.
        parts: Whole parts to reserve, at least 1.
        burst: Upper end of a range in whole parts; None without a range.
        slots: Parts by index, where the request names indices ("gpu:0").
    """

    pool: ResourcePool
    asked: float | str
    parts: int
    burst: int | None
    slots: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def grant(self) -> Grant:
        """The demand as a grant of nothing yet."""
        pool = self.pool
        return Grant(pool.name, pool.host, pool.unit, self.parts, granted=0, burst=self.burst)


@dataclass(frozen=True)
class Reading:
    """The amounts of a request, read; requests that ask for the same share one.

    Attributes:
        demands: What is asked of each pool.
    """

    demands: Mapping[str, Demand]

    @cached_property
    def parts(self) -> Mapping[str, int]:
        """The same in whole parts alone."""
        return {name: demand.parts for name, demand in self.demands.items()}

    @cached_property
    def grants(self) -> tuple[Grant, ...]:
        """The same as grants of nothing yet."""
        return tuple([demand.grant for demand in self.demands.values()])

    @property
    def leasable(self) -> Mapping[str, int | None]:
        """What may be leased of each pool, in whole parts."""
        return {name: demand.pool.leasable_parts for name, demand in self.demands.items()}

    @property
    def limited(self) -> frozenset[str]:
        """Resources of which there is only so much."""
        return frozenset(n for n, d in self.demands.items() if d.pool.capacity is not None)

    @cached_property
    def has_ranges(self) -> bool:
        """Whether something is asked for as a range."""
        return any(demand.burst is not None for demand in self.demands.values())

    @cached_property
    def has_slots(self) -> bool:
        """Whether something is held by index."""
        return any(demand.pool.slots is not None for demand in self.demands.values())


class Reader:
    """Reads amounts against the pools, each request once.

    Args:
        pools: What there is, by resource.
    """

    def __init__(self, pools: Mapping[str, ResourcePool]) -> None:
        self._pools = pools
        self._known = lru_cache(maxsize=1024)(self._read)

    def __call__(self, resources: Mapping[str, float | str]) -> Reading:
        """The amounts that a request asks for.

        A percentage is of the pool's whole capacity. Of a resource that this machine does not have
        (no GPU), it is of one unit, so that the request is answered by a refusal.

        Raises:
            InvalidRequestError: An unknown resource, or an amount that cannot be read; nothing was
                reserved.
        """
        return self._known(tuple(resources.items()))

    def forget(self) -> None:
        """Read anew from now on: the pools are of another size."""
        self._known.cache_clear()

    def _read(self, resources: tuple[tuple[str, float | str], ...]) -> Reading:
        demands: dict[str, Demand] = {}
        for name, value in resources:
            pool, slot = _find(name, self._pools)
            demand = _read(value, pool) if slot is None else _read_slot(name, value, pool, slot)
            before = demands.get(pool.name)
            demands[pool.name] = demand if before is None else _together(name, before, demand)
        return Reading(demands)


def read_used(used: Mapping[str, float | str], lease: Lease) -> dict[str, int]:
    """Read what a lease used, in whole parts.

    Raises:
        InvalidRequestError: A resource that the lease does not hold, or an amount that cannot be
            read; nothing was changed.
    """
    grants = {grant.resource: grant for grant in lease.grants}
    read = {}
    for name, value in used.items():
        if name not in grants:
            raise InvalidRequestError(
                f"this lease holds no {name!r}; it holds {', '.join(grants)}. Nothing was released",
                field=f"used.{name}",
            )
        unit = grants[name].unit
        known = RESOURCES.get(name)
        percent = known is not None and known.percent
        resource = Resource(name, unit, "budget", percent=False)
        text = f"{value} {unit}" if percent and not isinstance(value, str) else value
        amount = parse_amount(text, resource=resource, capacity=None, allow_zero=True)
        if amount.burst is not None:
            raise InvalidRequestError(
                f"used.{name} {value!r} is a range; say how much it was. Nothing was released",
                field=f"used.{name}",
            )
        read[name] = to_parts(amount.guaranteed, unit)
    return read


def _find(name: str, pools: Mapping[str, ResourcePool]) -> tuple[ResourcePool, int | None]:
    """The pool that a name means, and which one of it: `gpu:0` is the first of `gpu`."""
    if name in pools:
        return pools[name], None
    of, _, slot = name.rpartition(":")
    try:
        pool = pools[of]
        if pool.slots is None or not slot.isdecimal():
            raise KeyError(name)
        if int(slot) >= pool.slots:
            raise InvalidRequestError(
                f"there is no {name}; {of} has {pool.slots}, from {of}:0 to {of}:{pool.slots - 1}. "
                "Nothing was reserved",
                field=f"resources.{name}",
            )
        return pool, int(slot)
    except KeyError:
        raise InvalidRequestError(
            f"there is no resource {name!r} here; there are {', '.join(pools)}. Others are named "
            "in sro.toml under [pools]. Nothing was reserved",
            field=f"resources.{name}",
        ) from None


def _read_slot(name: str, value: float | str, pool: ResourcePool, slot: int) -> Demand:
    """An amount of one index: a percentage is of that one."""
    demand = _read(value, replace(pool, capacity=1.0))
    if demand.parts > PARTS[pool.unit]:
        raise InvalidRequestError(
            f"{name} {value!r} is more than one. Nothing was reserved", field=f"resources.{name}"
        )
    return replace(demand, pool=pool, slots={slot: demand.parts})


def _together(name: str, one: Demand, other: Demand) -> Demand:
    """Two indices of one pool.

    Raises:
        InvalidRequestError: One of them names no index.
    """
    if not one.slots or not other.slots or not one.slots.keys().isdisjoint(other.slots):
        raise InvalidRequestError(
            f"{name!r} and {one.pool.name!r} are asked for in one request; name indices or an "
            "amount. Nothing was reserved",
            field=f"resources.{name}",
        )
    return replace(
        one, parts=one.parts + other.parts, slots={**one.slots, **other.slots}, asked="indices"
    )


def _read(value: float | str, pool: ResourcePool) -> Demand:
    """An amount of a pool."""
    capacity = 1.0 if pool.capacity == 0 else pool.capacity
    amount = parse_amount(value, resource=pool.resource, capacity=capacity)
    parts = to_parts(amount.guaranteed, pool.unit)
    if parts < 1:
        smallest = format_amount(1 / PARTS[pool.unit], pool.unit)
        raise InvalidRequestError(
            f"{pool.name} {value!r} is less than {smallest}, the least that can be leased. "
            "Nothing was reserved",
            field=f"resources.{pool.name}",
        )
    if amount.burst is not None and pool.kind == "budget":
        raise InvalidRequestError(
            f"{pool.name} {value!r}: a budget is spent, so it has no burst; ask for the most that "
            "you may spend. Nothing was reserved",
            field=f"resources.{pool.name}",
        )
    burst = None if amount.burst is None else to_parts(amount.burst, pool.unit)
    return Demand(pool, value, parts, burst)
