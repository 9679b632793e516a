"""A computed choice, thought over or not, to the Decision that is answered."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from optimizer.decisions.asking import impossible, ways_out
from optimizer.decisions.bounds import cost_bounds, performance_bounds, reliability_bounds
from optimizer.decisions.caveats import unknown_figures, warnings_of
from optimizer.decisions.confidence import OF_SPEED, Confidence, confidence_in
from optimizer.decisions.constraints import check
from optimizer.decisions.decision import Decision, ImplementationStep, Inputs, ThoughtFrame
from optimizer.decisions.figures import Candidate
from optimizer.decisions.focus import Focus
from optimizer.decisions.levels import is_lease_scope
from optimizer.decisions.plan import make_plan
from optimizer.decisions.solve import Solution
from optimizer.decisions.steps import CALLER, OPERATOR
from optimizer.decisions.strategy import Meant
from optimizer.decisions.wording import assumptions, summarise
from optimizer.thinking.question import Reasoning


def answer(
    solution: Solution,
    chosen: Candidate | None,
    reasoning: Reasoning,
    *,
    decision_id: str,
    meant: Meant,
    focus: Focus | None,
    inputs: Inputs,
    inputs_text: str | None = None,
    created_at: datetime,
    further_warnings: tuple[str, ...] = (),
    frame: ThoughtFrame | None = None,
) -> Decision:
    """Assemble the decision.

    Args:
        solution: The computed answer.
        chosen: The candidate that stands; None when no candidate holds the limits.
        reasoning: How the choice came about.
        decision_id: Its id.
        meant: The objective and why it is this one.
        focus: What `constraints.focus` came to, when it was given.
        inputs: Everything that it was computed from.
        inputs_text: That as JSON, where it was made already.
        created_at: Now.
        further_warnings: Warnings from outside this room.
        frame: What the agent that asked chooses among, while it has not.
    """
    front = solution.front
    plan = make_plan(chosen, front) if chosen else []
    sure_how = _confidence(solution, chosen)
    checks = [] if chosen is None else check(chosen, solution.limits)
    today = front.today
    band = performance_bounds(chosen, front) if chosen else None
    delta = None if chosen is None else _difference(chosen.cost_usd_month, today.cost_usd_month)
    return Decision(
        decision_id=decision_id,
        strategy=meant.name,
        scope=front.scope,
        status=solution.status(chosen),
        estimated_cost=chosen.cost_usd_month if chosen else None,
        estimated_performance=chosen.performance if chosen else None,
        estimated_reliability=_safer(chosen, today) if chosen else None,
        confidence_score=sure_how.score,
        implementation_plan=plan,
        cost_delta=delta,
        cost_bounds=cost_bounds(chosen, front) if chosen else None,
        reliability=chosen.reliability if chosen else None,
        reliability_bounds=reliability_bounds(chosen) if chosen else None,
        performance_bounds=band,
        confidence_basis=sure_how.basis,
        confidence_n=sure_how.observations,
        constraints=(*checks, *((focus.check,) if focus else ())),
        conflict=solution.conflict,
        candidate_id=chosen.id if chosen else None,
        pareto=front.shown,
        reasoning=reasoning,
        objective_asked=solution.request.primary_objective,
        objective_because=meant.because,
        summary=_summary(solution, chosen),
        assumptions=assumptions(front),
        warnings=(*warnings_of(solution, chosen, focus), *further_warnings),
        unknown=unknown_figures(solution, chosen, sure_how, has_band=band is not None),
        inputs_hash=hash_of(inputs, inputs_text),
        horizon_hours=front.snapshot.horizon_hours,
        host=front.snapshot.host,
        created_at=created_at,
        computed_at=front.snapshot.computed_at,
        thought_frame=frame,
        next=frame.answer_with if frame else what_next(solution, chosen, plan, decision_id),
    )


def hash_of(inputs: Inputs, text: str | None = None) -> str:
    """SHA-256 of the inputs as JSON, so that two decisions from the same inputs show it.

    Args:
        inputs: What a decision is computed from.
        text: That as JSON, where it was made already.
    """
    return hashlib.sha256((text or inputs.text()).encode()).hexdigest()


def _confidence(solution: Solution, chosen: Candidate | None) -> Confidence:
    if chosen is None:
        return Confidence(None, reason="no choice holds the limits")
    limits = dict(solution.limits)
    if "cpu" in solution.front.job.needs:  # How fast it is depends on its own cores alone.
        limits = {name: limit for name, limit in limits.items() if name not in OF_SPEED}
    return confidence_in(chosen, solution.front.snapshot, limits)


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _safer(chosen: Candidate, today: Candidate) -> float | None:
    """How much of today's probability of running out or failing is gone, in %."""
    if chosen.reliability is None or today.reliability is None or today.reliability >= 1:
        return None
    return 100 * (1 - (1 - chosen.reliability) / (1 - today.reliability))


def _summary(solution: Solution, chosen: Candidate | None) -> str:
    if chosen is not None:
        return f"{solution.objective.name}: {summarise(chosen, solution.front)}."
    text = impossible(solution)
    return f"{text[0].upper()}{text[1:]}."


def what_next(
    solution: Solution,
    chosen: Candidate | None,
    plan: Sequence[ImplementationStep],
    decision_id: str,
) -> str:
    """What the reader of a decision can do now; it may name the decision."""
    if chosen is None:
        return f"Ask again with {ways_out(solution)}"
    is_lease = is_lease_scope(solution.front.scope)
    if solution.status(chosen) == "insufficient_data" and is_lease:
        return "Carry out implementation_plan: a lease ends by itself; unknown says what is missing"
    if solution.status(chosen) == "insufficient_data":
        return (
            "Carry out nothing that the plan marks as advice before the unknown figures are known"
        )
    why = "explain_decision says why it fell so"
    if [step["action"] for step in plan] == ["keep"]:
        return f"There is nothing to carry out; {why}"
    if is_lease:
        return f"Carry out implementation_plan step by step; {why}"
    if all(step["carried_out_by"] in (CALLER, OPERATOR) for step in plan):
        return f"implementation_plan is advice: nothing here can carry it out; {why}"
    return f"An operator carries implementation_plan out: sro apply {decision_id}; {why}"
