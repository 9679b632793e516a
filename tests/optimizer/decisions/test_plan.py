from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from optimizer.decisions.decision import ImplementationStep
from optimizer.decisions.levels import Rules
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.plan import make_plan
from optimizer.decisions.request import Scope
from optimizer.decisions.snapshot import LeaseUse, QuietWindow, ResourceState, Snapshot
from optimizer.decisions.steps import OPERATOR

GIB = 2**30
MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


def plan_of(
    snapshot: Snapshot, wanted: Callable[[str], bool], scope: Scope = "system_level"
) -> list[ImplementationStep]:
    front = build_front(snapshot, scope, rules=Rules(), max_increase=None)
    chosen = next(c for c in front.choices if wanted(c.id))
    return make_plan(chosen, front)


def unchanged(name: str) -> bool:
    return name == "no_change"


def test_steps_are_numbered_and_each_waits_for_the_one_before(make_snapshot: MakeSnapshot) -> None:
    steps = plan_of(make_snapshot(), lambda name: name == "cpu_1.5")

    assert [step["step"] for step in steps] == [1, 2, 3]
    assert [step["depends_on"] for step in steps] == [[], [1], [2]]
    assert [step["action"] for step in steps] == ["preparation", "increase_cpu", "verification"]


def test_a_resize_says_from_what_to_what_how_to_check_it_and_how_to_go_back(
    make_snapshot: MakeSnapshot,
) -> None:
    step = plan_of(make_snapshot(), lambda name: name == "cpu_1.5")[1]

    assert (step["from_value"], step["to_value"], step["unit"]) == (8.0, 12.0, "core")
    assert "from 8 cores to 12 cores" in step["description"]
    assert step["rollback"] == "Set cpu of box back to 8 cores"
    assert step["verify"] is not None
    assert step["verify"]["metric"] == "cpu_usage"
    assert step["verify"]["value"] == pytest.approx(100 * (5.6 + 1.6449 * 0.24) / 12, abs=0.1)
    assert step["estimated_duration"] == "10_minutes"
    assert step["duration_source"] == "default"


def test_what_nothing_here_can_carry_out_is_advice_and_says_so(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    lever = {"actuator": "docker update", "downtime": False}
    movable = make_snapshot({"cpu": make_state("cpu", 0.7, lever=lever)})

    advice = plan_of(make_snapshot(), lambda name: name == "cpu_1.5")[1]
    carried = plan_of(movable, lambda name: name == "cpu_1.5")[1]

    assert advice["carried_out_by"] == OPERATOR
    assert "advice" in advice["description"]
    assert carried["carried_out_by"] == "docker update"
    assert "advice" not in carried["description"]


def test_what_grows_moves_before_what_shrinks(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    tight = make_snapshot(
        {
            "cpu": make_state("cpu", 0.2, recommended_change=-0.3),
            "memory": make_state("memory", 0.9, spread=0.1),
        }
    )

    steps = plan_of(tight, lambda name: name.startswith("cpu_0.75+memory_"))

    assert [s["action"] for s in steps[1:3]] == ["increase_memory", "decrease_cpu"]


def test_a_plan_that_changes_nothing_says_what_it_keeps(make_snapshot: MakeSnapshot) -> None:
    (step,) = plan_of(make_snapshot(), unchanged)

    assert step["action"] == "keep"
    assert "cpu 8 cores" in step["description"]
    assert step["rollback"] is None


def test_work_that_can_wait_goes_to_a_quiet_window_when_the_peak_does_not_fit(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    window = QuietWindow(
        start=datetime(2026, 11, 23, 2, tzinfo=UTC),
        end=datetime(2026, 11, 23, 5, tzinfo=UTC),
        description="CPU stays below 20 % with 90 % probability",
    )
    full = make_snapshot(
        {"memory": make_state("memory", 0.95, spread=0.1)}, quiet_windows=(window,)
    )

    steps = plan_of(full, unchanged)

    assert "defer_movable_work" in [step["action"] for step in steps]
    assert "2026-11-23 02:00" in steps[1]["description"]


@pytest.mark.parametrize("scope", ["task_level", "session_level"])
def test_a_task_is_planned_as_a_lease_of_what_is_free(
    make_snapshot: MakeSnapshot, make_state: MakeState, scope: Scope
) -> None:
    snapshot = make_snapshot(
        {
            "cpu": make_state("cpu", 0.5, available=2.5),
            "memory": make_state("memory", 0.5, available=3.9 * GIB),
            "storage": make_state("storage", 0.5, available=0.0),
        }
    )

    steps = plan_of(snapshot, lambda name: name == "all_free", scope)

    assert [step["action"] for step in steps] == ["allocate", "release"]
    assert '"cpu": "2500m"' in steps[0]["description"]
    assert '"memory": "3993 MiB"' in steps[0]["description"]
    assert "storage" not in steps[0]["description"]
    assert steps[0]["carried_out_by"] == "allocate"


def test_a_task_waits_when_nothing_is_free(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    busy = make_snapshot(
        {name: make_state(name, 0.5, available=0.0) for name in ("cpu", "memory", "storage")}
    )

    steps = plan_of(busy, lambda name: name == "all_free", "task_level")

    assert steps[0]["action"] == "wait_for_capacity"


def test_a_budget_that_one_principal_holds_gets_a_quota(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    tokens = ResourceState(
        resource="mcp_tokens",
        unit="token",
        capacity=100_000.0,
        capacity_source="test",
        available=5_000.0,
        largest_holding=80_000.0,
    )
    snapshot = make_snapshot(budgets=(tokens,))

    [step] = [s for s in plan_of(snapshot, unchanged) if s["action"] == "set_quota"]

    assert (step["target"], step["to_value"], step["unit"]) == ("*:mcp_tokens", 50_000.0, "token")
    assert step["carried_out_by"] == "quotas"


def test_a_focus_leaves_leases_of_other_resources_alone(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    idle = LeaseUse(name="lease-1", held=6.0, used=0.5)
    crowded = make_state("cpu", 0.2, available=0.1, leased=6.0, leases=(idle,))
    snapshot = make_snapshot({"cpu": crowded})

    def actions(movable: frozenset[str] | None) -> list[str]:
        front = build_front(
            snapshot, "system_level", rules=Rules(), max_increase=None, movable=movable
        )
        return [step["action"] for step in make_plan(front.today, front)]

    assert "shrink_lease" in actions(None)
    assert "shrink_lease" in actions(frozenset({"cpu"}))
    assert "shrink_lease" not in actions(frozenset({"memory"}))
