"""Candidates, limits and measurements in sentences with numbers."""

from collections.abc import Iterator

from optimizer.decisions.figures import REQUIRED_OUTLOOKS, Candidate
from optimizer.decisions.job import Job, Session
from optimizer.decisions.levels import is_lease_scope
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.snapshot import ResourceState, Snapshot
from optimizer.monitoring.workload import MINIMUM_REQUESTS
from optimizer.prices import HOURS_PER_MONTH
from optimizer.quantities import RESOURCES, format_amount
from optimizer.statistics import significant


def summarise(candidate: Candidate, front: Front) -> str:
    """What a candidate does, in one line."""
    return f"{_amounts(candidate, front)}: {figures_of(candidate)}"


def _amounts(candidate: Candidate, front: Front) -> str:
    if is_lease_scope(front.scope):
        sizes = [
            f"{basis.resource} {format_amount(candidate.amounts[basis.resource], basis.unit)}"
            for basis in front.considered
        ]
        return "; ".join((f"a lease of {', '.join(sizes)}", *texts_of(candidate, front)))
    moved = [
        f"{basis.resource} {format_amount(basis.amount, basis.unit)} -> "
        f"{format_amount(candidate.amounts[basis.resource], basis.unit)}"
        for basis in front.considered
        if candidate.levels[basis.resource] != 1
    ]
    return ", ".join(moved) or "capacity as it is"


def texts_of(candidate: Candidate, front: Front) -> tuple[str, ...]:
    """The ways that a candidate takes, in words."""
    return tuple(
        way.text
        for choice in front.job.choices
        for way in choice.ways
        if way.id == candidate.ways[choice.name]
    )


def figures_of(candidate: Candidate) -> str:
    """A candidate's figures in words."""
    return ", ".join(_figures(candidate))


def _figures(candidate: Candidate) -> Iterator[str]:
    cost = candidate.cost_usd_month
    yield "cost unknown" if cost is None else f"{cost:.2f} USD/month"
    what = "time" if candidate.ways else "response time"
    if candidate.performance is None:
        yield f"{what} unknown"
    else:
        yield f"{what} {_slower(candidate.performance):+.1f} %"
    if candidate.reliability is None:
        yield "reliability unknown"
    else:
        yield f"reliability {significant(candidate.reliability):.12g}"


def _slower(performance: float) -> float:
    """Change of the response time in %; 0 rather than -0."""
    return 0.0 - performance


def situation(snapshot: Snapshot) -> tuple[str, ...]:
    """What was measured, one sentence each."""
    measured = [_use(state) for state in snapshot.resources if _is_known(state)]
    health = f"Health is {snapshot.health}" + (
        f" ({', '.join(snapshot.issues)})." if snapshot.issues else "."
    )
    return (*measured, health)


def _is_known(state: ResourceState) -> bool:
    return bool(state.capacity) and state.used is not None


def _use(state: ResourceState) -> str:
    capacity, used = state.capacity or 0.0, state.used or 0.0
    leased = f", {format_amount(state.leased, state.unit)} leased" if state.leased else ""
    return (
        f"{state.resource}: {format_amount(used, state.unit)} of "
        f"{format_amount(capacity, state.unit)} used ({used / capacity:.0%}){leased}."
    )


def outlook(snapshot: Snapshot) -> tuple[str, ...]:
    """What is forecast, one sentence each."""
    return tuple(
        f"{state.resource}: within {snapshot.horizon_hours} h at most "
        f"{format_amount(max(0.0, state.outlook[-1].amount), state.unit)} with "
        f"{state.outlook[-1].probability:.0%} probability."
        for state in snapshot.resources
        if state.outlook
    )


def assumptions(front: Front) -> tuple[str, ...]:
    """What the figures take for granted."""
    return tuple(_assumptions(front))


def _assumptions(front: Front) -> Iterator[str]:
    for source, names in _sources(front).items():
        yield f"Prices of {', '.join(names)}: {source}, {HOURS_PER_MONTH:.0f} h a month."
    for basis in front.considered:
        if basis.state.charged_otherwise and basis.amount:
            yield f"Cost leaves out {basis.resource}: {basis.state.charged_otherwise}."
        if basis.fixed_because and basis.amount:
            yield f"{basis.resource}: {basis.fixed_because}."
        if basis.state.demand is not None and basis.state.demand_steps == 0:
            yield f"Use of {basis.resource} is that of one sample: no 5 minutes are recorded yet."
    workload = front.snapshot.workload
    if workload.arrival_rate_per_s is None or not workload.service_time_s:
        yield "Response time follows CPU use as 1 / (1 - use): no service times were measured."
    if workload.error_rate is None or workload.requests == 0:
        yield (
            "Reliability covers running out only: fewer than "
            f"{MINIMUM_REQUESTS} requests were seen in the last hour."
        )
    if is_lease_scope(front.scope):
        yield from _of_needs(front)
        yield from _of_job(front)
    if front.scope == "global_level":
        yield from _hosts(front.snapshot)


def _of_needs(front: Front) -> Iterator[str]:
    """What the work is taken to need, and what it is compared with."""
    needs = {basis.resource: basis.need for basis in front.considered if basis.need is not None}
    for resource, need in needs.items():
        most = format_amount(need.amount, RESOURCES[resource].unit)
        yield f"The work uses at most {most} of {resource}: {need.because}."
    unknown = [basis.resource for basis in front.considered if basis.need is None]
    if unknown:
        yield (
            f"Of {' and '.join(unknown)} the work is taken to need what this machine uses, because "
            "its own use is not known: say it in task.needs."
        )
    if "cpu" in needs:
        yield "With fewer cores than it uses the work takes longer in proportion."
    against = "what it needs" if needs else "all that no lease holds"
    yield f"Improvements are against a lease of {against}{_and_first_ways(front.job)}."


MOST_LEFT_OUT = 3
"""Ways that limits reject and that are named."""


def _and_first_ways(job: Job) -> str:
    firsts = [choice.ways[0].text for choice in job.choices]
    return f" and to {'; to '.join(firsts)}" if firsts else ""


def _required(front: Front) -> Iterator[ResourceState]:
    return (b.state for b in front.considered if b.resource in REQUIRED_OUTLOOKS)


def _is_full(front: Front) -> bool:
    """Whether the machine's own demand takes all that the lease could be."""
    cpu = next((basis for basis in front.considered if basis.resource == "cpu"), None)
    return cpu is not None and (cpu.state.demand or cpu.state.used or 0.0) >= cpu.amount


def _of_job(front: Front) -> Iterator[str]:
    """What the task and its session leave open, or bring with them."""
    job = front.job
    if job.absent:
        yield f"Not chosen: {'; '.join(f'{name} ({why})' for name, why in job.absent.items())}."
    for choice in job.choices:
        named = list(choice.left_out.items())
        more = f"; and {len(named) - MOST_LEFT_OUT} more" if len(named) > MOST_LEFT_OUT else ""
        if named:
            reasons = "; ".join(f"{name}: {why}" for name, why in named[:MOST_LEFT_OUT])
            yield f"Left out of {choice.name}: {reasons}{more}."
        if any(way.seconds is None for way in choice.ways):
            yield f"Time leaves out {choice.name}: how long some of its ways take is not known."
    if job.choices and any(not state.outlook for state in _required(front)):
        yield "Without a forecast of cpu and memory ways are weighed by their own failures alone."
    if job.choices and job.work_s is not None and _is_full(front):
        yield "Time leaves out the task's own work: CPU is fully used now."
    if job.choices and job.work_s is None:
        yield "Time leaves out the task's own work, and its lease is charged all month: no work_s."
    elif job.work_s is not None:
        yield f"The lease is charged for {job.held_share * HOURS_PER_MONTH:.4g} h a month."
    if job.choices:
        yield f"Costs are for the task {job.times_per_month:g} times a month."
    if job.session is not None:
        yield from _of_session(job.session)


def _of_session(session: Session) -> Iterator[str]:
    held = session.held_usd_month
    cost = "a cost that is not known" if held is None else f"{held:.2f} USD/month"
    yield (
        f"Cost includes what this session has already: {session.leases} leases of {cost}, and "
        f"{session.spent_usd:.2f} USD spent in the last {HOURS_PER_MONTH:.0f} hours."
    )
    if session.left_usd is None:
        yield "Nothing limits the dollars of this session: no pool or quota of usd is set."


def _hosts(snapshot: Snapshot) -> Iterator[str]:
    """Which machines a global decision is about."""
    others = sorted({state.host for state in snapshot.elsewhere if state.host is not None})
    if not others:
        yield f"This store holds one host, {snapshot.host}."
        return
    yield (
        f"Hosts: {', '.join((snapshot.host, *others))}. Response time is the mean over them; "
        "reliability is that nothing runs out on any."
    )
    blind = sorted({str(s.host) for s in snapshot.elsewhere if s.capacity and not s.outlook})
    if blind:
        yield f"Reliability leaves out what is not forecast on {', '.join(blind)}."


def _sources(front: Front) -> dict[str, list[str]]:
    """Names of the priced resources by where their price is from."""
    sources: dict[str, list[str]] = {}
    for basis in front.considered:
        price = basis.state.price
        if price is not None and basis.amount:
            sources.setdefault(f"{price.source} ({price.date})", []).append(price.resource)
    return sources
