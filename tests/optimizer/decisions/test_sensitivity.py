from collections.abc import Callable

import pytest

from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.sensitivity import Flip, decider, flips
from optimizer.decisions.snapshot import ResourceState, Snapshot
from optimizer.decisions.solve import solve
from optimizer.plugins import Registry

OBJECTIVES = Registry("objective", BUILT_IN)
MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


def flips_of(snapshot: Snapshot, name: str, **limits: float) -> list[Flip]:
    request = OptimizationRequest.model_validate({"constraints": limits})
    rules = Rules()
    front = build_front(
        snapshot,
        "system_level",
        rules=rules,
        max_increase=limits.get("max_resource_increase"),
    )
    solution = solve(front, request, OBJECTIVES[name])
    return list(flips(solution, decider(OBJECTIVES[name], rules, None), rules))


def test_the_budget_at_which_the_fastest_choice_changes_is_the_cost_of_the_next(
    make_snapshot: MakeSnapshot,
) -> None:
    found = flips_of(make_snapshot(), "performance_maximization", max_cost=400.0)

    tighter, looser = [flip for flip in found if flip.input == "max_cost"]
    assert tighter.flips_at == pytest.approx(350.98692)
    assert tighter.to == "no_change"
    assert looser.flips_at == pytest.approx(410.08772)
    assert looser.to == "cpu_1.5"


def test_more_demand_flips_the_balance_to_more_cores(make_snapshot: MakeSnapshot) -> None:
    found = flips_of(make_snapshot(), "balanced_optimization")

    demand = next(f for f in found if f.input == "demand of cpu" and f.flips_at > f.now)
    assert demand.to is not None
    assert "cpu_" in demand.to


def test_at_the_named_demand_the_choice_is_really_another(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    demand = next(
        f
        for f in flips_of(make_snapshot(), "balanced_optimization")
        if f.input == "demand of cpu" and f.flips_at > f.now
    )
    factor = demand.flips_at / demand.now

    def choice(times: float) -> str | None:
        share = 0.7 * times
        state = make_state("cpu", share, spread=0.03 * times)
        front = build_front(
            make_snapshot({"cpu": state}), "system_level", rules=Rules(), max_increase=None
        )
        best = solve(front, OptimizationRequest(), OBJECTIVES["balanced_optimization"]).best
        return None if best is None else best.id

    assert choice(factor * 1.001) == demand.to
    assert choice(factor * 0.98) != demand.to


def test_an_increase_limit_flips_at_the_next_level(make_snapshot: MakeSnapshot) -> None:
    found = flips_of(make_snapshot(), "performance_maximization", max_resource_increase=0.3)

    looser = next(f for f in found if f.input == "max_resource_increase" and f.flips_at > 0.3)
    assert looser.flips_at == pytest.approx(0.5)
    assert looser.to == "cpu_1.5"
