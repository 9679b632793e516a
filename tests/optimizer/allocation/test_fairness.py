import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation.fairness import Want, dominant_share, fill
from tests.optimizer.allocation.published import EXPECTED

DRF = EXPECTED["drf"]


def test_the_worked_example_of_nsdi_2011_holds_exactly() -> None:
    wants = [Want(name, DRF[name]) for _ in range(9) for name in "AB"]

    served = fill(wants, capacity=DRF["total"], room=DRF["total"])

    tasks = [sum(wants[index].principal == name for index in served) for name in "AB"]
    assert tasks == DRF["drf_tasks"]
    held = [
        {resource: amount * count for resource, amount in DRF[name].items()}
        for name, count in zip("AB", tasks, strict=True)
    ]
    assert [dominant_share(one, DRF["total"]) for one in held] == DRF["dominant_share"]


def test_twice_the_weight_is_twice_the_share() -> None:
    wants = [Want(name, {"cpu": 1.0}) for _ in range(12) for name in "ab"]

    served = fill(wants, capacity={"cpu": 12.0}, room={"cpu": 12.0}, weights={"a": 2.0})

    assert sum(wants[index].principal == "a" for index in served) == 8


def test_who_holds_much_already_waits_for_who_holds_nothing() -> None:
    wants = [Want("rich", {"cpu": 2.0}), Want("poor", {"cpu": 2.0})]

    served = fill(wants, capacity={"cpu": 8.0}, room={"cpu": 2.0}, held={"rich": {"cpu": 6.0}})

    assert served == [1]


def test_a_cap_ends_a_principals_turn() -> None:
    wants = [Want("a", {"cpu": 1.0}) for _ in range(5)]

    served = fill(wants, capacity={"cpu": 8.0}, room={"cpu": 8.0}, caps={"a": {"cpu": 3.0}})

    assert served == [0, 1, 2]


def test_nobody_is_overtaken_by_their_own_later_request() -> None:
    wants = [Want("a", {"cpu": 5.0}), Want("a", {"cpu": 1.0}), Want("b", {"cpu": 1.0})]

    assert fill(wants, capacity={"cpu": 8.0}, room={"cpu": 4.0}) == [2]


@pytest.mark.parametrize(("capacity", "share"), [({"gpu": 0.0}, 1.0), ({}, 0.0)])
def test_a_share_of_nothing_is_all_and_of_the_unlimited_none(
    capacity: dict[str, float], share: float
) -> None:
    assert dominant_share({"gpu": 1.0}, capacity) == share


@given(
    demands=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.integers(1, 6)), max_size=25
    )
)
def test_no_resource_is_given_out_twice_and_no_principal_has_envy_of_a_whole_turn(
    demands: list[tuple[str, int, int]],
) -> None:
    wants = [Want(name, {"cpu": float(cpu), "mem": float(mem)}) for name, cpu, mem in demands]
    capacity = {"cpu": 20.0, "mem": 30.0}

    served = fill(wants, capacity=capacity, room=capacity)

    for resource, most in capacity.items():
        assert sum(wants[index].demand[resource] for index in served) <= most
    for principal in "abc":
        own = [index for index, want in enumerate(wants) if want.principal == principal]
        assert [index for index in served if index in own] == own[: len(set(own) & set(served))]
