from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation.admission import (
    Admission,
    Freeing,
    Refusal,
    admit,
    fits_at,
    least_parts,
    refuse,
)
from optimizer.allocation.strategies import BUILT_IN, AllocationStrategy, Choice, Scope

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
BY_NAME = {strategy.name: strategy for strategy in BUILT_IN}


def decide(
    demand: dict[str, int],
    free: dict[str, int | None],
    min_fraction: float = 1.0,
    strategy: AllocationStrategy = BY_NAME["performance_priority"],
) -> Admission | Refusal:
    return admit(demand, free, min_fraction=min_fraction, strategy=strategy, leasable=dict(free))


def test_what_fits_is_granted_whole() -> None:
    admission = decide({"cpu": 2, "memory": 5}, {"cpu": 8, "memory": 5})

    assert isinstance(admission, Admission)
    assert admission.granted == {"cpu": 2, "memory": 5}
    assert admission.fraction == 1.0
    assert admission.effect == "nothing: min_fraction 1 asks for all or nothing"


def test_every_resource_shrinks_to_the_share_of_the_scarcest() -> None:
    admission = decide({"cpu": 100, "memory": 1000}, {"cpu": 50, "memory": 1000}, 0.4)

    assert isinstance(admission, Admission)
    assert admission.granted == {"cpu": 50, "memory": 500}
    assert admission.fraction == 0.5


def test_less_than_min_fraction_is_refused_with_what_is_missing() -> None:
    refusal = decide({"cpu": 100, "memory": 1000}, {"cpu": 50, "memory": 900}, 0.6)

    assert refusal == Refusal(
        binding="cpu",
        most=0.5,
        free={"cpu": 50, "memory": 900},
        shortfalls={"cpu": 50, "memory": 100},
        missing={"cpu": 50, "memory": 100},
    )


def test_a_pool_without_a_known_limit_never_refuses() -> None:
    admission = decide({"mcp_tokens": 10**12}, {"mcp_tokens": None})

    assert isinstance(admission, Admission)
    assert admission.granted == {"mcp_tokens": 10**12}


def test_a_whole_thing_is_not_cut_below_the_least_share() -> None:
    assert isinstance(decide({"gpu": 3}, {"gpu": 1}, 0.5), Refusal)
    admission = decide({"gpu": 3}, {"gpu": 2}, 0.5, BY_NAME["cost_priority"])
    assert isinstance(admission, Admission)
    assert admission.granted == {"gpu": 2}


def test_a_rounding_error_does_not_ask_for_one_more() -> None:
    assert least_parts(30, 0.1) == 3
    assert least_parts(30, 0.11) == 4
    assert least_parts(1, 0.001) == 1


amounts = st.integers(1, 10**15)


@given(
    demand=st.dictionaries(st.sampled_from("abcd"), amounts, min_size=1),
    free=st.fixed_dictionaries({name: st.none() | st.integers(0, 10**15) for name in "abcd"}),
    min_fraction=st.floats(0.001, 1),
    strategy=st.sampled_from(BUILT_IN),
)
def test_a_grant_exceeds_neither_the_request_nor_what_is_free_nor_undercuts_the_least(
    demand: dict[str, int],
    free: dict[str, int | None],
    min_fraction: float,
    strategy: AllocationStrategy,
) -> None:
    outcome = decide(demand, free, min_fraction, strategy)

    fits = all(
        (room := free[name]) is None or least_parts(wanted, min_fraction) <= room
        for name, wanted in demand.items()
    )
    assert isinstance(outcome, Admission) == fits
    if isinstance(outcome, Admission):
        for name, wanted in demand.items():
            room = free[name]
            assert least_parts(wanted, min_fraction) <= outcome.granted[name] <= wanted
            assert room is None or outcome.granted[name] <= room


@pytest.mark.parametrize("answer", [float("nan"), float("inf"), -5.0, 17.0])
def test_a_strategy_cannot_leave_its_bounds(answer: float) -> None:
    class Wild:
        name = "wild"

        def choose(self, scope: Scope) -> Choice:
            return Choice(answer, "as it likes")

    admission = decide({"cpu": 100}, {"cpu": 80}, 0.2, Wild())

    assert isinstance(admission, Admission)
    assert 20 <= admission.granted["cpu"] <= 80


def test_it_fits_when_the_second_of_three_leases_ends() -> None:
    freeings = [
        Freeing(NOW + timedelta(seconds=90), {"cpu": 8}),
        Freeing(NOW + timedelta(seconds=30), {"cpu": 2, "memory": 6}),
        Freeing(NOW + timedelta(seconds=60), {"cpu": 2}),
    ]

    assert fits_at({"cpu": 4, "memory": 4}, freeings) == NOW + timedelta(seconds=60)


def test_what_is_used_beyond_the_capacity_must_end_first() -> None:
    freeings = [Freeing(NOW + timedelta(seconds=s), {"cpu": 2}) for s in (10, 20, 30)]

    refusal = refuse({"cpu": 1}, {"cpu": -3})

    assert (refusal.shortfalls, refusal.missing) == ({"cpu": 1}, {"cpu": 4})
    assert fits_at(refusal.missing, freeings) == NOW + timedelta(seconds=20)


def test_it_is_not_foreseeable_when_the_end_of_every_lease_is_not_enough() -> None:
    assert fits_at({"cpu": 4}, [Freeing(NOW, {"cpu": 2})]) is None


def test_a_refusal_names_the_scarcest_resource_also_of_what_would_fit() -> None:
    refusal = refuse({"cpu": 2, "memory": 4}, {"cpu": 8, "memory": None})

    assert (refusal.most, refusal.shortfalls) == (1.0, {})
