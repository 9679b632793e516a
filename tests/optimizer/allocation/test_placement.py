import itertools
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.allocation.placement import place
from tests.optimizer.allocation.published import Assignment, assignments

FILES = range(1, 13) if "SOAK" in os.environ else (1, 2, 3)
"""All sixty problems take half a minute of CPU."""


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("number", range(5))
def test_published_assignments_are_solved_to_their_optima(file: int, number: int) -> None:
    problem = assignments(file)[number]

    found = place(
        problem.values, problem.uses[:, :, None], problem.capacities[:, None], limit_s=120
    )

    assert found is not None
    assert found.value == problem.optimum
    assert found.is_proven
    assert worth(problem, found.hosts) == problem.optimum


def worth(problem: Assignment, hosts: tuple[int | None, ...]) -> float:
    """The value of a placement, counted by hand; it must place every job within every capacity."""
    taken = np.zeros_like(problem.capacities)
    total = 0.0
    for job, host in enumerate(hosts):
        assert host is not None
        taken[host] += problem.uses[host, job]
        total += problem.values[host, job]
    assert (taken <= problem.capacities).all()
    return total


@given(seed=st.integers(0, 2**32), everything=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_placement_is_worth_more_by_brute_force(seed: int, everything: bool) -> None:
    random = np.random.default_rng(seed)
    hosts, requests, resources = 2, 4, 2
    values = random.integers(1, 20, (hosts, requests)).astype(float)
    uses = random.integers(1, 8, (hosts, requests, resources)).astype(float)
    capacities = random.integers(4, 20, (hosts, resources)).astype(float)

    found = place(values, uses, capacities, everything=everything)

    choices = range(hosts) if everything else range(hosts + 1)
    best = -np.inf
    for chosen in itertools.product(choices, repeat=requests):
        taken = np.zeros_like(capacities)
        total = 0.0
        for request, host in enumerate(chosen):
            if host < hosts:
                taken[host] += uses[host, request]
                total += values[host, request]
        if (taken <= capacities).all():
            best = max(best, total)
    assert (found.value if found else -np.inf) == best


def test_a_request_that_no_host_can_take_leaves_no_placement_of_everything() -> None:
    values, uses = np.ones((2, 1)), np.full((2, 1, 1), 9.0)

    assert place(values, uses, np.full((2, 1), 8.0)) is None
    partly = place(values, uses, np.full((2, 1), 8.0), everything=False)

    assert partly is not None
    assert partly.hosts == (None,)


def test_a_host_that_a_request_may_not_use_is_not_used() -> None:
    values = np.array([[-np.inf, 5.0], [1.0, 1.0]])

    found = place(values, np.ones((2, 2, 1)), np.full((2, 1), 2.0))

    assert found is not None
    assert found.hosts == (1, 0)
