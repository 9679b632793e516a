"""The global scope: every machine in the store at once."""

from collections.abc import Callable
from itertools import product

import numpy as np

from optimizer.decisions.figures import figure, tabulate
from optimizer.decisions.levels import MOST_MOVING, Rules, bases
from optimizer.decisions.pareto_front import build_front, undominated
from optimizer.decisions.snapshot import ResourceState, Snapshot
from tests.optimizer.decisions.test_answer import decide

MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


def other(make_state: MakeState, host: str, cpu: float, memory: float) -> tuple[ResourceState, ...]:
    return make_state("cpu", cpu, host=host), make_state("memory", memory, host=host)


def test_only_the_machine_that_runs_short_grows(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot(elsewhere=other(make_state, "short", cpu=0.3, memory=0.97))

    decision = decide(
        snapshot,
        {
            "scope": "global_level",
            "primary_objective": "cost_minimization",
            "constraints": {"min_reliability": 0.95},
        },
    )

    assert decision.candidate_id == "memory@short_1.25"
    [step] = [s for s in decision.implementation_plan if s["target"] == "short:memory"]
    assert (step["carried_out_by"], step["verify"]) == ("operator", None)
    assert any("Hosts: box, short." in assumption for assumption in decision.assumptions)


def test_the_other_scopes_see_this_machine_only(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot(elsewhere=other(make_state, "short", cpu=0.3, memory=0.97))

    assert all(
        "short" not in basis.resource
        for basis in bases(snapshot, "system_level", rules=Rules(), max_increase=None)
    )


def test_the_front_over_hosts_is_that_of_all_combinations(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot(elsewhere=other(make_state, "b", cpu=0.8, memory=0.9))
    rules = Rules(multipliers=(1.0, 1.5, 2.0))

    front = build_front(snapshot, "global_level", rules=rules, max_increase=None)

    options = tabulate(front.considered, snapshot.workload)
    every = [
        figure(options, picks, snapshot.workload, today=front.today)
        for picks in product(*(range(len(table.basis.levels)) for table in options))
    ]
    figures = np.array([(c.spend, c.stretch, c.risk) for c in every], dtype=np.float64)
    best = {every[place].id for place in undominated(figures)}
    assert len(every) >= 3**4
    assert {candidate.id for candidate in front.candidates} == best


def test_of_many_machines_the_busiest_move(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    many = [
        state
        for number in range(10)
        for state in other(make_state, f"h{number}", cpu=0.1 * number, memory=0.05)
    ]

    found = bases(
        make_snapshot(elsewhere=tuple(many)), "global_level", rules=Rules(), max_increase=None
    )

    moving = {basis.resource for basis in found if len(basis.levels) > 1}
    assert len(moving) == MOST_MOVING
    assert {"cpu@h9", "cpu@h8"} <= moving
    assert all(basis.fixed_because for basis in found if len(basis.levels) == 1)


def test_a_machine_without_a_forecast_is_named(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    blind = make_state("cpu", 0.5, host="blind", outlook=())

    decision = decide(make_snapshot(elsewhere=(blind,)), {"scope": "global_level"})

    assert any("not forecast on blind" in assumption for assumption in decision.assumptions)
