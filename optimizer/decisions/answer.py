"""A computed choice, thought over or not, to the Decision that is answered."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from optimizer.decisions.confidence import Confidence, from_backtest
from optimizer.decisions.constraints import check
from optimizer.decisions.decision import ConstraintCheck, Decision, Inputs
from optimizer.decisions.figures import Candidate
from optimizer.decisions.objectives import ByMeasure
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.plan import make_plan
from optimizer.decisions.solve import Solution
from optimizer.decisions.strategy import Meant
from optimizer.decisions.wording import assumptions, figures_of, outlook, situation, summarise
from optimizer.thinking import question as thinking
from optimizer.thinking.question import Question, Reasoning


@dataclass(frozen=True)
class Focus:
    """What `constraints.focus` came to.

    Attributes:
        asked: As the request names it.
        movable: The resources that it lets move; None when it names nothing that is known.
        known: What it may name.
    """

    asked: str
    movable: frozenset[str] | None
    known: tuple[str, ...]

    @property
    def check(self) -> ConstraintCheck:
        """The limit in the decision's list."""
        return ConstraintCheck(
            name="focus",
            limit=self.asked,
            actual=None,
            slack=None,
            unit="resource or label",
            held=True if self.movable is not None else None,
            reason=None if self.movable is not None else self.warning,
        )

    @property
    def warning(self) -> str:
        """What to do about a focus that names nothing."""
        return (
            f"focus {self.asked!r} names no resource that can move here, so it narrows nothing; "
            f"known: {', '.join(self.known) or 'none'}"
        )


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
        return _impossible(solution)
    best, name = solution.ranked[0], solution.objective.name
    meaning = (
        solution.objective.meaning
        if isinstance(solution.objective, ByMeasure)
        else "by the rank of an installed strategy"
    )
    first = f"{name} ({meaning}) puts {best.id} first: {figures_of(best)}"
    if len(solution.ranked) < 2:
        return f"{first}; no other choice holds the limits"
    second = solution.ranked[1]
    return f"{first}; next is {second.id}: {figures_of(second)}"


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


def answer(
    solution: Solution,
    chosen: Candidate | None,
    reasoning: Reasoning,
    *,
    decision_id: str,
    meant: Meant,
    focus: Focus | None,
    inputs: Inputs,
    created_at: datetime,
    further_warnings: tuple[str, ...] = (),
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
        created_at: Now.
        further_warnings: Warnings from outside this room.
    """
    front = solution.front
    sure_how = _confidence(solution, chosen)
    checks = [] if chosen is None else check(chosen, solution.limits)
    today = front.today
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
        implementation_plan=make_plan(chosen, front) if chosen else [],
        cost_delta=delta,
        reliability=chosen.reliability if chosen else None,
        reliability_bounds=_bounds(chosen) if chosen else None,
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
        warnings=(*_warnings(solution, chosen, focus), *further_warnings),
        unknown=_unknown(solution, chosen, sure_how),
        inputs_hash=hash_of(inputs),
        horizon_hours=front.snapshot.horizon_hours,
        host=front.snapshot.host,
        created_at=created_at,
        computed_at=front.snapshot.computed_at,
        next=_next(solution, chosen),
    )


def hash_of(inputs: Inputs) -> str:
    """SHA-256 of the inputs as JSON, so that two decisions from the same inputs show it."""
    return hashlib.sha256(inputs.model_dump_json().encode()).hexdigest()


def _confidence(solution: Solution, chosen: Candidate | None) -> Confidence:
    if chosen is None:
        return Confidence(None, reason="no choice holds the limits")
    return from_backtest(chosen, solution.front.snapshot, solution.limits)


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _safer(chosen: Candidate, today: Candidate) -> float | None:
    """How much of today's probability of running out or failing is gone, in %."""
    if chosen.reliability is None or today.reliability is None or today.reliability >= 1:
        return None
    return 100 * (1 - (1 - chosen.reliability) / (1 - today.reliability))


def _bounds(chosen: Candidate) -> tuple[float, float] | None:
    if chosen.reliability is None or chosen.reliability_best is None:
        return None
    return chosen.reliability, chosen.reliability_best


def _unknown(
    solution: Solution, chosen: Candidate | None, confidence: Confidence
) -> Mapping[str, str]:
    """Why each figure that is null is null."""
    unknown: dict[str, str] = {}
    if confidence.reason is not None:
        unknown["confidence_score"] = confidence.reason
    if chosen is None:
        figures = ("estimated_cost", "estimated_performance", "estimated_reliability")
        return unknown | dict.fromkeys(figures, "no choice holds the limits; see conflict")
    if chosen.cost_usd_month is None:
        unknown["estimated_cost"] = _unpriced(solution.front)
    if chosen.performance is None:
        unknown["estimated_performance"] = (
            "CPU is fully used, so today's response time has no steady state to compare with"
        )
    if chosen.reliability is None:
        reason = _no_outlook(solution.front)
        unknown["estimated_reliability"] = unknown["reliability"] = reason
    return unknown


def _unpriced(front: Front) -> str:
    names = [
        basis.resource
        for basis in front.considered
        if basis.amount and basis.state.price is None and not basis.state.charged_otherwise
    ]
    return f"no price of {', '.join(names)} is configured; set prices in sro.toml"


def _no_outlook(front: Front) -> str:
    reasons = [
        f"{basis.resource}: {basis.state.unknown.get('outlook', 'there is no forecast')}"
        for basis in front.considered
        if basis.resource in ("cpu", "memory") and not basis.state.outlook
    ]
    return "; ".join(reasons) or "the capacity of cpu or memory is not known"


def _warnings(solution: Solution, chosen: Candidate | None, focus: Focus | None) -> tuple[str, ...]:
    warnings = []
    if focus is not None and focus.movable is None:
        warnings.append(focus.warning)
    if solution.front.today.cost_usd_month is None:
        warnings.append(f"cost is not known: {_unpriced(solution.front)}")
    if "cost" in solution.missing:
        warnings.append("candidates are ordered by how much they use instead of by cost")
    if chosen is not None and not solution.sure:
        warnings.append("a limit could not be checked; see constraints where held is null")
    if chosen is not None:
        warnings.extend(_not_followed(chosen, solution.front))
    return tuple(warnings)


def _not_followed(chosen: Candidate, front: Front) -> Iterator[str]:
    """Where the choice goes another way than the forecast's recommendation, and why."""
    for basis in front.considered:
        advised = basis.state.recommended_change
        change = chosen.levels[basis.resource] - 1
        if advised is None or change * advised > 0 or (advised < 0 and change == 0):
            continue
        yield (
            f"the forecast recommends {advised:+.0%} {basis.resource} "
            f"({basis.state.recommended_because}); under this objective and these limits the "
            f"choice is {change:+.0%}"
        )


def _summary(solution: Solution, chosen: Candidate | None) -> str:
    if chosen is not None:
        return f"{solution.objective.name}: {summarise(chosen, solution.front)}."
    return f"{_impossible(solution)}."


def _impossible(solution: Solution) -> str:
    """Which limits no choice holds, and what would be enough."""
    if solution.conflict is None:
        return "no choice holds the limits"
    names = " and ".join(solution.conflict.irreducible_set)
    ways = "; ".join(way.description for way in solution.conflict.relaxations)
    return f"no choice holds {names}: {ways}"


def _next(solution: Solution, chosen: Candidate | None) -> str:
    if chosen is None:
        ways = solution.conflict.relaxations if solution.conflict else ()
        enough = [way.description for way in ways if way.needed is not None]
        return "Ask again with one limit loosened: " + ("; or ".join(enough) or "none is enough")
    if solution.status(chosen) == "insufficient_data":
        return (
            "Carry out nothing that the plan marks as advice before the unknown figures are known"
        )
    return "Carry out implementation_plan step by step; explain_decision says why it fell so"
