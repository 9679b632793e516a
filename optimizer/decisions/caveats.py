"""What a decision does not know, and what to mind before it is carried out."""

from collections.abc import Iterator

from optimizer.decisions.confidence import Confidence
from optimizer.decisions.figures import REQUIRED_OUTLOOKS, Candidate, left_beside
from optimizer.decisions.focus import Focus
from optimizer.decisions.levels import TOLERANCE, Basis, is_lease_scope
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.recommend import TARGET_PROBABILITY
from optimizer.decisions.risk import exceedance
from optimizer.decisions.solve import Solution
from optimizer.quantities import format_amount

COSTS = ("estimated_cost", "cost_delta", "cost_bounds")
PERFORMANCES = ("estimated_performance", "performance_bounds")
RELIABILITIES = ("estimated_reliability", "reliability", "reliability_bounds")


def unknown_figures(
    solution: Solution, chosen: Candidate | None, confidence: Confidence, *, has_band: bool
) -> dict[str, str]:
    """Why each figure that is null is null.

    Args:
        solution: The computed answer.
        chosen: The candidate that stands.
        confidence: What came of that.
        has_band: Whether there are bounds of the improvement.
    """
    if chosen is None:
        names = ("confidence_score", *COSTS, *PERFORMANCES, *RELIABILITIES)
        return dict.fromkeys(names, "no choice holds the limits; see conflict")
    unknown = {} if confidence.reason is None else {"confidence_score": confidence.reason}
    if chosen.cost_usd_month is None:
        unknown |= dict.fromkeys(COSTS, _unpriced(solution.front))
    if chosen.performance is None:
        reason = (
            "the seconds of some way are not known; give latency_ms of each, or task.work_s"
            if solution.front.job.is_timed
            else "CPU is or would be fully used: there is no steady response time to compare"
        )
        unknown |= dict.fromkeys(PERFORMANCES, reason)
    elif not has_band and solution.front.job.is_timed:
        unknown["performance_bounds"] = "how much the task's seconds vary is not known"
    elif not has_band and "cpu" in solution.front.job.needs:
        unknown["performance_bounds"] = "how much the work's need of cpu varies is not known"
    elif not has_band and solution.front.scope == "global_level":
        unknown["performance_bounds"] = "the bands of several hosts are not put together"
    elif not has_band:
        unknown["performance_bounds"] = "there is no band of CPU demand below its capacity"
    if chosen.reliability is None:
        unknown |= dict.fromkeys(RELIABILITIES, _no_outlook(solution.front))
    return unknown


def _unpriced(front: Front) -> str:
    names = [
        basis.resource
        for basis in front.considered
        if basis.amount and basis.state.price is None and not basis.state.charged_otherwise
    ]
    reasons = (
        [f"no price of {', '.join(names)} is configured; set prices in sro.toml"] if names else []
    )
    reasons += [
        f"what {way.id} costs is not known; say its cost, or requirements.unknown_cost_usd"
        for choice in front.job.choices
        for way in choice.ways
        if way.usd is None
    ][:1]
    session = front.job.session
    if session is not None and session.held_usd_month is None:
        reasons.append("a lease of this session holds what has no price")
    return "; ".join(reasons)


def _no_outlook(front: Front) -> str:
    """Why there is no forecast, each reason once."""
    without: dict[str, list[str]] = {}
    for basis in front.considered:
        if basis.resource in REQUIRED_OUTLOOKS and not basis.state.outlook:
            reason = basis.state.unknown.get("outlook", "there is no forecast")
            without.setdefault(reason, []).append(basis.resource)
    reasons = [f"{', '.join(names)}: {reason}" for reason, names in without.items()]
    return "; ".join(reasons) or "the capacity of cpu or memory is not known"


def warnings_of(
    solution: Solution, chosen: Candidate | None, focus: Focus | None
) -> tuple[str, ...]:
    """What could not be priced, checked or followed."""
    warnings = []
    if focus is not None and focus.movable is None:
        warnings.append(focus.warning)
    if solution.front.today.cost_usd_month is None:
        warnings.append(f"cost is not known: {_unpriced(solution.front)}")
    if "cost" in solution.missing:
        warnings.append("candidates are ordered by how much they use instead of by cost")
    if chosen is not None and not solution.sure:
        warnings.append("a limit could not be checked; see constraints where held is null")
    if chosen is not None and is_lease_scope(solution.front.scope):
        warnings.extend(_too_little_free(chosen, solution.front))
    if chosen is not None:
        warnings.extend(_not_followed(chosen, solution.front))
    return tuple(warnings)


def _too_little_free(chosen: Candidate, front: Front) -> Iterator[str]:
    """Where not even all that is free holds what the work is taken to need."""
    for basis in front.considered:
        quantiles = [(q.probability, q.amount) for q in basis.state.outlook]
        if basis.need is not None:
            yield from _too_much_needed(basis, chosen.amounts[basis.resource], quantiles)
        elif quantiles and exceedance(quantiles, basis.amount) > TARGET_PROBABILITY:
            yield (
                f"all {basis.resource} that is free, {format_amount(basis.amount, basis.unit)}, is "
                "less than this machine is forecast to use, which the work is taken to need; if it "
                "needs less, say so in task.needs"
            )


def _too_much_needed(
    basis: Basis, amount: float, quantiles: list[tuple[float, float]]
) -> Iterator[str]:
    """Where what the work needs is not free, or is not forecast to stay so."""
    free = basis.state.available
    shown = format_amount(amount, basis.unit)
    if free is not None and amount > free * (1 + TOLERANCE):
        yield (
            f"{shown} of {basis.resource} are not free now, {format_amount(free, basis.unit)} are"
        )
    risk = exceedance(quantiles, left_beside(basis, amount)) if quantiles else 0.0
    if risk > TARGET_PROBABILITY:
        yield (
            f"beside {shown} for this work {basis.resource} runs out with a probability of "
            f"{risk:.0%} within the forecast; wait for a quiet window of forecast_workload"
        )


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
