"""A choice of levels and everything that is computed about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.decisions.levels import Basis
from optimizer.decisions.performance import response_time, stretch
from optimizer.decisions.risk import (
    LEAST_PROBABILITY,
    any_exhausted,
    error_bounds,
    exceedance,
    reliability,
)
from optimizer.decisions.snapshot import Workload
from optimizer.prices import GIB, monthly_cost

REQUIRED_OUTLOOKS = ("cpu", "memory")
"""Without a forecast of these there is no figure of reliability; others are left out and named."""


@dataclass(frozen=True)
class Candidate:
    """One choice of levels, with its figures. None is unknown.

    Attributes:
        id: The levels that differ from 1, for example `cpu_1.5+memory_0.75`; else `no_change`, or
            `all_free` for a lease.
        levels: Multiple of today's amount, by resource.
        amounts: Amount in the resource's unit, by resource.
        cost_usd_month: US dollars for a month of 730 hours.
        spend: What orders candidates by cost: US dollars a month where every resource that moves is
            priced, else the sum of the levels of what moves (resource-hours of today's amounts).
        spend_ratio: `spend` over that of no change.
        stretch: Response time over bare service time, or None when there is no steady state.
        latency_ratio: Response time over that of no change.
        latency_ms: Mean response time in milliseconds, where one was measured.
        exhaustion: Bounds of the probability that some resource runs out within the horizon.
        reliability: Probability that nothing runs out and a request does not fail, by the cautious
            bounds of both.
        reliability_best: The same with the kindest bounds of both.
        reliability_few_failures: With the cautious bound of exhaustion and the kindest of failures.
        online: Whether every change can be carried out here without interrupting running work.
    """

    id: str
    levels: Mapping[str, float]
    amounts: Mapping[str, float]
    cost_usd_month: float | None
    spend: float
    spend_ratio: float
    stretch: float | None
    latency_ratio: float | None
    latency_ms: float | None
    exhaustion: tuple[float, float] | None
    reliability: float | None
    reliability_best: float | None
    reliability_few_failures: float | None
    online: bool

    @property
    def cores(self) -> float:
        """CPU cores."""
        return self.amounts.get("cpu", 0.0)

    @property
    def memory_gib(self) -> float:
        """Memory in GiB."""
        return self.amounts.get("memory", 0.0) / GIB

    @property
    def performance(self) -> float | None:
        """Improvement of the response time in %; negative is slower."""
        return None if self.latency_ratio is None else 100 * (1 - self.latency_ratio)

    @property
    def risk(self) -> float | None:
        """-ln of reliability: what adds up."""
        return None if self.reliability is None else -math.log(max(self.reliability, 1e-300))

    @property
    def increase(self) -> float:
        """The largest growth of any resource, as a fraction; 0 when none grows."""
        return max((level - 1 for level in self.levels.values()), default=0.0)

    @property
    def changes(self) -> tuple[str, ...]:
        """The resources whose level is not 1."""
        return tuple(resource for resource, level in self.levels.items() if level != 1)


@dataclass(frozen=True)
class Options:
    """The levels of one resource as columns, in the order of its basis.

    Attributes:
        basis: The resource and its levels.
        cost: US dollars a month of each level; None when there is no price.
        spend: The same, or the level itself for what is not priced; 0 for what is not charged.
        stretch: Response time over service time at each level; 0 for all but CPU.
        exhaustion: Probability of running out at each level; None without a forecast.
    """

    basis: Basis
    cost: tuple[float, ...] | None
    spend: tuple[float, ...]
    stretch: tuple[float, ...]
    exhaustion: tuple[float, ...] | None


def tabulate(considered: Sequence[Basis], workload: Workload) -> tuple[Options, ...]:
    """Work out every figure of every level once.

    Args:
        considered: The resources and their levels.
        workload: What is known of the requests.

    Returns:
        One table for each resource, in the same order.
    """
    moving = [basis for basis in considered if len(basis.levels) > 1]
    all_priced = all(basis.state.price is not None for basis in moving)
    return tuple(_tabulate(basis, workload, all_priced) for basis in considered)


def _tabulate(basis: Basis, workload: Workload, all_priced: bool) -> Options:
    amounts = [level * basis.amount for level in basis.levels]
    cost = _costs(basis, amounts)
    if all_priced:
        spend = cost if cost is not None else (0.0,) * len(amounts)
    else:
        spend = basis.levels if len(amounts) > 1 else (0.0,)
    return Options(
        basis=basis,
        cost=cost,
        spend=spend,
        stretch=tuple(_stretch(basis, amount, workload) for amount in amounts),
        exhaustion=_exhaustion(basis, amounts),
    )


def _costs(basis: Basis, amounts: Sequence[float]) -> tuple[float, ...] | None:
    state = basis.state
    if state.charged_otherwise is not None or basis.amount == 0:
        return (0.0,) * len(amounts)
    if state.price is None:
        return None
    price = state.price
    return tuple(monthly_cost(price, amount, state.unit) for amount in amounts)


def _stretch(basis: Basis, cores: float, workload: Workload) -> float:
    """Response time over service time on that many cores."""
    state = basis.state
    if state.resource != "cpu":
        return 0.0
    if cores <= 0:
        return math.inf
    arrivals, service = workload.arrival_rate_per_s, workload.service_time_s
    if arrivals is not None and service and state.host is None:
        servers = max(1, math.floor(cores))
        on_one = service / min(1.0, cores)
        return response_time(servers, arrivals, on_one) / service
    demand = state.used if state.demand is None else state.demand
    return stretch((demand or 0.0) / cores)


def _exhaustion(basis: Basis, amounts: Sequence[float]) -> tuple[float, ...] | None:
    quantiles = [(q.probability, q.amount) for q in basis.state.outlook]
    if not quantiles:
        return None
    return tuple(max(LEAST_PROBABILITY, exceedance(quantiles, amount)) for amount in amounts)


def figure(
    options: Sequence[Options],
    picks: Sequence[int],
    workload: Workload,
    *,
    today: "Candidate | None" = None,
    unchanged: str = "no_change",
) -> Candidate:
    """Everything about one choice of levels.

    Args:
        options: The tables of every resource.
        picks: Which level of each is chosen, by position.
        workload: What is known of the requests.
        today: The candidate that changes nothing; None while computing that one itself.
        unchanged: Name of the candidate whose levels are all 1.

    Returns:
        The candidate.
    """
    chosen = list(zip(options, picks, strict=True))
    levels = {o.basis.resource: o.basis.levels[i] for o, i in chosen}
    costs = [None if o.cost is None else o.cost[i] for o, i in chosen]
    spend = math.fsum(o.spend[i] for o, i in chosen)
    waiting = math.fsum(o.stretch[i] for o, i in chosen)
    stretched = waiting if 0 < waiting < math.inf else None
    ratio = _latency_ratio(stretched, today)
    exhaustion = _any_exhausted(chosen)
    few, many = error_bounds(workload.error_rate, workload.requests)
    measured = workload.response_time_ms
    moved = [o.basis.lever for o, i in chosen if o.basis.levels[i] != 1]
    return Candidate(
        id=_name(levels) or unchanged,
        levels=levels,
        amounts={o.basis.resource: o.basis.levels[i] * o.basis.amount for o, i in chosen},
        cost_usd_month=math.fsum(c for c in costs if c is not None) if None not in costs else None,
        spend=spend,
        spend_ratio=1.0 if today is None or today.spend == 0 else spend / today.spend,
        stretch=stretched,
        latency_ratio=ratio,
        latency_ms=None if measured is None or ratio is None else measured * ratio,
        exhaustion=exhaustion,
        reliability=None if exhaustion is None else reliability(exhaustion[1], many),
        reliability_best=None if exhaustion is None else reliability(exhaustion[0], few),
        reliability_few_failures=None if exhaustion is None else reliability(exhaustion[1], few),
        online=all(lever is not None and not lever.downtime for lever in moved),
    )


def _latency_ratio(stretched: float | None, today: Candidate | None) -> float | None:
    if stretched is None:
        return None
    if today is None:
        return 1.0
    return None if today.stretch is None else stretched / today.stretch


def _any_exhausted(chosen: Sequence[tuple[Options, int]]) -> tuple[float, float] | None:
    known = {o.basis.resource: o.exhaustion[i] for o, i in chosen if o.exhaustion is not None}
    if any(resource not in known for resource in REQUIRED_OUTLOOKS):
        return None
    return any_exhausted(list(known.values()))


def _name(levels: Mapping[str, float]) -> str:
    changed = [f"{resource}_{level:g}" for resource, level in levels.items() if level != 1]
    return "+".join(changed)
