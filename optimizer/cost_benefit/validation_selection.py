"""Choose a validation strategy by its expected cost, and say where the choice flips."""

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from optimizer.cost_benefit.figure import rounded
from optimizer.cost_benefit.flips import Flip, nearest_flips
from optimizer.cost_benefit.pareto import dominated_by
from optimizer.cost_benefit.requirements import WAGE_SOURCE
from optimizer.cost_benefit.validation import (
    Strategy,
    ValidationRequirements,
    best_cycles,
    cycle_price,
    expected_total,
    missed_share,
)


class StrategyView(TypedDict):
    """One strategy at its best number of cycles."""

    id: str
    cycles: int
    expected_cost_usd: float | None
    validation_usd: float | None
    expected_loss_usd: float | None
    p_escape: float | None
    dominated_by: str | None
    rejected: list[str]
    unknown: dict[str, str]


class ValidationAnalysis(TypedDict):
    """How to validate, and how often."""

    kind: Literal["validation"]
    chosen: str | None
    cycles: int | None
    rationale: str
    options: list[StrategyView]
    sensitivity: list[Flip]
    assumptions: dict[str, str]


def select_validation(
    strategies: Sequence[Strategy], requirements: ValidationRequirements
) -> ValidationAnalysis:
    """Choose the strategy and its number of cycles of least expected cost.

    The order of the strategies, and those that are not chosen, change nothing.
    """
    dominators = dominated_by({strategy.id: _criteria(strategy) for strategy in strategies})
    views = sorted(
        (_view(strategy, requirements, dominators[strategy.id]) for strategy in strategies),
        key=lambda view: (bool(view["rejected"]), view["expected_cost_usd"] or 0.0, view["id"]),
    )
    best = views[0]
    allowed = [s for s in strategies if not _broken(s, requirements)]
    return {
        "kind": "validation",
        "chosen": best["id"] if allowed else None,
        "cycles": best["cycles"] if allowed else None,
        "rationale": _rationale(best),
        "options": views,
        "sensitivity": _flips(allowed, requirements) if allowed else [],
        "assumptions": {
            "prior_error": f"{requirements.prior_error:g}",
            "escape_loss_usd": f"{requirements.escape_loss_usd:.4g} USD",
            "usd_per_second_waiting": f"{requirements.usd_per_second_waiting:.4g} USD",
            "defaults": WAGE_SOURCE,
        },
    }


def _broken(strategy: Strategy, requirements: ValidationRequirements) -> list[str]:
    limit = requirements.max_escaped
    cycles = best_cycles(strategy, requirements)
    escaped = requirements.prior_error * missed_share(strategy, cycles)
    if limit is None or escaped <= limit:
        return []
    return [f"max_escaped: {escaped:.3g} after {cycles} cycles is over {limit:g}"]


def _criteria(strategy: Strategy) -> list[float | None]:
    """More is better. One validator that repeats finds less than independent ones."""
    return [
        -strategy.cycle_cost_usd,
        None if strategy.cycle_latency_ms is None else -strategy.cycle_latency_ms,
        strategy.detection,
        float(strategy.repeats == "independent"),
        float(strategy.max_cycles),
    ]


def _view(
    strategy: Strategy, requirements: ValidationRequirements, dominator: str | None
) -> StrategyView:
    cycles = best_cycles(strategy, requirements)
    escaped = requirements.prior_error * missed_share(strategy, cycles)
    return {
        "id": strategy.id,
        "cycles": cycles,
        "expected_cost_usd": rounded(expected_total(strategy, requirements, cycles)),
        "validation_usd": rounded(cycles * cycle_price(strategy, requirements)),
        "expected_loss_usd": rounded(escaped * requirements.escape_loss_usd),
        "p_escape": rounded(escaped),
        "dominated_by": dominator,
        "rejected": _broken(strategy, requirements),
        "unknown": {}
        if strategy.cycle_latency_ms is not None
        else {"cycle_latency_ms": "not given; waiting is not charged"},
    }


def _rationale(view: StrategyView) -> str:
    if view["rejected"]:
        return f"every strategy is rejected; the nearest is {view['id']} ({view['rejected'][0]})"
    return (
        f"{view['id']} with {view['cycles']} cycles costs least, {view['expected_cost_usd']:.3g} "
        f"USD expected: {view['validation_usd']:.3g} for validating and "
        f"{view['expected_loss_usd']:.3g} for errors that escape, {view['p_escape']:.2g} of results"
    )


def _flips(strategies: Sequence[Strategy], requirements: ValidationRequirements) -> list[Flip]:
    flips = []
    for name, unit, most in (
        ("escape_loss_usd", "USD", 1e9),
        ("prior_error", "of results", 1.0),
        ("usd_per_second_waiting", "USD", 1e9),
    ):

        def chosen_at(value: float, name: str = name) -> str:
            changed = requirements.model_copy(update={name: value})
            best = min(
                strategies,
                key=lambda s: (expected_total(s, changed, best_cycles(s, changed)), s.id),
            )
            cycles = best_cycles(best, changed)
            return f"{best.id} with {cycles} cycles"

        flips += nearest_flips(name, unit, getattr(requirements, name), chosen_at, most=most)
    return flips
