import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation.strategies import (
    BUILT_IN,
    AllocationStrategy,
    Balanced,
    CostPriority,
    PerformancePriority,
    ReliabilityPriority,
    Room,
    Scope,
)


def scope(demand: int, free: int | None, leasable: int | None = 100, least: float = 0.1) -> Scope:
    most = 1.0 if free is None else min(1.0, free / demand)
    return Scope(least=least, most=most, rooms={"cpu": Room(demand, free, leasable)})


def test_performance_takes_what_is_free() -> None:
    assert PerformancePriority().choose(scope(80, 60)).fraction == 0.75


def test_cost_takes_the_least_that_is_accepted() -> None:
    assert CostPriority().choose(scope(80, 60)).fraction == 0.1


def test_reliability_leaves_its_headroom() -> None:
    choice = ReliabilityPriority(headroom=0.2).choose(scope(80, 60))

    assert choice.fraction == pytest.approx(0.5)
    assert choice.effect == "50%, which leaves 20% headroom in every pool"


def test_reliability_says_when_even_the_least_eats_the_headroom() -> None:
    choice = ReliabilityPriority().choose(scope(80, 10))

    assert choice.fraction == 0.1
    assert "less than 15% headroom" in choice.effect


def test_balanced_gives_everything_while_half_of_what_is_free_is_enough() -> None:
    assert Balanced().choose(scope(20, 60)).fraction == 1.0


def test_balanced_leaves_as_much_as_it_takes_of_what_is_scarce() -> None:
    choice = Balanced().choose(scope(80, 60))

    assert choice.fraction * 80 == pytest.approx(30)
    assert "half of what is free stays for others" in choice.effect


@pytest.mark.parametrize("strategy", BUILT_IN, ids=lambda strategy: strategy.name)
def test_without_a_known_limit_only_cost_takes_less(strategy: AllocationStrategy) -> None:
    fraction = strategy.choose(scope(80, None, None)).fraction

    assert fraction == (0.1 if strategy.name == "cost_priority" else 1.0)


@given(
    demand=st.integers(1, 10**6),
    free=st.integers(1, 10**6),
    spare=st.integers(0, 10**6),
    accepted=st.floats(0.01, 1),
)
def test_every_share_lies_between_that_of_cost_and_that_of_performance(
    demand: int, free: int, spare: int, accepted: float
) -> None:
    most = min(1.0, free / demand)
    given_scope = scope(demand, free, free + spare, least=min(accepted, most))

    for strategy in BUILT_IN:
        fraction = strategy.choose(given_scope).fraction
        assert given_scope.least <= fraction <= given_scope.most
