import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.decisions.levels import Rules
from optimizer.decisions.pareto_front import MOST_SHOWN, build_front, merge, undominated
from optimizer.decisions.snapshot import ResourceState, Snapshot

Points = NDArray[np.float64]

whole = st.integers(0, 6).map(float)
point = st.tuples(whole, whole, whole)
table = st.lists(point, min_size=1, max_size=4).map(lambda rows: np.array(rows, dtype=float))


def brute_force_front(points: Points) -> set[tuple[float, ...]]:
    """The figures that no other point is at least as good as, and better in one."""
    distinct = {tuple(p) for p in points.tolist()}
    return {
        p
        for p in distinct
        if not any(q != p and all(b <= a for a, b in zip(p, q, strict=True)) for q in distinct)
    }


@given(st.lists(point, min_size=1, max_size=40))
def test_undominated_keeps_exactly_what_comparing_every_pair_keeps(
    rows: list[tuple[float, float, float]],
) -> None:
    points = np.array(rows)

    kept = points[undominated(points)]

    assert {tuple(p) for p in kept.tolist()} == brute_force_front(points)
    assert len(kept) == len({tuple(p) for p in kept.tolist()})
    assert kept[:, 0].tolist() == sorted(kept[:, 0].tolist())


@given(st.lists(table, min_size=1, max_size=4))
def test_the_merge_finds_the_front_of_all_combinations(tables: list[Points]) -> None:
    everything = np.array([np.sum(rows, axis=0) for rows in itertools.product(*tables)])

    picks, sums = merge(tables)

    assert {tuple(p) for p in sums.tolist()} == brute_force_front(everything)
    for chosen, total in zip(picks, sums, strict=True):
        rows = [t[i] for t, i in zip(tables, chosen, strict=True)]
        assert np.sum(rows, axis=0).tolist() == total.tolist()


def test_points_whose_second_figure_is_infinite_are_compared_too() -> None:
    points = np.array([[1.0, np.inf, 0.5], [2.0, np.inf, 0.5], [3.0, 1.0, 0.5]])

    assert undominated(points).tolist() == [0, 2]


def test_a_front_is_shown_in_at_most_twenty_points_with_both_ends(
    make_snapshot: Callable[..., Snapshot],
) -> None:
    levels = tuple(1 + step / 50 for step in range(60))

    front = build_front(make_snapshot(), "system_level", rules=Rules(levels), max_increase=None)

    assert len(front.candidates) > MOST_SHOWN
    assert len(front.shown) == MOST_SHOWN
    assert front.shown[0].id == front.candidates[0].id
    assert front.shown[-1].id == front.candidates[-1].id


def test_no_candidate_of_a_front_is_beaten_in_cost_response_time_and_reliability(
    make_snapshot: Callable[..., Snapshot], make_state: Callable[..., ResourceState]
) -> None:
    snapshot = make_snapshot({"memory": make_state("memory", 0.9, spread=0.1)})

    front = build_front(snapshot, "system_level", rules=Rules(), max_increase=None)

    for one, other in itertools.permutations(front.candidates, 2):
        assert (
            one.spend < other.spend
            or (one.stretch or np.inf) < (other.stretch or np.inf)
            or (one.reliability or 0) > (other.reliability or 0)
        )


def test_nothing_grows_further_than_the_request_allows(
    make_snapshot: Callable[..., Snapshot], make_state: Callable[..., ResourceState]
) -> None:
    snapshot = make_snapshot({"cpu": make_state("cpu", 0.95)})

    front = build_front(snapshot, "system_level", rules=Rules(), max_increase=0.25)

    assert max(c.increase for c in front.candidates) == pytest.approx(0.25)
    assert all(c.amounts["cpu"] <= 10 for c in front.candidates)
