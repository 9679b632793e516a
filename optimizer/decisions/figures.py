"""A choice of levels and everything that is computed about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optimizer.cost_benefit.choices import MOST_LABEL, Choice
from optimizer.decisions.job import NO_JOB, Job, Session
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
        id: The levels that differ from 1, for example `cpu_1.5+memory_0.75`, and the ways that are
            not the first; else `no_change`, for a lease `all_free`, or `as_needed` where its work's
            need is known.
        levels: Multiple of today's amount, by resource.
        amounts: Amount in the resource's unit, by resource.
        cost_usd_month: US dollars for a month of 730 hours.
        spend: What orders candidates by cost: US dollars a month where every resource that moves is
            priced, else the sum of the levels of what moves (resource-hours of today's amounts).
        spend_ratio: `spend` over that of no change.
        stretch: Response time over bare service time, or of a task with choices its seconds; None
            when there is no steady state, or no second is known.
        latency_ratio: Response time over that of no change.
        latency_ms: Mean response time in milliseconds, where one was measured.
        exhaustion: Bounds of the probability that some resource runs out within the horizon.
        reliability: Probability that nothing runs out and a request does not fail, by the cautious
            bounds of both.
        reliability_best: The same with the kindest bounds of both.
        reliability_few_failures: With the cautious bound of exhaustion and the kindest of failures.
        online: Whether every change can be carried out here without interrupting running work.
        ways: Id of the chosen way, by choice.
        task_usd: US dollars that the chosen ways cost for one task; None where one is not known.
        known_exhaustion: The upper bound of exhaustion over what is known alone.
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
    ways: Mapping[str, str] = field(default_factory=dict)
    task_usd: float | None = 0.0
    known_exhaustion: float = 0.0

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
        """-ln of reliability: what adds up; of a task's ways alone while the rest is not known."""
        known = self.reliability
        if known is None and self.ways:
            known = 1 - self.known_exhaustion
        return None if known is None else -math.log(max(known, 1e-300))

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
    """A lever: its levels as columns of figures, today's first, whatever it moves.

    Attributes:
        name: The resource, or the choice.
        labels: What stands for each level in a candidate's id; empty for today's.
        cost: US dollars a month of each level; None when there is no price.
        spend: The same, or the level itself for what is not priced; 0 for what is not charged.
        stretch: What each level adds to the response time: of CPU over the service time, of a task
            with choices in seconds.
        exhaustion: Probability that each level runs out, or fails; None without a forecast.
        basis: The levels of a resource; None for a choice.
        choice: The ways of a choice; None for a resource.
    """

    name: str
    labels: tuple[str, ...]
    cost: tuple[float, ...] | None
    spend: tuple[float, ...]
    stretch: tuple[float, ...]
    exhaustion: tuple[float, ...] | None
    basis: Basis | None = None
    choice: Choice | None = None


def tabulate(
    considered: Sequence[Basis], workload: Workload, job: Job = NO_JOB
) -> tuple[Options, ...]:
    """Work out every figure of every level once.

    Args:
        considered: The resources and their levels.
        workload: What is known of the requests.
        job: The task's choices, and what its session has spent.

    Returns:
        One table for each resource, in the same order, then one for each choice, and one for what
        the session has taken already.
    """
    moving = [basis for basis in considered if len(basis.levels) > 1]
    all_priced = all(basis.state.price is not None for basis in moving)
    options = [_resource(basis, workload, job, all_priced) for basis in considered]
    options += [_choice(choice, job, all_priced) for choice in job.choices]
    if job.session is not None:
        options.append(_session(job.session, all_priced))
    return tuple(options)


def _resource(basis: Basis, workload: Workload, job: Job, all_priced: bool) -> Options:
    amounts = [level * basis.amount for level in basis.levels]
    cost = _costs(basis, amounts)
    if cost is not None:
        cost = tuple(usd * job.held_share for usd in cost)
    if all_priced:
        spend = cost if cost is not None else (0.0,) * len(amounts)
    else:
        spend = basis.levels if len(amounts) > 1 else (0.0,)
    stretches = tuple(_stretch(basis, amount, workload) for amount in amounts)
    return Options(
        name=basis.resource,
        labels=tuple("" if x == 1 else f"{basis.resource}_{x:g}" for x in basis.levels),
        cost=cost,
        spend=spend,
        stretch=_seconds(stretches, job.work_s or 0.0) if job.is_timed else stretches,
        exhaustion=_exhaustion(basis, amounts),
        basis=basis,
    )


def _seconds(stretches: Sequence[float], work_s: float) -> tuple[float, ...]:
    """Seconds of the task's own work at each level, from those at the first.

    0 of each where the machine is full: then there is no steady response time at any level.
    """
    first = stretches[0]
    if work_s == 0 or first == 0 or math.isinf(first):
        return (0.0,) * len(stretches)
    return tuple(work_s * x / first for x in stretches)


def _choice(choice: Choice, job: Job, all_priced: bool) -> Options:
    """The ways of a choice. What is not known of one of them is compared of none."""
    usd = [way.usd for way in choice.ways]
    cost = None if None in usd else tuple(job.times_per_month * (u or 0.0) for u in usd)
    seconds = [way.seconds for way in choice.ways]
    nothing = (0.0,) * len(choice.ways)
    return Options(
        name=choice.name,
        labels=("", *_labels(choice)),
        cost=cost,
        spend=cost if cost is not None and all_priced else nothing,
        stretch=nothing if None in seconds else tuple(s or 0.0 for s in seconds),
        exhaustion=tuple(max(LEAST_PROBABILITY, way.p_failure) for way in choice.ways),
        choice=choice,
    )


def _labels(choice: Choice) -> list[str]:
    """Of all ways but the first: the way's id where that is short, else its number."""
    return [
        f"{choice.name}_{way.id if len(way.id) <= MOST_LABEL else place}"
        for place, way in enumerate(choice.ways[1:], start=2)
    ]


def _session(session: Session, all_priced: bool) -> Options:
    """What is spent whatever is chosen: a lever of one level."""
    held = session.held_usd_month
    cost = None if held is None else (held + session.spent_usd,)
    spend = cost if cost is not None and all_priced else (0.0,)
    return Options("session", ("",), cost, spend, (0.0,), (0.0,))


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
    if basis.need is not None:
        return max(1.0, basis.need.amount / cores)
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
    holds = amounts if basis.need is None else [left_beside(basis, amount) for amount in amounts]
    return tuple(max(LEAST_PROBABILITY, exceedance(quantiles, amount)) for amount in holds)


def left_beside(basis: Basis, amount: float) -> float:
    """What is left for all else on the machine while work of a known need holds an amount.

    Less than nothing where there is not so much.
    """
    counted = 0.0 if basis.need is None else basis.need.counted
    return (basis.state.capacity or 0.0) - amount + min(counted, amount)


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
    bases = [(o.basis, o.basis.levels[i]) for o, i in chosen if o.basis is not None]
    ways = {o.name: o.choice.ways[i] for o, i in chosen if o.choice is not None}
    spend = math.fsum(o.spend[i] for o, i in chosen)
    waiting = math.fsum(o.stretch[i] for o, i in chosen)
    has_time = waiting > 0 or any(_is_timed(option) for option in options)
    stretched = waiting if has_time and waiting < math.inf else None
    ratio = _latency_ratio(stretched, today)
    known = [o.exhaustion[i] for o, i in chosen if o.exhaustion is not None]
    exhaustion = any_exhausted(known) if _has_outlooks(options) else None
    few, many = error_bounds(workload.error_rate, workload.requests)
    moved = [basis.lever for basis, level in bases if level != 1]
    return Candidate(
        id="+".join(o.labels[i] for o, i in chosen if o.labels[i]) or unchanged,
        levels={basis.resource: level for basis, level in bases},
        amounts={basis.resource: level * basis.amount for basis, level in bases},
        cost_usd_month=_sum([None if o.cost is None else o.cost[i] for o, i in chosen]),
        spend=spend,
        spend_ratio=1.0 if today is None or today.spend == 0 else spend / today.spend,
        stretch=stretched,
        latency_ratio=ratio,
        latency_ms=_latency_ms(stretched, ratio, workload, is_task=bool(ways)),
        exhaustion=exhaustion,
        reliability=None if exhaustion is None else reliability(exhaustion[1], many),
        reliability_best=None if exhaustion is None else reliability(exhaustion[0], few),
        reliability_few_failures=None if exhaustion is None else reliability(exhaustion[1], few),
        online=all(lever is not None and not lever.downtime for lever in moved),
        ways={name: way.id for name, way in ways.items()},
        task_usd=_sum([way.usd for way in ways.values()]),
        known_exhaustion=any_exhausted(known)[1],
    )


def _sum(figures: Sequence[float | None]) -> float | None:
    """Unknown as soon as one of them is."""
    known = [figure for figure in figures if figure is not None]
    return math.fsum(known) if len(known) == len(figures) else None


def _latency_ms(
    stretched: float | None, ratio: float | None, workload: Workload, *, is_task: bool
) -> float | None:
    """Of a task with choices its own time, else the measured response time at the new levels."""
    if is_task:
        return None if stretched is None else 1000 * stretched
    measured = workload.response_time_ms
    return None if measured is None or ratio is None else measured * ratio


def _latency_ratio(stretched: float | None, today: Candidate | None) -> float | None:
    if stretched is None:
        return None
    if today is None:
        return 1.0
    return stretched / today.stretch if today.stretch else None


def _is_timed(option: Options) -> bool:
    """Whether it is a choice whose seconds are known, be they 0."""
    return option.choice is not None and None not in {way.seconds for way in option.choice.ways}


def _has_outlooks(options: Sequence[Options]) -> bool:
    """Whether enough is forecast for a figure of reliability."""
    return {o.name for o in options if o.exhaustion is not None}.issuperset(REQUIRED_OUTLOOKS)
