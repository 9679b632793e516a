"""What would have to be different for the choice to be another."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.decisions.constraints import INCREASE, LIMITS, SESSION_BUDGET
from optimizer.decisions.figures import Candidate
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import Objective
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import Quantile, ResourceState, Snapshot
from optimizer.decisions.solve import Solution, solve

FACTORS_UP = (1.25, 1.5, 2.0, 4.0)
FACTORS_DOWN = (0.8, 0.65, 0.5, 0.25)
"""Multiples of an input that are tried, from the nearest on; between the last one that keeps the
choice and the first one that changes it, the place is narrowed down."""

NARROWINGS = 6
"""Halvings of that stretch: the answer is within 1 % of the input."""

NUDGE = 1e-9
"""How far, relative to it, past the choice's own figure a limit is set to exclude the choice."""

InputKind = Literal["demand", "price", "limit"]


class Flip(BaseModel):
    """One input, and the value at which the choice becomes another while all else stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str = Field(description="For example demand of cpu, price of memory, max_cost.")
    kind: InputKind
    unit: str
    now: float
    flips_at: float
    to: str | None = Field(description="The choice then; null when none holds the limits.")


Decide = Callable[[Snapshot, OptimizationRequest], str | None]
"""Answers the id of the choice from other inputs."""


def decider(
    objective: Objective, rules: Rules, movable: frozenset[str] | None, job: Job = NO_JOB
) -> Decide:
    """Compute the choice anew from other inputs, as the decision was computed."""

    def decide(snapshot: Snapshot, request: OptimizationRequest) -> str | None:
        front = build_front(
            snapshot,
            request.scope,
            rules=rules,
            max_increase=request.constraints.max_resource_increase,
            movable=movable,
            job=job,
        )
        best = solve(front, request, objective).best
        return None if best is None else best.id

    return decide


def flips(solution: Solution, decide: Decide, rules: Rules) -> tuple[Flip, ...]:
    """The nearest value of each input, above and below, at which the computed choice changes.

    Args:
        solution: The computed answer, with a candidate.
        decide: Computes the choice from other inputs.
        rules: The levels that were considered.

    Returns:
        Those that were found: demand of each forecast resource and each price up to four times and
        down to a quarter; each limit at the value of the choice that it excludes or admits.
    """
    return (*_scaled(solution, decide), *_limits(solution, decide, rules))


def _scaled(solution: Solution, decide: Decide) -> Iterator[Flip]:
    snapshot, request = solution.front.snapshot, solution.request
    chosen = solution.ranked[0].id
    for state in snapshot.resources:
        for kind, now, unit, scale in _levers(state):
            choice = partial(_choice, decide, snapshot, request, state, scale)
            for factors in (FACTORS_UP, FACTORS_DOWN):
                found = _first_change(choice, chosen, factors)
                if found is not None:
                    factor, to = found
                    yield Flip(
                        input=f"{kind} of {state.resource}",
                        kind=kind,
                        unit=unit,
                        now=now,
                        flips_at=now * factor,
                        to=to,
                    )


def _choice(
    decide: Decide,
    snapshot: Snapshot,
    request: OptimizationRequest,
    state: ResourceState,
    scale: "_Scale",
    factor: float,
) -> str | None:
    return decide(_with(snapshot, scale(state, factor)), request)


_Scale = Callable[[ResourceState, float], ResourceState]


def _levers(state: ResourceState) -> Iterator[tuple[InputKind, float, str, _Scale]]:
    if state.outlook and state.demand:
        yield "demand", state.demand, state.unit, _with_demand
    if state.price is not None and state.price.usd_per_unit_hour > 0 and state.capacity:
        yield "price", state.price.usd_per_unit_hour, "USD per unit and hour", _with_price


def _with_demand(state: ResourceState, factor: float) -> ResourceState:
    """As if everything that is and will be used were a multiple of it."""
    advised = state.recommended_change
    return state.model_copy(
        update={
            "used": None if state.used is None else state.used * factor,
            "demand": None if state.demand is None else state.demand * factor,
            "outlook": tuple(
                Quantile(probability=q.probability, amount=q.amount * factor) for q in state.outlook
            ),
            "recommended_change": None if advised is None else (1 + advised) * factor - 1,
        }
    )


def _with_price(state: ResourceState, factor: float) -> ResourceState:
    price = state.price
    if price is None:
        return state
    dearer = price.model_copy(update={"usd_per_unit_hour": price.usd_per_unit_hour * factor})
    return state.model_copy(update={"price": dearer})


def _with(snapshot: Snapshot, state: ResourceState) -> Snapshot:
    others = [state if old.resource == state.resource else old for old in snapshot.resources]
    return snapshot.model_copy(update={"resources": tuple(others)})


def _first_change(
    choice: Callable[[float], str | None], chosen: str, factors: tuple[float, ...]
) -> tuple[float, str | None] | None:
    """The factor nearest to 1 at which the choice is another, and which; None for none."""
    kept = 1.0
    for factor in factors:
        to = choice(factor)
        if to == chosen:
            kept = factor
            continue
        changed = factor
        for _ in range(NARROWINGS):
            middle = (kept + changed) / 2
            found = choice(middle)
            if found == chosen:
                kept = middle
            else:
                changed, to = middle, found
        return changed, to
    return None


def _limits(solution: Solution, decide: Decide, rules: Rules) -> Iterator[Flip]:
    """For each limit: tightened past the choice, and loosened until another is let in."""
    chosen = solution.ranked[0]
    for name, value in solution.limits.items():
        if name == SESSION_BUDGET:
            continue
        for figures in (_tighter(chosen, name), _looser(solution, name, rules)):
            for at, asked_for in figures:
                to = decide(solution.front.snapshot, _with_limit(solution.request, name, asked_for))
                if to != chosen.id:
                    unit = LIMITS[name].unit
                    yield Flip(input=name, kind="limit", unit=unit, now=value, flips_at=at, to=to)
                    break


def _tighter(chosen: Candidate, name: str) -> Iterator[tuple[float, float]]:
    """The choice's own figure, and the nearest limit that it does not hold."""
    limit = LIMITS[name]
    actual = limit.actual(chosen)
    if actual is not None:
        beyond = actual - NUDGE * max(1.0, abs(actual)) * (1 if limit.at_most else -1)
        if beyond >= 0 or name == "min_performance":
            yield actual, beyond


def _looser(solution: Solution, name: str, rules: Rules) -> Iterator[tuple[float, float]]:
    """Figures that the limit keeps out, the nearest first."""
    limit, value = LIMITS[name], solution.limits[name]
    known = [limit.actual(candidate) for candidate in solution.front.choices]
    if name == INCREASE:
        known = [round(level - 1, 9) for level in rules.multipliers]
    outside = {figure for figure in known if figure is not None and limit.slack(figure, value) < 0}
    for figure in sorted(outside, key=lambda figure: abs(figure - value)):
        yield figure, figure


def _with_limit(request: OptimizationRequest, name: str, value: float) -> OptimizationRequest:
    constraints = request.constraints.model_copy(update={name: value})
    return request.model_copy(update={"constraints": constraints})
