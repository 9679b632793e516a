import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from optimizer.allocation.admission import least_parts
from optimizer.allocation.batch import Bid, Selection, least_of, select
from tests.optimizer.allocation.published import knapsacks

PARTS = 1000
"""The weights of the knapsacks have up to three decimals."""


@pytest.mark.parametrize("number", range(7))
def test_published_knapsacks_are_admitted_at_their_optima(number: int) -> None:
    problem = knapsacks()[number]
    bids = [
        Bid(
            {f"r{row}": round(w[item] * PARTS) for row, w in enumerate(problem.weights) if w[item]},
            v,
        )
        for item, v in enumerate(problem.values)
    ]
    room = {f"r{row}": round(most * PARTS) for row, most in enumerate(problem.capacities)}

    found = select(bids, room, limit_s=120)

    assert found.value == pytest.approx(problem.optimum, rel=1e-12)
    assert found.is_proven
    assert_held(bids, room, found)


def assert_held(bids: list[Bid], room: dict[str, int], found: Selection) -> None:
    """Every grant lies within its request, and all together within the room."""
    for name, most in room.items():
        assert sum((given or {}).get(name, 0) for given in found.granted) <= most
    for bid, given_ in zip(bids, found.granted, strict=True):
        if given_ is not None:
            for name, wanted in bid.demand.items():
                assert bid.min_fraction * wanted - 1e-6 <= given_[name] <= wanted


def instance(seed: int, count: int, *, partial: bool) -> tuple[list[Bid], dict[str, int]]:
    random = np.random.default_rng(seed)
    bids = [
        Bid(
            {name: int(random.integers(1, 10)) * 1000 for name in ("cpu", "memory")},
            float(random.integers(1, 30)),
            float(random.choice([0.3, 0.5, 1.0])) if partial else 1.0,
        )
        for _ in range(count)
    ]
    room = {name: int(random.integers(5, 25)) * 1000 for name in ("cpu", "memory")}
    return bids, room


@given(seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_no_choice_is_worth_more_by_brute_force(seed: int) -> None:
    bids, room = instance(seed, 7, partial=False)

    found = select(bids, room)

    best = max(
        sum(bid.value for bid in chosen)
        for count in range(len(bids) + 1)
        for chosen in itertools.combinations(bids, count)
        if all(sum(bid.demand[name] for bid in chosen) <= most for name, most in room.items())
    )
    assert found.value == pytest.approx(best)
    assert_held(bids, room, found)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_no_choice_of_shares_is_worth_more_by_brute_force(seed: int) -> None:
    bids, room = instance(seed, 4, partial=True)

    found = select(bids, room)

    best = 0.0
    for count in range(1, len(bids) + 1):
        for chosen in itertools.combinations(bids, count):
            solved = linprog(
                [-bid.value for bid in chosen],
                A_ub=[[bid.demand[name] for bid in chosen] for name in room],
                b_ub=list(room.values()),
                bounds=[(bid.min_fraction, 1) for bid in chosen],
            )
            best = max(best, -solved.fun if solved.success else 0.0)
    assert best * (1 - 2e-3) <= found.value <= best + 1e-6
    assert_held(bids, room, found)


@given(seed=st.integers(0, 2**32), count=st.integers(100, 200))
@settings(max_examples=10, deadline=None)
def test_a_large_batch_is_near_its_optimum_and_exceeds_nothing(seed: int, count: int) -> None:
    bids, room = instance(seed, count, partial=True)
    room = {name: 20 * most for name, most in room.items()}

    found = select(bids, room)

    assert_held(bids, room, found)
    relaxed = linprog(
        [-bid.value for bid in bids],
        A_ub=[[bid.demand[name] for bid in bids] for name in room],
        b_ub=list(room.values()),
        bounds=(0, 1),
    )
    assert found.value >= 0.98 * -relaxed.fun


def test_what_all_fits_is_all_admitted_and_what_costs_less_takes_the_least() -> None:
    bids = [Bid({"cpu": 10}, 1.0), Bid({"cpu": 10}, 1.0, 0.5, least_only=True)]

    found = select(bids, {"cpu": 100, "memory": None})

    assert found.granted == ({"cpu": 10}, {"cpu": 5})
    assert found.is_proven


def test_a_resource_without_a_limit_binds_nobody() -> None:
    found = select([Bid({"tokens": 10**9, "cpu": 4}, 1.0)] * 3, {"tokens": None, "cpu": 9})

    assert sum(given is not None for given in found.granted) == 2
    assert next(given for given in found.granted if given) == {"tokens": 10**9, "cpu": 4}


def test_the_solver_writes_nothing_to_stdout() -> None:
    script = (
        "from optimizer.allocation.batch import Bid, select;"
        "assert select([Bid({'a': 2}, 1.0)] * 3, {'a': 5}).value == 2"
    )

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert ran.stdout == b""


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 2**60), min_size=3, max_size=3),
            st.one_of(st.floats(1e-6, 1), st.sampled_from([0.1, 0.25, 1 / 3, 0.7, 1.0])),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_least_of_many_is_the_least_of_each(rows: list[tuple[list[int], float]]) -> None:
    wanted, low = (np.array(column) for column in zip(*rows, strict=True))

    assert least_of(wanted, low).tolist() == [
        [least_parts(parts, share) if parts else 0 for parts in row] for row, share in rows
    ]
