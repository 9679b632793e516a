"""The computed choice: filter the front by the limits, order it by the objective."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from optimizer.decisions.constraints import Asked, FrontFor, asked, broken, conflict, sift
from optimizer.decisions.decision import Conflict, Status
from optimizer.decisions.figures import Candidate
from optimizer.decisions.objectives import ByMeasure, Measured, Objective
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.request import OptimizationRequest
from optimizer.errors import DependencyError

logger = logging.getLogger("sequential_resource_optimization.decisions")

MOST_OPTIONS = 5
"""Candidates that thinking may choose among."""

WITHIN = 0.10
"""How far from the computed best, in the objective's own measure, another choice may be."""


@dataclass(frozen=True)
class Lead:
    """A candidate that led until a limit dropped it."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class Solution:
    """A complete computed answer.

    Attributes:
        objective: What it is the best for.
        request: What was asked.
        front: What was chosen from.
        limits: The numeric limits that were asked for.
        ranked: The candidates that hold them, best first; empty when none does.
        sure: Whether every limit could be checked.
        dropped: What would have been chosen without the limits, when that is another.
        conflict: The limits that cannot all hold, when none is ranked; see `with_conflict`.
    """

    objective: Objective
    request: OptimizationRequest
    front: Front
    limits: Asked
    ranked: tuple[Candidate, ...]
    sure: bool
    dropped: Lead | None = None
    conflict: Conflict | None = None

    @property
    def best(self) -> Candidate | None:
        """The computed choice."""
        return self.ranked[0] if self.ranked else None

    @property
    def options(self) -> tuple[Candidate, ...]:
        """The best few, for thinking to choose among."""
        return self.ranked[:MOST_OPTIONS]

    @property
    def missing(self) -> tuple[str, ...]:
        """Figures that the objective orders by and that are not known."""
        if not isinstance(self.objective, ByMeasure):
            return ()
        today = self.front.today
        known = {
            "cost": today.cost_usd_month is not None,
            "response time": any(c.stretch is not None for c in self.front.choices),
            "reliability": today.reliability is not None,
        }
        return tuple(need for need in self.objective.needs if not known[need])

    def status(self, chosen: Candidate | None) -> Status:
        """What can be said of a choice."""
        if chosen is None:
            return "infeasible"
        if not self.sure or set(self.missing) - {"cost"}:
            return "insufficient_data"
        return "feasible" if self.missing or chosen is not self.best else "optimal"


def solve(front: Front, request: OptimizationRequest, objective: Objective) -> Solution:
    """Compute the best choice that holds every limit.

    Args:
        front: The choices, within the request's max_resource_increase.
        request: What is asked.
        objective: What to order by.

    Returns:
        The answer; nothing is ranked when no choice holds the limits.

    Raises:
        DependencyError: The objective is a plug-in and failed.
    """
    limits = asked(request.constraints, front.job)
    holding, sure = sift(front.choices, limits)
    if not holding:
        return Solution(objective, request, front, limits, ranked=(), sure=sure)
    ranked = _rank(objective, holding, request)
    dropped = _dropped(objective, front, holding, request, limits)
    return Solution(objective, request, front, limits, ranked, sure, dropped)


def with_conflict(solution: Solution, front_for: FrontFor) -> Solution:
    """Add which limits conflict to an answer without a candidate.

    Args:
        solution: The answer.
        front_for: The front for any other most increase; a few are looked at, so this takes some
            milliseconds.
    """
    return replace(solution, conflict=conflict(front_for, solution.limits))


@dataclass(frozen=True)
class Ruling:
    """Which candidate stands.

    Attributes:
        stands: The candidate; None when no choice holds the limits.
        refusal: Why another choice was refused, if one was.
    """

    stands: Candidate | None
    refusal: str | None = None


def judge(solution: Solution, candidate_id: str | None) -> Ruling:
    """Accept a choice among the options, or keep the computed one.

    Args:
        solution: The computed answer.
        candidate_id: What thinking chose; None for nothing.
    """
    best = solution.best
    if best is None or candidate_id in (None, best.id):
        return Ruling(best)
    refusal = _refusal(solution, best, str(candidate_id))
    if refusal is not None:
        return Ruling(best, refusal)
    return Ruling(next(c for c in solution.options if c.id == candidate_id))


def _refusal(solution: Solution, best: Candidate, candidate_id: str) -> str | None:
    """Why a choice cannot stand: it is unknown, breaks a limit, or is too far from the best."""
    other = next((c for c in solution.options if c.id == candidate_id), None)
    if other is None:
        return f"{candidate_id[:60]!r} is none of the candidates"
    limit = broken(other, solution.limits)
    if limit is not None:
        return f"{other.id} breaks {limit}"
    if _is_interrupting(solution.objective, other, best):
        return f"{other.id} interrupts running work, which {solution.objective.name} does not"
    if not isinstance(solution.objective, Measured):
        return f"{solution.objective.name} has no measure to compare {other.id} by"
    ours = solution.objective.measure(best, solution.request)
    theirs = solution.objective.measure(other, solution.request)
    if ours is None or theirs is None:
        return f"nothing says how {other.id} compares with {best.id}: {_order(solution)} is unknown"
    if theirs > ours + WITHIN * abs(ours):
        return f"{other.id} is more than {WITHIN:.0%} worse than {best.id}"
    if theirs >= ours and _is_dearer(other, best):
        return f"{other.id} costs more than {WITHIN:.0%} more than {best.id}, and is no better"
    return None


def _is_interrupting(objective: Objective, other: Candidate, best: Candidate) -> bool:
    """Whether the objective puts the other behind for what it does, whatever its figures."""
    return (
        isinstance(objective, ByMeasure)
        and objective.allowed(best)
        and not objective.allowed(other)
    )


def _order(solution: Solution) -> str:
    """What the objective orders by and is not known."""
    return " and ".join(solution.missing) or f"the measure of {solution.objective.name}"


def _is_dearer(other: Candidate, best: Candidate) -> bool:
    ours, theirs = best.cost_usd_month, other.cost_usd_month
    return ours is not None and theirs is not None and theirs > ours * (1 + WITHIN)


def _rank(
    objective: Objective, holding: Sequence[Candidate], request: OptimizationRequest
) -> tuple[Candidate, ...]:
    """Order by the objective; a plug-in may leave candidates out, not bring some in."""
    by_id = {candidate.id: candidate for candidate in holding}
    try:
        ranked = tuple(by_id[name] for name in objective.rank(holding, request))
    except Exception as error:
        logger.exception("the objective %s failed", objective.name)
        raise DependencyError(
            f"the objective {objective.name} failed ({type(error).__name__}: {error}); use another "
            "primary_objective, or mend or uninstall the package that brings it. "
            "Nothing was changed"
        ) from error
    if not ranked:
        raise DependencyError(
            f"the objective {objective.name} ranked no candidate; use another primary_objective. "
            "Nothing was changed"
        )
    return ranked


def _dropped(
    objective: Objective,
    front: Front,
    holding: Sequence[Candidate],
    request: OptimizationRequest,
    limits: Asked,
) -> Lead | None:
    """What would lead without the limits, if that is another."""
    if len(holding) == len(front.choices):
        return None
    leader = _rank(objective, front.choices, request)[0]
    reason = broken(leader, limits)
    return None if reason is None else Lead(leader, reason)
