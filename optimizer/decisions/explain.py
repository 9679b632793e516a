"""A kept decision explained from what it was computed from."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.decisions.application import Application
from optimizer.decisions.asking import because
from optimizer.decisions.decision import ConstraintCheck, Decision, Inputs, Record
from optimizer.decisions.effects import Effect
from optimizer.decisions.focus import read_focus
from optimizer.decisions.objectives import Measured, Objective
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.sensitivity import Flip, decider, flips
from optimizer.decisions.solve import Solution, solve
from optimizer.decisions.wording import summarise
from optimizer.thinking.question import Thought

ExplanationDetail = Literal["why", "thoughts", "effect"]

NOT_APPLIED = (
    "this decision was not carried out here (apply_decision), so there is no before and after"
)
NOT_YET = "it is told from 15 recorded minutes after a decision was carried out"


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Alternative(_Noun):
    """A choice that holds the limits and was not taken."""

    id: str
    summary: str
    worse_by: float | None = Field(
        description="How much worse it is in the objective's own measure, as a fraction; null "
        "where the objective has no measure."
    )


class Why(_Noun):
    """Why a decision fell as it did."""

    because: str
    objective_because: str
    alternatives: tuple[Alternative, ...] = Field(description="The next best, best first.")
    dropped: str | None = Field(
        description="What would have been chosen without the limits, and the limit that it breaks."
    )
    constraints: tuple[ConstraintCheck, ...]
    flips: tuple[Flip, ...] = Field(
        description="Inputs, and the nearest values at which the choice becomes another."
    )
    replayed: bool = Field(
        description="Whether computing it again from its stored inputs gives the same choice, its "
        "figures and the front, bit for bit. False where "
        "thinking chose another candidate, or after an upgrade."
    )


class Explanation(_Noun):
    """What is known about a decision that was made."""

    decision_id: str
    detail: ExplanationDetail
    summary: str
    why: Why | None = None
    thoughts: tuple[Thought, ...] | None = None
    reasoning_path: str = Field(description="Who took part in the choice.")
    effect: Effect | None = Field(
        None, description="What the decision changed; null until it is measured."
    )
    application: Application | None = Field(
        None, description="What became of its steps; null when it was not carried out here."
    )
    unknown: Mapping[str, str] = Field(default_factory=dict)


def explain(
    record: Record,
    detail: ExplanationDetail,
    objective: Objective | None,
    application: Application | None = None,
) -> Explanation:
    """Explain a decision.

    Args:
        record: The decision with its inputs.
        detail: What to explain.
        objective: The decision's objective; None when it is no longer installed.
        application: What became of it, for `effect`; None when it was not carried out.

    Returns:
        The explanation. `why` computes the decision again some hundred times with other inputs.
    """
    decision = record.decision
    why = None
    unknown: dict[str, str] = {}
    if detail == "why" and objective is None:
        unknown["why"] = f"the objective {decision.strategy} is no longer installed"
    elif detail == "why" and objective is not None:
        why = _why(record, objective)
    elif detail == "effect" and application is None:
        unknown["effect"] = NOT_APPLIED
    elif application is not None and application.effect is None:
        unknown["effect"] = application.because or NOT_YET
    return Explanation(
        decision_id=decision.decision_id,
        detail=detail,
        summary=decision.summary,
        why=why,
        thoughts=decision.reasoning.thoughts if detail == "thoughts" else None,
        reasoning_path=decision.reasoning.path,
        effect=application.effect if application is not None else None,
        application=_without_principal(application),
        unknown=unknown,
    )


def solved_again(inputs: Inputs, objective: Objective) -> Solution:
    """Compute a decision anew from what it was computed from."""
    focus = read_focus(inputs.request.constraints, inputs.snapshot, inputs.job)
    front = build_front(
        inputs.snapshot,
        inputs.request.scope,
        rules=inputs.rules,
        max_increase=inputs.request.constraints.max_resource_increase,
        movable=focus.movable if focus else None,
        job=inputs.job,
    )
    return solve(front, inputs.request, objective)


def _without_principal(application: Application | None) -> Application | None:
    """Everybody may ask; who carried it out is the operators' affair."""
    if application is None:
        return None
    return application.model_copy(update={"principal": None, "effect": None})


def _why(record: Record, objective: Objective) -> Why:
    decision, inputs = record.decision, record.inputs
    focus = read_focus(inputs.request.constraints, inputs.snapshot, inputs.job)
    movable = focus.movable if focus else None
    solution = solved_again(inputs, objective)
    found = solution.best is not None
    return Why(
        because=because(solution) if found else decision.summary,
        objective_because=decision.objective_because,
        alternatives=_alternatives(solution),
        dropped=_dropped(solution),
        constraints=decision.constraints,
        flips=flips(solution, decider(objective, inputs.rules, movable, inputs.job), inputs.rules)
        if found
        else (),
        replayed=_is_same(solution, decision),
    )


def _is_same(solution: Solution, decision: Decision) -> bool:
    """Whether a choice, its figures and the whole front are those of a decision, bit for bit."""
    best = solution.best
    if solution.front.shown != decision.pareto:
        return False
    if best is None:
        return decision.candidate_id is None
    again = (best.id, best.cost_usd_month, best.performance, best.reliability)
    figures = decision.estimated_cost, decision.estimated_performance, decision.reliability
    return again == (decision.candidate_id, *figures)


def _alternatives(solution: Solution) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(
            id=candidate.id,
            summary=summarise(candidate, solution.front),
            worse_by=_worse_by(solution, place),
        )
        for place, candidate in enumerate(solution.options)
        if place > 0
    )


def _worse_by(solution: Solution, place: int) -> float | None:
    """How much worse the candidate of a rank is than the first, as a fraction."""
    if not isinstance(solution.objective, Measured):
        return None
    best, other = (
        solution.objective.measure(solution.ranked[at], solution.request) for at in (0, place)
    )
    return None if best is None or other is None or best == 0 else (other - best) / abs(best)


def _dropped(solution: Solution) -> str | None:
    lead = solution.dropped
    if lead is None:
        return None
    return f"{summarise(lead.candidate, solution.front)}; it breaks {lead.reason}"
