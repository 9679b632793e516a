"""Leases on the hosts of a store: the fewest moves after which every host has room."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from optimizer.decisions.levels import Rules
from optimizer.decisions.pareto_front import Front, build_front
from optimizer.decisions.placing import host_moves
from optimizer.decisions.plan import make_plan
from optimizer.decisions.snapshot import PlacedLease, ResourceState, Snapshot
from tests.optimizer.decisions.conftest import CAPACITY

MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]

KEPT = Rules(multipliers=(1.0,))


def fleet(
    make_snapshot: MakeSnapshot,
    make_state: MakeState,
    peaks: dict[str, tuple[float, float]],
    leases: list[tuple[str, float, float]],
) -> Front:
    """Hosts by their steady shares of cpu and memory, and leases by host and shares."""
    own, *others = peaks.items()
    states = {
        name: make_state(name, share, spread=0.0)
        for name, share in zip(("cpu", "memory"), own[1], strict=True)
    }
    elsewhere = tuple(
        make_state(name, share, spread=0.0, host=host)
        for host, shares in others
        for name, share in zip(("cpu", "memory"), shares, strict=True)
    )
    placed = tuple(
        PlacedLease(
            name=f"lease-{place}",
            host=host,
            held={"cpu": cpu * CAPACITY["cpu"], "memory": memory * CAPACITY["memory"]},
        )
        for place, (host, cpu, memory) in enumerate(leases)
    )
    snapshot = make_snapshot(states, elsewhere=elsewhere, placed=placed)
    return build_front(snapshot, "global_level", rules=KEPT, max_increase=None)


def test_a_lease_goes_where_there_is_room_and_the_plan_says_it_is_advice(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    front = fleet(
        make_snapshot,
        make_state,
        {"box": (1.2, 0.5), "idle": (0.1, 0.1)},
        [("box", 0.3, 0.1), ("box", 0.6, 0.1)],
    )

    moves = host_moves(front.today, front)
    steps = [s for s in make_plan(front.today, front) if s["action"] == "move_lease"]

    assert [(move.lease.name, move.to) for move in moves] in (
        [("lease-0", "idle")],
        [("lease-1", "idle")],
    )
    assert [step["carried_out_by"] for step in steps] == ["operator"]
    assert "on idle instead of box" in steps[0]["description"]


@pytest.mark.parametrize(
    ("peaks", "why"),
    [
        ({"box": (0.9, 0.5), "idle": (0.1, 0.1)}, "fits"),
        ({"box": (1.4, 0.5), "b": (0.95, 0.9)}, "no"),
    ],
)
def test_nothing_moves_where_everything_fits_or_nothing_would(
    make_snapshot: MakeSnapshot,
    make_state: MakeState,
    peaks: dict[str, tuple[float, float]],
    why: str,
) -> None:
    front = fleet(make_snapshot, make_state, peaks, [("box", 0.3, 0.1)])

    assert host_moves(front.today, front) == ()


def test_as_few_leases_move_as_any_placement_needs(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(60):
        hosts = ["box", "b", "c"]
        leases = [(hosts[rng.integers(3)], *rng.uniform(0.05, 0.5, 2).tolist()) for _ in range(4)]
        own = {h: [sum(x[r] for x in leases if x[0] == h) for r in (1, 2)] for h in hosts}
        others = {host: rng.uniform(0.1, 0.6, 2) for host in hosts}
        peaks = {h: (others[h][0] + own[h][0], others[h][1] + own[h][1]) for h in hosts}
        front = fleet(make_snapshot, make_state, peaks, leases)

        moves = host_moves(front.today, front)

        fewest = None
        for where in itertools.product(hosts, repeat=4):
            load = {h: others[h].copy() for h in hosts}
            for host, lease in zip(where, leases, strict=True):
                load[host] += lease[1:]
            if all((load[h] <= 1 + 1e-9).all() for h in hosts):
                moved = sum(host != lease[0] for host, lease in zip(where, leases, strict=True))
                fewest = moved if fewest is None else min(fewest, moved)
        assert len(moves) == (fewest or 0)
        found += len(moves) > 0
    assert found > 10
