"""A computed answer put up for thought, and what thinking may say about it."""

from optimizer.decisions.decision import ThoughtFrame
from optimizer.decisions.figures import Candidate
from optimizer.decisions.objectives import ByMeasure
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.solve import Solution
from optimizer.decisions.wording import figures_of, outlook, situation, summarise
from optimizer.statistics import significant
from optimizer.thinking import question as thinking
from optimizer.thinking.question import Question, Reasoning, Recording, Thought

WITHOUT_TOOL = "POST /api/v1/decisions/{decision_id}/choice"


def ask(solution: Solution, decision_id: str, experience: tuple[str, ...] = ()) -> Question:
    """Put a computed answer up for thought.

    Args:
        solution: The answer; without a candidate it holds the conflict.
        decision_id: What the thoughts belong to.
        experience: What past decisions changed in fact, newest first.
    """
    front = solution.front
    return Question(
        decision_id=decision_id,
        topic="optimization",
        situation=situation(front.snapshot),
        outlook=outlook(front.snapshot),
        context=solution.request.context,
        candidates=tuple(_candidate(option, front) for option in solution.options),
        dropped=(
            (thinking.Dropped(id=solution.dropped.candidate.id, reason=solution.dropped.reason),)
            if solution.dropped
            else ()
        ),
        experience=experience,
        chosen_because=because(solution),
    )


def frame_of(question: Question) -> ThoughtFrame:
    """What the agent that asked thinks over itself."""
    first = question.candidates[0].id
    return ThoughtFrame(
        question=(
            f"Which of these {len(question.candidates)} candidates? All of them hold every limit. "
            "Choose by what the words say and the numbers cannot; where the words decide nothing, "
            f"choose {first}."
        ),
        facts=(*question.situation, *question.outlook, *question.experience),
        candidates=tuple(_readable(candidate) for candidate in question.candidates),
        solver_says=question.chosen_because,
        answer_with=(
            f"submit_choice(decision_id={question.decision_id!r}, candidate_id, thought), or "
            + WITHOUT_TOOL.format(decision_id=question.decision_id)
            + f". {first} stands until then."
        ),
    )


def _readable(candidate: thinking.Candidate) -> thinking.Candidate:
    """With as many digits as tell the candidates apart."""
    figures = {n: None if v is None else significant(v) for n, v in candidate.figures.items()}
    return candidate.model_copy(update={"figures": figures})


def awaiting_client(reasoning: Reasoning) -> Reasoning:
    """Say in the reasoning that the agent that asked has not chosen yet."""
    return reasoning.model_copy(update={"path": "client_pending"})


def chosen_by_client(
    reasoning: Reasoning,
    question: Question,
    candidate_id: str,
    *,
    further: tuple[Thought, ...],
    recording: Recording,
    refusal: str | None,
) -> Reasoning:
    """How a choice came about that the agent handed in.

    Args:
        reasoning: As it was before.
        question: What was decided.
        candidate_id: What the agent chose.
        further: Its thought and the conclusion.
        recording: What came of recording them.
        refusal: Why the agent's choice does not stand, if it was refused.
    """
    recorded = recording.scratchpad == reasoning.scratchpad  # One server has all of them.
    if refusal is not None:
        path = "solver_overrode_client"
    else:
        path = "client+scratchpad+solver" if recorded else "client_without_scratchpad"
    return reasoning.model_copy(
        update={
            "path": path,
            "scratchpad": reasoning.scratchpad if recorded else "none",
            "thoughts": (*reasoning.thoughts, *further),
            "model_choice": candidate_id,
            "agrees_with_solver": candidate_id == question.candidates[0].id,
            "warnings": (*reasoning.warnings, *recording.warnings),
        }
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
    conflict = solution.conflict
    names = [*conflict.irreducible_set, *(way.name for way in conflict.together)]
    return f"no choice holds {' and '.join(dict.fromkeys(names))}; {ways_out(solution)} would do"


def ways_out(solution: Solution) -> str:
    """Values of limits that would let a choice through."""
    if solution.conflict is None:
        return "fewer limits"
    alone = [way.description for way in solution.conflict.relaxations if way.needed is not None]
    together = [way.description for way in solution.conflict.together]
    return " or ".join(alone) or " together with ".join(together)


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
