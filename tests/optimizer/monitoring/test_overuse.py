"""Leases that use more than they may: raised within two samples, cleared once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.machine.attribution import LeaseUse
from optimizer.monitoring.health import assess, explain
from optimizer.monitoring.overuse import OveruseState, look_for_overuse
from tests.optimizer.monitoring.fakes import NOON, a_sample

GIB = 2.0**30


def using(cores: float, *, allowed: float = 2.0, number: int = 17) -> dict[str, LeaseUse]:
    use = LeaseUse({"cpu": 2.0}, {"cpu": cores, "memory": 9 * GIB}, {"cpu": allowed}, number)
    return {f"lease {number}": use}


def watched(*cores: float, allowed: float = 2.0) -> list[list[str]]:
    """What changed at each sample."""
    state, told = OveruseState(), []
    for step, each in enumerate(cores):
        at = NOON + step * timedelta(seconds=30)
        state, changes = look_for_overuse(state, using(each, allowed=allowed), at=at)
        told.append([f"{change.metric} {change.level}" for change in changes])
    return told


def test_it_is_raised_at_the_second_sample_and_cleared_once() -> None:
    told = watched(1.0, 3.0, 3.0, 3.5, 2.0, 1.0)

    assert told == [[], [], ["lease_cpu:17 warning"], [], ["lease_cpu:17 cleared"], []]


def test_a_single_peak_or_a_tick_too_many_is_none() -> None:
    assert watched(3.0, 1.0, 3.0, 1.0, 2.05, 2.05, 2.05) == [[]] * 7


def test_it_does_not_flap_at_the_limit() -> None:
    assert watched(3.0, 3.0, 2.05, 2.05) == [[], ["lease_cpu:17 warning"], [], []]


def test_a_burst_that_was_granted_is_allowed() -> None:
    assert watched(3.0, 3.0, 4.0, allowed=4.0) == [[]] * 3


def test_the_end_of_the_lease_clears_it() -> None:
    state = OveruseState()
    for _ in range(2):
        state, _ = look_for_overuse(state, using(3.0), at=NOON)

    state, changes = look_for_overuse(state, {}, at=NOON)

    assert [change.level for change in changes] == ["cleared"]
    assert state == OveruseState()


def test_memory_that_a_lease_does_not_hold_is_no_overuse_of_it() -> None:
    state, changes = look_for_overuse(OveruseState(), using(1.0), at=NOON)

    assert (state.suspected, changes) == (frozenset(), ())


def test_health_tells_it_in_numbers_and_stays_healthy() -> None:
    state = OveruseState()
    for _ in range(2):
        state, _ = look_for_overuse(state, using(3.0), at=NOON)
    (alert,) = state.raised.values()

    health = assess(a_sample(), [alert], problems={}, at=NOON)

    assert health.status == "healthy"
    assert health.warnings == ("overused_lease_cpu:17",)
    assert "lease 17 uses 3 cores of cpu and may use 2 cores" in explain(alert)


@given(cores=st.lists(st.floats(0, 8), max_size=30))
def test_raised_and_cleared_alternate(cores: list[float]) -> None:
    told = [word for step in watched(*cores, 0.0) for word in step]

    assert told == (["lease_cpu:17 warning", "lease_cpu:17 cleared"] * len(told))[: len(told)]
    assert len(told) % 2 == 0


def test_two_leases_are_told_apart() -> None:
    state = OveruseState()
    both = {**using(3.0), **using(5.0, number=18)}
    for _ in range(2):
        state, changes = look_for_overuse(state, both, at=NOON)

    assert [change.metric for change in changes] == ["lease_cpu:17", "lease_cpu:18"]
    assert state.raised["lease_cpu:18"].value == pytest.approx(5.0)
