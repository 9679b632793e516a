"""Dominant resource fairness: whose turn it is, when several principals want different things.

Source: Ghodsi et al., Dominant Resource Fairness: Fair Allocation of Multiple Resource Types,
NSDI 2011.
"""

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Want:
    """One request of a principal, all or nothing.

    Attributes:
        principal: Who asks.
        demand: Amounts by resource, in the unit of the capacities.
    """

    principal: str
    demand: Mapping[str, float]


def dominant_share(held: Mapping[str, float], capacity: Mapping[str, float]) -> float:
    """The largest share of any resource that is held: max_r held_r / capacity_r.

    A resource without a known capacity counts for nothing, one of capacity 0 that is held for all.
    """
    shares = (
        amount / capacity[name] if capacity[name] > 0 else float(amount > 0)
        for name, amount in held.items()
        if name in capacity
    )
    return max(shares, default=0.0)


def fill(
    wants: Sequence[Want],
    *,
    capacity: Mapping[str, float],
    room: Mapping[str, float],
    held: Mapping[str, Mapping[str, float]] | None = None,
    weights: Mapping[str, float] | None = None,
    caps: Mapping[str, Mapping[str, float]] | None = None,
) -> list[int]:
    """Progressive filling: the principal with the least share per weight goes next.

    Args:
        wants: The requests; those of one principal are served in this order, and the first that
            does not fit ends that principal's turn: nobody is overtaken by their own later request.
        capacity: All there is of each resource; what is missing has no known limit.
        room: What is free of each limited resource.
        held: What each principal holds already.
        weights: A principal of weight 2 may hold twice the share; 1 where nothing is said.
        caps: The most that a principal may hold, by resource.

    Returns:
        Indices of the wants that are served, in the order in which their turns came.
    """
    shares = weights or {}
    limits = caps or {}
    left = dict(room)
    holds = {name: dict(amounts) for name, amounts in (held or {}).items()}
    waiting: dict[str, list[int]] = defaultdict(list)
    for index in range(len(wants) - 1, -1, -1):
        waiting[wants[index].principal].append(index)

    def turn(principal: str) -> tuple[float, int, str]:
        share = dominant_share(holds.get(principal, {}), capacity)
        return share / shares.get(principal, 1.0), waiting[principal][-1], principal

    line = [turn(principal) for principal in waiting]
    heapq.heapify(line)
    served = []
    while line:
        _, index, principal = heapq.heappop(line)
        demand = wants[index].demand
        mine = holds.setdefault(principal, {})
        cap = limits.get(principal, {})
        if any(amount > left.get(name, amount) for name, amount in demand.items()) or any(
            mine.get(name, 0.0) + amount > cap.get(name, float("inf"))
            for name, amount in demand.items()
        ):
            continue
        for name, amount in demand.items():
            mine[name] = mine.get(name, 0.0) + amount
            if name in left:
                left[name] -= amount
        served.append(index)
        waiting[principal].pop()
        if waiting[principal]:
            heapq.heappush(line, turn(principal))
    return served
