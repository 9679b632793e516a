"""A lease for work whose own need is known: sized by that, and not by what the machine uses."""

from collections.abc import Callable
from statistics import NormalDist

import pytest

from optimizer.decisions.decision import Decision
from optimizer.decisions.job import Job, Need
from optimizer.decisions.levels import Rules
from optimizer.decisions.pareto_front import Front, build_front
from optimizer.decisions.plan import make_plan
from optimizer.decisions.snapshot import ResourceState, Snapshot
from tests.optimizer.decisions.conftest import GIB
from tests.optimizer.decisions.test_answer import decide

MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


def needing(cpu: float, memory_gib: float, *, cpu_counted: float = 0.0) -> Job:
    return Job(
        needs={
            "cpu": Need(amount=cpu, counted=cpu_counted, because="a test says so"),
            "memory": Need(amount=memory_gib * GIB, because="a test says so"),
        }
    )


def front_for(snapshot: Snapshot, job: Job) -> Front:
    return build_front(snapshot, "task_level", rules=Rules(), max_increase=None, job=job)


def decided(snapshot: Snapshot, job: Job, objective: str) -> Decision:
    return decide(snapshot, {"scope": "task_level", "primary_objective": objective}, job)


def test_what_the_machine_uses_does_not_size_the_lease(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    busy = make_snapshot({"cpu": make_state("cpu", 0.7), "memory": make_state("memory", 0.6)})

    decision = decided(busy, needing(0.5, 1.0), "performance_maximization")

    assert decision.summary.startswith(
        "performance_maximization: a lease of cpu 0.5 core, memory 1.00 GiB"
    )
    assert decision.estimated_performance == 0
    assert not any("task.needs" in warning for warning in decision.warnings)
    assert "The work uses at most 0.5 core of cpu: a test says so." in decision.assumptions


def test_fewer_cores_take_longer_in_proportion_and_memory_is_never_less_than_needed(
    make_snapshot: MakeSnapshot,
) -> None:
    front = front_for(make_snapshot(), needing(2.0, 3.0))

    assert front.today.id == "as_needed"
    assert {c.amounts["memory"] for c in front.candidates} == {3.0 * GIB}
    times = {c.levels["cpu"]: c.latency_ratio for c in front.candidates}
    assert times == pytest.approx({0.1: 10, 0.25: 4, 0.5: 2, 0.75: 4 / 3, 1.0: 1})
    assert all(c.latency_ms is None for c in front.candidates)


def test_the_risk_is_that_all_else_needs_what_is_left(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot({"memory": make_state("memory", 0.6, spread=0.1)})

    front = front_for(snapshot, needing(1.0, 4.0))

    left = NormalDist(0.6 * 16, 0.1 * 16).cdf(16 - 4)
    assert front.today.exhaustion is not None
    assert front.today.exhaustion[0] == pytest.approx(1 - left, abs=1e-4)


def test_what_the_machines_use_holds_already_is_not_counted_twice(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot({"cpu": make_state("cpu", 0.7, spread=0.1)})

    new, known = (
        front_for(snapshot, needing(2.0, 1.0, cpu_counted=counted)).today for counted in (0.0, 1.5)
    )

    assert new.reliability is not None
    assert known.reliability is not None
    assert known.reliability > new.reliability


def test_more_than_is_free_is_waited_for_and_said(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    tight = make_snapshot({"memory": make_state("memory", 0.6, available=2.0 * GIB)})

    decision = decided(tight, needing(1.0, 6.0), "cost_minimization")

    assert decision.implementation_plan[0]["action"] == "wait_for_capacity"
    assert "6.00 GiB of memory are not free now, 2.00 GiB are" in decision.warnings
    assert any("memory runs out with a probability" in warning for warning in decision.warnings)


def test_the_lease_that_is_asked_for_is_what_is_needed_to_the_byte(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    roomy = make_snapshot(
        {
            "cpu": make_state("cpu", 0.2, available=6.0),
            "memory": make_state("memory", 0.2, available=12.0 * GIB),
        }
    )
    front = front_for(roomy, needing(2.5, 3.0))

    reserve = make_plan(front.today, front)[0]

    assert reserve["description"].endswith(
        'allocate(resources={"cpu": "2500m", "memory": "3072 MiB"})'
    )
