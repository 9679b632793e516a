"""A computed answer put up for thought, and what thinking may say about it."""

from optimizer.decisions.figures import Candidate
from optimizer.decisions.objectives import ByMeasure
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.solve import Solution
from optimizer.decisions.wording import figures_of, outlook, situation, summarise
from optimizer.thinking import question as thinking
from optimizer.thinking.question import Question, Reasoning


def ask(solution: Solution, decision_id: str) -> Question:
    """Put a computed answer up for thought.

    Args:
        solution: The answer; without a candidate it holds the conflict.
        decision_id: What the thoughts belong to.
    """
    front = solution.front
    return Question(
        decision_id=decision_id,
        topic="optimization",
        situation=situation(front.snapshot),
        outlook=outlook(front.snapshot),
        candidates=tuple(_candidate(option, front) for option in solution.options),
        dropped=(
            (thinking.Dropped(id=solution.dropped.candidate.id, reason=solution.dropped.reason),)
            if solution.dropped
            else ()
        ),
        chosen_because=because(solution),
    )


def _candidate(candidate: Candidate, front: Front) -> thinking.Candidate:
    return thinking.Candidate(
        id=candidate.id,
        summary=summarise(candidate, front),
        figures={
            "cost_usd_month": candidate.cost_usd_month,
            "performance_percent": candidate.performance,
            "reliability": candidate.reliability,
        },
    )


def because(solution: Solution) -> str:
    """Why the computed choice is ranked first, with the runner-up's figures; or why none is."""
    if not solution.ranked:
        return impossible(solution)
    best, name = solution.ranked[0], solution.objective.name
    meaning = (
        solution.objective.description
        if isinstance(solution.objective, ByMeasure)
        else "by the rank of an installed strategy"
    )
    first = f"{name} ({meaning}) puts {best.id} first: {figures_of(best)}"
    if len(solution.ranked) < 2:
        return f"{first}; no other choice holds the limits"
    second = solution.ranked[1]
    return f"{first}; next is {second.id}: {figures_of(second)}"


def impossible(solution: Solution) -> str:
    """Which limits no choice holds, and what would be enough."""
    if solution.conflict is None:
        return "no choice holds the limits"
    names = " and ".join(solution.conflict.irreducible_set)
    ways = "; ".join(way.description for way in solution.conflict.relaxations)
    return f"no choice holds {names}: {ways}"


def thought_over(reasoning: Reasoning, refusal: str | None) -> Reasoning:
    """Say in the reasoning that the judge kept the computed choice."""
    if refusal is None:
        return reasoning
    return reasoning.model_copy(
        update={
            "path": "solver_overrode_llm",
            "agrees_with_solver": False,
            "warnings": (*reasoning.warnings, "judge_refused"),
        }
    )
