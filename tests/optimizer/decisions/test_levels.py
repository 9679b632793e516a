from collections.abc import Callable

import pytest

from optimizer.decisions.focus import known_focus
from optimizer.decisions.levels import Basis, Rules, bases, needed
from optimizer.decisions.request import Scope
from optimizer.decisions.snapshot import LeaseUse, ResourceState, Snapshot

MakeState = Callable[..., ResourceState]
MakeSnapshot = Callable[..., Snapshot]


def basis(snapshot: Snapshot, resource: str, scope: Scope = "system_level") -> Basis:
    found = bases(snapshot, scope, rules=Rules(), max_increase=None)
    return next(b for b in found if b.resource == resource)


def test_a_machine_shrinks_only_as_far_as_the_forecast_recommends(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    keeps = make_snapshot({"memory": make_state("memory", 0.2)})
    allows = make_snapshot({"memory": make_state("memory", 0.2, recommended_change=-0.3)})

    assert min(basis(keeps, "memory").levels) == 1
    assert "recommends no reduction" in str(basis(keeps, "memory").fixed_because)
    assert min(basis(allows, "memory").levels) == 0.75


def test_nothing_shrinks_below_what_is_leased_or_used(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    leased = make_snapshot({"cpu": make_state("cpu", 0.2, recommended_change=-0.5, leased=5.0)})
    used = make_state("memory", 0.2, recommended_change=-0.5, used=0.6 * 16 * 2**30)

    assert min(basis(leased, "cpu").levels) == 0.75
    assert min(basis(make_snapshot({"memory": used}), "memory").levels) == 0.75


def test_without_a_forecast_nothing_shrinks_and_the_reason_is_said(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    blind = make_snapshot({"cpu": make_state("cpu", 0.1, outlook=())})

    assert min(basis(blind, "cpu").levels) == 1
    assert "without a forecast" in str(basis(blind, "cpu").fixed_because)


def test_a_lease_is_at_most_what_no_lease_holds(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot({"cpu": make_state("cpu", 0.2, leased=2.0, reserved=1.0)})

    found = basis(snapshot, "cpu", "task_level")

    assert found.amount == 5.0
    assert sorted(found.levels) == [0.5, 0.75, 1.0]
    assert found.lever is not None
    assert found.lever.actuator == "allocate"


def test_a_lease_is_sized_in_cpu_and_memory_only(make_snapshot: MakeSnapshot) -> None:
    found = bases(make_snapshot(), "session_level", rules=Rules(), max_increase=None)

    assert [b.resource for b in found] == ["cpu", "memory"]


def test_without_a_forecast_a_lease_is_sized_by_what_is_used(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot({"memory": make_state("memory", 0.3, outlook=())})

    found = basis(snapshot, "memory", "task_level")

    assert sorted(found.levels) == [0.5, 0.75, 1.0]
    assert "used now" in str(found.fixed_because)


def test_the_speed_of_a_link_and_absent_devices_do_not_move(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot()

    assert basis(snapshot, "network").levels == (1.0,)
    assert basis(snapshot, "gpu").levels == (1.0,)
    assert "computed" in str(basis(snapshot, "network").fixed_because)


def test_devices_come_whole(make_snapshot: MakeSnapshot, make_state: MakeState) -> None:
    price = {"resource": "gpu", "usd_per_unit_hour": 2.0, "source": "me", "date": "2026-11-22"}
    snapshot = make_snapshot({"gpu": make_state("gpu", capacity=2.0, price=price)})

    assert sorted(basis(snapshot, "gpu").levels) == [1.0, 1.5, 2.0]


def test_a_focus_lets_only_its_resource_move(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot()
    movable = known_focus(snapshot)["cpu"]

    found = bases(snapshot, "system_level", rules=Rules(), max_increase=None, movable=movable)

    assert [b.resource for b in found if len(b.levels) > 1] == ["cpu"]


def test_a_lease_that_shrinks_keeps_room_for_what_the_forecast_lets_use_grow(
    make_state: MakeState,
) -> None:
    lease = LeaseUse(name="lease-1", held=4.0, used=0.5)
    steady = make_state("cpu", 0.5, spread=0.0)
    rising = make_state("cpu", 0.2, spread=0.2)
    unknown = make_state("cpu")

    assert needed(lease, steady, Rules()) == pytest.approx(0.75)
    assert needed(lease, unknown, Rules(lease_headroom=2.0)) == pytest.approx(1.0)
    grows = rising.outlook[-1].amount / 1.6
    assert grows > 1.5
    assert needed(lease, rising, Rules()) == pytest.approx(0.5 * grows)
