"""Whole decisions: what they say is complete, finite, and comes back from JSON as it was."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.cost_benefit.choices import Choice, Way
from optimizer.decisions.answer import hash_of
from optimizer.decisions.decision import Decision, Inputs
from optimizer.decisions.draft import Draft
from optimizer.decisions.focus import read_focus
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.pareto_front import Front, build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import Lever, ResourceState, Snapshot
from optimizer.decisions.solve import solve, with_conflict
from optimizer.decisions.strategy import Strategies, meant_objective
from optimizer.plugins import Registry
from optimizer.prices import FARGATE
from optimizer.thinking.thinker import solver_alone

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
OBJECTIVES = Registry("objective", BUILT_IN)
MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


def decide(snapshot: Snapshot, asked: dict[str, Any] | None = None, job: Job = NO_JOB) -> Decision:
    """What the operation does, without its rooms."""
    request = OptimizationRequest.model_validate(asked or {})
    focus = read_focus(request.constraints, snapshot, job)

    def front_for(max_increase: float | None) -> Front:
        return build_front(
            snapshot,
            request.scope,
            rules=Rules(),
            max_increase=max_increase,
            movable=focus.movable if focus else None,
            job=job,
        )

    meant = meant_objective(request.primary_objective, snapshot, Strategies())
    front = front_for(request.constraints.max_resource_increase)
    solution = solve(front, request, OBJECTIVES[meant.name])
    if solution.best is None:
        solution = with_conflict(solution, front_for)
    inputs = Inputs(
        snapshot=snapshot, request=request, objective=meant.name, rules=Rules(), job=job
    )
    draft = Draft.of(
        solution,
        meant=meant,
        focus=focus,
        inputs=inputs,
        snapshot_text=snapshot.model_dump_json(),
        unthought=solver_alone,
    )
    decision, written = draft.decide(draft.question_of("opt-1"), draft.alone, created_at=NOON)
    assert Decision.model_validate_json(written.decision) == decision
    return decision


any_limit = st.floats(0, 1.7e308) | st.sampled_from([0.0, 5e-324, 1e-9, 0.05, 0.95, 1.0, 1e308])

scopes = st.sampled_from(["task_level", "session_level", "system_level", "global_level"])


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    scope=scopes,
    objective=st.sampled_from([None, *OBJECTIVES.names]),
    limits=st.fixed_dictionaries(
        {},
        optional={
            "max_cost": any_limit,
            "min_reliability": st.floats(0, 1),
            "max_resource_increase": any_limit,
            "max_latency_ms": any_limit,
            "min_performance": st.floats(-1.7e308, 100),
            "focus": st.sampled_from(["cpu", "memory", "gpu", "graph_processing", "\n"]),
        },
    ),
    cpu=st.floats(0, 1),
    memory=st.floats(0, 1),
    spread=st.floats(0, 0.5),
)
def test_every_decision_is_finite_complete_and_the_same_after_json(
    make_snapshot: MakeSnapshot,
    make_state: MakeState,
    scope: str,
    objective: str | None,
    limits: dict[str, Any],
    cpu: float,
    memory: float,
    spread: float,
) -> None:
    states = {
        "cpu": make_state("cpu", cpu, spread=spread),
        "memory": make_state("memory", memory, spread=spread),
    }

    decision = decide(
        make_snapshot(states),
        {"scope": scope, "primary_objective": objective, "constraints": limits},
    )

    assert Decision.model_validate_json(decision.model_dump_json()) == decision
    assert all(math.isfinite(number) for number in numbers_in(decision.model_dump()))
    assert all(check.held is not False for check in decision.constraints)
    assert (decision.status == "infeasible") == (decision.conflict is not None)
    assert bool(decision.implementation_plan) == (decision.status != "infeasible")
    for figure in (
        "estimated_cost",
        "cost_delta",
        "estimated_performance",
        "performance_bounds",
        "estimated_reliability",
        "reliability",
        "reliability_bounds",
        "confidence_score",
    ):
        assert (getattr(decision, figure) is None) == (figure in decision.unknown)


def numbers_in(value: object) -> list[float]:
    if isinstance(value, float):
        return [value]
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers_in(part)]
    if isinstance(value, list | tuple):
        return [number for part in value for number in numbers_in(part)]
    return []


def test_an_unpriced_device_leaves_the_cost_unknown_and_says_what_to_set(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot({"gpu": make_state("gpu", capacity=1.0)})

    decision = decide(snapshot, {"constraints": {"max_cost": 100.0}})

    assert decision.estimated_cost is None
    assert "prices" in decision.unknown["estimated_cost"]
    assert decision.constraints[0].held is None
    assert decision.status == "insufficient_data"


def test_a_plan_that_leaves_the_forecasts_way_says_why(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    short = make_state("memory", 0.9, recommended_change=0.3, recommended_because="it fills up")

    decision = decide(make_snapshot({"memory": short}), {"primary_objective": "cost_minimization"})

    assert any("+30% memory (it fills up)" in warning for warning in decision.warnings)


def test_a_plan_that_goes_the_forecasts_way_needs_no_excuse(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    short = make_state("memory", 0.9, spread=0.08, recommended_change=0.3)

    decision = decide(
        make_snapshot({"memory": short}), {"primary_objective": "reliability_optimization"}
    )

    assert decision.warnings == ()
    assert "increase_memory" in [step["action"] for step in decision.implementation_plan]


def test_the_front_of_a_decision_shows_the_price_of_the_next_step(
    make_snapshot: MakeSnapshot,
) -> None:
    points = decide(make_snapshot()).pareto

    first, second = points[:2]
    assert first.cost_usd_month is not None
    assert second.cost_usd_month is not None
    assert first.usd_month_to_next == second.cost_usd_month - first.cost_usd_month
    assert points[-1].usd_month_to_next is None


def test_different_inputs_have_different_hashes(make_snapshot: MakeSnapshot) -> None:
    inputs = Inputs(
        snapshot=make_snapshot(), request=OptimizationRequest(), objective="x", rules=Rules()
    )

    assert hash_of(inputs) == hash_of(inputs.model_copy())
    assert hash_of(inputs) != hash_of(inputs.model_copy(update={"objective": "y"}))


def test_the_text_of_inputs_is_their_json_however_it_is_put_together(
    make_snapshot: MakeSnapshot,
) -> None:
    request = OptimizationRequest.model_validate({"constraints": {"max_cost": 1.5}})
    inputs = Inputs(snapshot=make_snapshot(), request=request, objective="x", rules=Rules())

    text = inputs.text(inputs.snapshot.model_dump_json())

    assert text == inputs.model_dump_json()
    assert hash_of(inputs, text) == hash_of(inputs)
    assert Inputs.model_validate_json(text) == inputs


def test_a_cost_has_the_interval_of_its_prices_and_of_the_attempts(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    price = FARGATE.price("cpu")
    assert price is not None
    unsure = make_state("cpu", 0.7, price=price.model_copy(update={"spread": 0.2}))
    way = Way(id="a", text="go to a", usd=2.0, usd_interval=(1.5, 4.0), seconds=1.0, p_failure=0.1)
    job = Job(choices=(Choice(name="route", ways=(way,)),), times_per_month=10)

    exact = decide(make_snapshot())
    spread = decide(make_snapshot({"cpu": unsure}))
    task = decide(make_snapshot(), {"scope": "task_level"}, job)

    assert exact.estimated_cost is not None
    assert exact.cost_bounds == pytest.approx((exact.estimated_cost, exact.estimated_cost))
    assert spread.cost_bounds is not None
    assert spread.estimated_cost is not None
    cores = 8 * 0.04048 * 730 * 0.2
    assert spread.cost_bounds[1] - spread.estimated_cost == pytest.approx(cores)
    assert task.cost_bounds is not None
    assert task.estimated_cost is not None
    assert task.cost_bounds[0] == pytest.approx(task.estimated_cost - 5)
    assert task.cost_bounds[1] == pytest.approx(task.estimated_cost + 20)


def test_a_task_that_nothing_free_can_hold_is_told_to_say_its_own_size(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    leased_out = make_state("memory", 0.6, leased=8.0 * 2**30)

    task = decide(make_snapshot({"memory": leased_out}), {"scope": "task_level"})

    [warning] = [text for text in task.warnings if "say so in task.needs" in text]
    assert "all memory that is free, 8.00 GiB" in warning


def test_what_to_do_next_is_what_whoever_reads_it_can_do(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    web = Lever(actuator="web", downtime=False)
    commanded = make_snapshot({"cpu": make_state("cpu", 0.7, lever=web)})
    fastest = {"primary_objective": "performance_maximization"}

    assert decide(make_snapshot(), {"scope": "task_level"}).next.startswith("Carry out")
    assert "sro apply opt-1" in decide(commanded, fastest).next
    assert "is advice" in decide(make_snapshot(), fastest).next
    kept = decide(make_snapshot(), fastest | {"constraints": {"max_resource_increase": 0}})
    assert kept.next.startswith("There is nothing to carry out")
