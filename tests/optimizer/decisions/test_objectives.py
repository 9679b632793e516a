from collections.abc import Callable

import pytest

from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import ALIASES, BUILT_IN
from optimizer.decisions.pareto_front import Front, build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import ResourceState, Snapshot
from optimizer.decisions.solve import solve
from optimizer.plugins import Registry

OBJECTIVES = Registry("objective", BUILT_IN)
MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


def front_of(snapshot: Snapshot) -> Front:
    return build_front(snapshot, "system_level", rules=Rules(), max_increase=None)


def chosen(snapshot: Snapshot, name: str, **limits: float) -> str:
    request = OptimizationRequest.model_validate({"constraints": limits})
    best = solve(front_of(snapshot), request, OBJECTIVES[name]).best
    assert best is not None
    return best.id


def test_the_built_in_objectives_are_those_of_the_reference_and_emergency() -> None:
    assert OBJECTIVES.names == (
        "balanced_optimization",
        "performance_maximization",
        "cost_minimization",
        "reliability_optimization",
        "emergency",
    )
    assert set(ALIASES.values()) <= set(OBJECTIVES.names)


def test_each_objective_goes_its_own_way_on_a_machine_short_of_memory(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    short = make_snapshot(
        {
            "memory": make_state("memory", 0.9, spread=0.08),
            "cpu": make_state("cpu", 0.5, spread=0.05),
        }
    )

    assert chosen(short, "cost_minimization") == "no_change"
    assert "cpu_2" in chosen(short, "performance_maximization")
    assert chosen(short, "reliability_optimization").startswith("memory_")
    assert "memory_1.25" in chosen(short, "balanced_optimization")


def test_a_budget_is_permission_to_spend_for_the_balance(make_snapshot: MakeSnapshot) -> None:
    assert chosen(make_snapshot(), "balanced_optimization", max_cost=5000.0) != chosen(
        make_snapshot(), "balanced_optimization"
    )


def test_of_equally_reliable_choices_the_cheapest_is_taken(make_snapshot: MakeSnapshot) -> None:
    front = front_of(make_snapshot())
    least = min(c.risk for c in front.candidates if c.risk is not None)
    safest = [c for c in front.candidates if c.risk == least]

    assert (
        chosen(make_snapshot(), "reliability_optimization") == min(safest, key=lambda c: c.spend).id
    )


def test_an_unpriced_machine_is_ordered_by_how_much_it_uses(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    unpriced = make_snapshot(
        {"cpu": make_state("cpu", 0.7, price=None), "memory": make_state("memory", 0.6, price=None)}
    )
    front = front_of(unpriced)

    assert front.today.cost_usd_month is None
    assert chosen(unpriced, "cost_minimization") == "no_change"
    assert front.today.spend == pytest.approx(2 + 1)


def test_a_rank_names_every_candidate_once(make_snapshot: MakeSnapshot) -> None:
    front = front_of(make_snapshot())

    for objective in BUILT_IN:
        ranked = objective.rank(front.choices, OptimizationRequest())
        assert sorted(ranked) == sorted(c.id for c in front.choices)
