"""Limits: which candidates hold them, and, when none does, which limits conflict."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from optimizer.decisions.decision import Conflict, ConstraintCheck, Relaxation
from optimizer.decisions.figures import Candidate
from optimizer.decisions.job import Job
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.request import Constraints

INCREASE = "max_resource_increase"

SESSION_BUDGET = "session_budget"
"""What a session may still spend on one task: no request sets it, its quota of usd does."""

FrontFor = Callable[[float | None], Front]
"""Answers the front for a most increase; None is for no such limit."""


@dataclass(frozen=True)
class Limit:
    """A numeric limit that requests may set.

    Attributes:
        name: Name of the constraint.
        unit: Unit of the limit and of what it limits.
        at_most: Whether it is an upper limit.
        actual: The limited figure of a candidate; None when it is not known.
        unknown: Why it cannot be checked, when it cannot.
        kindest: The figure by the kindest reading of the evidence, where there is more than one: a
            candidate that breaks the limit only by the cautious reading is not known to break it.
    """

    name: str
    unit: str
    at_most: bool
    actual: Callable[[Candidate], float | None]
    unknown: str
    kindest: Callable[[Candidate], float | None] | None = None

    def held(self, candidate: Candidate, value: float) -> bool | None:
        """Whether the candidate holds the limit; None when that cannot be checked."""
        actual = self.actual(candidate)
        if actual is None:
            return None
        if self.inside(actual, value):
            return True
        kindest = self.kindest(candidate) if self.kindest else None
        return None if kindest is not None and self.inside(kindest, value) else False

    def slack(self, actual: float, value: float) -> float:
        """How far the figure is inside the limit, in the limit's unit."""
        return value - actual if self.at_most else actual - value

    def inside(self, actual: float, value: float) -> bool:
        """Whether a figure keeps to the limit."""
        return actual <= value if self.at_most else actual >= value


LIMITS: Mapping[str, Limit] = {
    limit.name: limit
    for limit in (
        Limit(
            name="max_cost",
            unit="USD/month",
            at_most=True,
            actual=lambda candidate: candidate.cost_usd_month,
            unknown="some of the capacity has no price; set prices in sro.toml",
        ),
        Limit(
            name="min_reliability",
            unit="probability",
            at_most=False,
            actual=lambda candidate: candidate.reliability,
            unknown="there is no forecast of cpu and memory yet",
            kindest=lambda candidate: candidate.reliability_few_failures,
        ),
        Limit(
            name=INCREASE,
            unit="fraction",
            at_most=True,
            actual=lambda candidate: round(candidate.increase, 9),
            unknown="",
        ),
        Limit(
            name="max_latency_ms",
            unit="ms",
            at_most=True,
            actual=lambda candidate: candidate.latency_ms,
            unknown="no response time was reported or seen, nor seconds of the task given",
        ),
        Limit(
            name="min_performance",
            unit="%",
            at_most=False,
            actual=lambda candidate: candidate.performance,
            unknown="there is no steady response time, or no seconds of a task, to compare with",
        ),
        Limit(
            name=SESSION_BUDGET,
            unit="USD",
            at_most=True,
            actual=lambda candidate: candidate.task_usd,
            unknown="what some of the task's choices cost is not known",
        ),
    )
}
"""The numeric limits by name. `focus` is none: it bounds what is searched."""

Asked = Mapping[str, float]
"""Values of the limits that a request sets, by name."""


def asked(constraints: Constraints, job: Job) -> dict[str, float]:
    """The numeric limits that are set, by the request or by the budget of its session."""
    values = {name: getattr(constraints, name, None) for name in LIMITS}
    if job.session is not None and job.choices:
        values[SESSION_BUDGET] = job.session.left_usd
    return {name: value for name, value in values.items() if value is not None}


def sift(candidates: Iterable[Candidate], limits: Asked) -> tuple[list[Candidate], bool]:
    """Keep the candidates that hold every limit.

    Args:
        candidates: To choose from.
        limits: Values by name.

    Returns:
        Those that are known to hold all; when there are none, those that are not known to break
        any. And whether they are known to hold all.
    """
    checks = [(LIMITS[name], value) for name, value in limits.items()]
    sure: list[Candidate] = []
    unsure: list[Candidate] = []
    for candidate in candidates:
        held = [limit.held(candidate, value) for limit, value in checks]
        if False not in held:
            (unsure if None in held else sure).append(candidate)
    return (sure, True) if sure else (unsure, not unsure)


def check(candidate: Candidate, limits: Asked) -> list[ConstraintCheck]:
    """Each limit against the figures of the chosen candidate."""
    return [_check(LIMITS[name], value, candidate) for name, value in limits.items()]


def _check(limit: Limit, value: float, candidate: Candidate) -> ConstraintCheck:
    actual = limit.actual(candidate)
    held = limit.held(candidate, value)
    return ConstraintCheck(
        name=limit.name,
        limit=value,
        actual=actual,
        slack=None if actual is None else limit.slack(actual, value),
        unit=limit.unit,
        held=held,
        reason=_why_unchecked(limit, actual) if held is None else None,
    )


def _why_unchecked(limit: Limit, actual: float | None) -> str:
    if actual is None:
        return limit.unknown
    return "too few requests were seen to say how often one fails"


def broken(candidate: Candidate, limits: Asked) -> str | None:
    """The first limit that a candidate breaks, with both numbers; None when it breaks none."""
    for name, value in limits.items():
        limit = LIMITS[name]
        actual = limit.actual(candidate)
        if actual is not None and limit.held(candidate, value) is False:
            return f"{name} {value:.8g} {limit.unit}: it has {actual:.8g}"
    return None


def conflict(front_for: FrontFor, limits: Asked) -> Conflict:
    """Name the smallest set of limits that cannot all hold, and how to loosen each.

    Limits are left out one at a time for good while the rest still cannot hold (a deletion filter:
    Chinneck & Dravnieks, ORSA Journal on Computing 3 (1991) 157-168).

    Args:
        front_for: The front for a most increase.
        limits: Values by name, which no candidate holds.

    Returns:
        The irreducible set, and for each of it the value that would be enough alone; where none
        would, because other limits conflict too, values that are enough together.
    """
    remaining = dict(limits)
    for name in limits:
        without = {key: value for key, value in remaining.items() if key != name}
        if not _possible(front_for, without):
            remaining = without
    alone = tuple(_relax(front_for, limits, name) for name in remaining)
    is_enough = any(way.needed is not None for way in alone)
    return Conflict(
        irreducible_set=tuple(remaining),
        relaxations=alone,
        together=() if is_enough else _together(front_for(None).choices, limits),
    )


def _possible(front_for: FrontFor, limits: Asked) -> bool:
    return bool(sift(front_for(limits.get(INCREASE)).choices, limits)[0])


def _relax(front_for: FrontFor, limits: Asked, name: str) -> Relaxation:
    """The value of one limit that is enough while all the others stay."""
    others = {key: value for key, value in limits.items() if key != name}
    limit = LIMITS[name]
    if name == INCREASE:
        needed = _least_increase(front_for, others, limits[name])
    else:
        holding, _ = sift(front_for(limits.get(INCREASE)).choices, others)
        figures = [figure for figure in map(limit.actual, holding) if figure is not None]
        needed = _best(figures, at_most=limit.at_most)
    return _relaxation(limit, limits[name], needed)


def _relaxation(limit: Limit, value: float, needed: float | None) -> Relaxation:
    needed = None if needed is None else _outward(limit, needed)
    return Relaxation(
        name=limit.name,
        limit=value,
        needed=needed,
        unit=limit.unit,
        description=_relaxed(limit, value, needed),
    )


def _outward(limit: Limit, needed: float) -> float:
    """Eight significant digits, rounded so that it is still enough."""
    if needed == 0:
        return needed
    scale = 10.0 ** (7 - math.floor(math.log10(abs(needed))))
    rounded: float = (math.ceil if limit.at_most else math.floor)(needed * scale) / scale
    return rounded if limit.inside(needed, rounded) else needed


def _together(choices: Iterable[Candidate], limits: Asked) -> tuple[Relaxation, ...]:
    """What the choice needs that breaks the fewest limits, and of those by the smallest share."""

    def excess(candidate: Candidate) -> tuple[int, float]:
        shares = [
            abs(needed - limits[name]) / max(abs(limits[name]), 1e-9)
            for name, needed in _lacking(candidate, limits).items()
        ]
        return len(shares), sum(shares)

    nearest = min(choices, key=excess)
    return tuple(
        _relaxation(LIMITS[name], limits[name], needed)
        for name, needed in _lacking(nearest, limits).items()
    )


def _lacking(candidate: Candidate, limits: Asked) -> dict[str, float]:
    """The limits that a candidate breaks, with its own figures."""
    return {
        name: actual
        for name, value in limits.items()
        if (actual := LIMITS[name].actual(candidate)) is not None
        and LIMITS[name].held(candidate, value) is False
    }


def _best(figures: Sequence[float], *, at_most: bool) -> float | None:
    if not figures:
        return None
    return min(figures) if at_most else max(figures)


def _least_increase(front_for: FrontFor, others: Asked, limit: float) -> float | None:
    levels = {level for basis in front_for(None).considered for level in basis.levels}
    for level in sorted(levels):
        increase = round(level - 1, 9)
        if increase > limit and sift(front_for(increase).choices, others)[0]:
            return increase
    return None


def _relaxed(limit: Limit, value: float, needed: float | None) -> str:
    if needed is None:
        return f"no value of {limit.name} is enough while the other limits stay"
    return f"{limit.name} {needed:.8g} instead of {value:.8g} {limit.unit}"
