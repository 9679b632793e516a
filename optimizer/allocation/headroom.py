"""Room that is kept for demand which no lease covers, as far as it is foreseen. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from optimizer.allocation.admission import Freeing
from optimizer.quantities import Unit, to_parts


@dataclass(frozen=True)
class Ahead:
    """The demand for one resource that no lease will cover, by an upper quantile of its forecast.

    Attributes:
        at: Ends of equal steps, aware, ascending.
        amounts: The quantile in each step, in the unit of the pool.
        quantile: Which one, for example 0.95.
    """

    at: Sequence[datetime]
    amounts: Sequence[float]
    quantile: float


@dataclass(frozen=True)
class Pressure:
    """The greatest demand that is foreseen while a lease would last.

    Attributes:
        amount: In the unit of the pool.
        at: When it is reached.
        quantile: Of the forecast.
    """

    amount: float
    at: datetime
    quantile: float


def pressure(ahead: Ahead, start: datetime, ttl_s: float) -> Pressure | None:
    """The greatest demand between `start` and `ttl_s` later; None when nothing is foreseen then."""
    end = start + timedelta(seconds=ttl_s)
    within = [
        (amount, at)
        for at, amount in zip(ahead.at, ahead.amounts, strict=True)
        if start < at <= end
    ]
    if not within:
        return None
    amount, at = max(within, key=lambda step: step[0])
    return Pressure(amount, at, ahead.quantile)


def easings(
    name: str, unit: Unit, ahead: Ahead, start: datetime, ttl_s: float, used: float
) -> list[Freeing]:
    """When room that is kept now will not have to be kept any more.

    A lease that begins later meets the demand of a later stretch: where that is less, the
    difference is free from then on.

    Args:
        name: The resource.
        unit: Of its pool.
        ahead: What is foreseen.
        start: Now.
        ttl_s: How long the lease would last.
        used: Demand that no lease covers now; a lease that begins now keeps at least so much.
    """
    kept = used
    first = pressure(ahead, start, ttl_s)
    if first is not None:
        kept = max(kept, first.amount)
    found = []
    for at in ahead.at:
        later = pressure(ahead, at, ttl_s)
        if later is not None and later.amount < kept:
            parts = to_parts(kept, unit) - to_parts(later.amount, unit)
            found.append(Freeing(at, {name: parts}))
            kept = later.amount
    return found
