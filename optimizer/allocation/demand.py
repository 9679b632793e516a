"""A request in whole parts: what an agent wrote, read against the pools."""

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.allocation.lease import AllocationRequest, Grant, Lease
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
    """

    pool: ResourcePool
    asked: float | str
    parts: int
    burst: int | None

    @property
    def grant(self) -> Grant:
        """The demand as a grant of nothing yet."""
        pool = self.pool
        return Grant(pool.name, pool.host, pool.unit, self.parts, granted=0, burst=self.burst)


def read_demands(
    request: AllocationRequest, pools: Mapping[str, ResourcePool]
) -> dict[str, Demand]:
    """Read the amounts of a request.

    A percentage is of the pool's whole capacity. Of a resource that this machine does not have (no
    GPU), it is of one unit, so that the request is answered by a refusal.

    Raises:
        InvalidRequestError: An unknown resource, or an amount that cannot be read; nothing was
            reserved.
    """
    return {name: _read(value, _find(name, pools)) for name, value in request.resources.items()}


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


def _find(name: str, pools: Mapping[str, ResourcePool]) -> ResourcePool:
    try:
        return pools[name]
    except KeyError:
        raise InvalidRequestError(
            f"there is no resource {name!r} here; there are {', '.join(pools)}. Others are named "
            "in sro.toml under [pools]. Nothing was reserved",
            field=f"resources.{name}",
        ) from None


def _read(value: float | str, pool: ResourcePool) -> Demand:
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
