"""Choices on random machines: the limits hold, each objective wins in its own measure."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.decisions.constraints import LIMITS
from optimizer.decisions.figures import Candidate, figure, tabulate
from optimizer.decisions.levels import Rules, bases
from optimizer.decisions.objectives import BUILT_IN, ByMeasure
from optimizer.decisions.pareto_front import Front, build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import ResourceState, Snapshot, Workload
from optimizer.decisions.solve import Solution, judge, solve, with_conflict
from optimizer.errors import DependencyError
from tests.optimizer.decisions.machines import drawn_machine, drawn_state

OBJECTIVES = {objective.name: objective for objective in BUILT_IN}
MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]

shares = st.floats(0.05, 1.0)


def request_of(objective: str = "balanced_optimization", **limits: Any) -> OptimizationRequest:
    return OptimizationRequest.model_validate(
        {"primary_objective": objective, "constraints": limits}
    )


def front_of(snapshot: Snapshot, max_increase: float | None = None) -> Front:
    return build_front(snapshot, "system_level", rules=Rules(), max_increase=max_increase)


def solve_on(snapshot: Snapshot, request: OptimizationRequest) -> Solution:
    front = front_of(snapshot, request.constraints.max_resource_increase)
    return solve(front, request, OBJECTIVES[str(request.primary_objective)])


def every_choice(snapshot: Snapshot, max_increase: float | None) -> list[Candidate]:
    """All combinations of levels, without any pruning."""
    considered = bases(snapshot, "system_level", rules=Rules(), max_increase=max_increase)
    options = tabulate(considered, snapshot.workload)
    today = figure(options, [0] * len(options), snapshot.workload)
    picks = itertools.product(*(range(len(b.levels)) for b in considered))
    return [figure(options, list(p), snapshot.workload, today=today) for p in picks]


@st.composite
def machines(draw: st.DrawFn) -> Snapshot:
    """A machine with random use, forecasts, recommendations and prices."""
    states = []
    for resource, capacity, unit in (("cpu", 4.0, "core"), ("memory", 8 * 2.0**30, "byte")):
        used = draw(shares) * capacity
        peaks = sorted(draw(st.lists(shares, min_size=4, max_size=4)))
        states.append(
            drawn_state(
                resource,
                unit,
                capacity,
                demand=used,
                peaks=[share * capacity for share in peaks],
                change=draw(st.sampled_from([None, -0.5, -0.25, 0.3])),
                usd_per_unit_hour=draw(st.floats(0.001, 1)),
            )
        )
    return drawn_machine(states, Workload(response_time_ms=draw(st.floats(1, 1000))))


limits = st.fixed_dictionaries(
    {},
    optional={
        "max_cost": st.floats(0, 5000),
        "min_reliability": st.floats(0, 1),
        "max_resource_increase": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        "max_latency_ms": st.floats(0, 2000),
        "min_performance": st.floats(-50, 100),
    },
)


def holds(candidate: Candidate, asked: dict[str, float]) -> bool:
    return all(LIMITS[name].held(candidate, value) for name, value in asked.items())


@settings(max_examples=150, deadline=None)
@given(
    snapshot=machines(),
    asked=limits,
    name=st.sampled_from(sorted(OBJECTIVES.keys() - {"emergency"})),
)
def test_the_choice_is_the_best_of_all_combinations_that_hold_the_limits(
    snapshot: Snapshot, asked: dict[str, float], name: str
) -> None:
    objective, request = OBJECTIVES[name], request_of(name, **asked)

    solution = solve_on(snapshot, request)

    holding = [
        c for c in every_choice(snapshot, asked.get("max_resource_increase")) if holds(c, asked)
    ]
    if not solution.sure or solution.best is None:
        assert not holding
    else:
        assert holds(solution.best, asked)
        ours = objective.measure(solution.best, request)
        measured = [m for c in holding if (m := objective.measure(c, request)) is not None]
        assert (ours is None and not measured) or ours == pytest.approx(min(measured), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(snapshot=machines(), asked=limits)
def test_a_conflict_is_irreducible_and_each_relaxation_is_enough_and_the_smallest(
    snapshot: Snapshot, asked: dict[str, float]
) -> None:
    request = request_of("cost_minimization", **asked)
    solution = solve_on(snapshot, request)
    if solution.best is not None:
        return

    conflict = with_conflict(solution, lambda reach: front_of(snapshot, reach)).conflict

    assert conflict is not None
    chosen = {name: asked[name] for name in conflict.irreducible_set}
    assert not any_holds(snapshot, chosen)
    for name in chosen:
        assert any_holds(snapshot, {k: v for k, v in chosen.items() if k != name})
    for way in conflict.relaxations:
        if way.needed is None:
            assert not any_holds(snapshot, {k: v for k, v in asked.items() if k != way.name})
        else:
            assert any_holds(snapshot, asked | {way.name: way.needed})
            step = 1e-6 * max(1.0, abs(way.needed)) * (1 if LIMITS[way.name].at_most else -1)
            assert not any_holds(snapshot, asked | {way.name: way.needed - step})
    together = {way.name: way.needed for way in conflict.together if way.needed is not None}
    assert bool(together) == all(way.needed is None for way in conflict.relaxations)
    assert any_holds(snapshot, asked | together) or not together


def any_holds(snapshot: Snapshot, asked: dict[str, float]) -> bool:
    """Whether some combination of levels is not known to break any limit."""
    everything = every_choice(snapshot, asked.get("max_resource_increase"))
    return any(
        all(LIMITS[name].held(c, value) is not False for name, value in asked.items())
        for c in everything
    )


def test_a_limit_that_cannot_be_checked_is_never_taken_as_held(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    unpriced = make_snapshot({"cpu": make_state("cpu", 0.7, price=None)})

    solution = solve_on(unpriced, request_of("performance_maximization", max_cost=1000.0))

    assert solution.best is not None
    assert not solution.sure
    assert solution.status(solution.best) == "insufficient_data"


def test_without_a_forecast_the_balance_is_not_claimed_to_be_optimal(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    blind = make_snapshot({"memory": make_state("memory", 0.6, outlook=())})

    solution = solve_on(blind, request_of())

    assert solution.missing == ("reliability",)
    assert solution.status(solution.best) == "insufficient_data"


def test_a_saturated_machine_grows_though_its_response_time_is_not_known(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    full = make_snapshot({"cpu": make_state("cpu", 1.0, spread=0.0)})

    best = solve_on(full, request_of()).best

    assert best is not None
    assert best.levels["cpu"] > 1
    assert best.performance is None


def test_too_few_requests_leave_the_reliability_open_instead_of_broken(
    make_snapshot: MakeSnapshot,
) -> None:
    few = make_snapshot(workload=Workload(error_rate=0.0, requests=20))
    many = make_snapshot(workload=Workload(error_rate=0.0, requests=2000))
    failing = make_snapshot(workload=Workload(error_rate=0.5, requests=20))
    request = request_of(min_reliability=0.95)

    assert solve_on(few, request).sure is False
    assert solve_on(many, request).sure is True
    assert solve_on(failing, request).best is None


def test_an_emergency_changes_only_what_needs_no_downtime(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    lever = {"actuator": "docker update", "downtime": False}
    stuck = make_snapshot({"memory": make_state("memory", 0.9)})
    movable = make_snapshot({"memory": make_state("memory", 0.9, lever=lever)})

    at_once = solve_on(stuck, request_of("emergency")).best
    enlarged = solve_on(movable, request_of("emergency")).best

    assert at_once is not None
    assert at_once.id == "no_change"
    assert enlarged is not None
    assert enlarged.changes == ("memory",)


class GreenFirst:
    """The custom strategy of the conventions, as an installed package would bring it."""

    name = "green_first"

    def rank(self, front: Sequence[Candidate], request: OptimizationRequest) -> list[str]:
        return [c.id for c in sorted(front, key=lambda c: (c.cores * 9.0, c.cost_usd_month))]


def test_an_installed_strategy_decides(make_snapshot: MakeSnapshot) -> None:
    front = front_of(make_snapshot())

    solution = solve(front, request_of("green_first"), GreenFirst())

    assert solution.best is not None
    assert solution.best.cores == min(c.cores for c in front.candidates)
    assert solution.status(solution.best) == "optimal"


def test_a_strategy_without_a_measure_is_not_outvoted(make_snapshot: MakeSnapshot) -> None:
    solution = solve(front_of(make_snapshot()), request_of("green_first"), GreenFirst())

    ruling = judge(solution, solution.options[1].id)

    assert ruling.stands == solution.best
    assert "green_first has no measure" in str(ruling.refusal)


class Broken:
    name = "broken"

    def rank(self, front: Sequence[Candidate], request: OptimizationRequest) -> list[str]:
        raise ZeroDivisionError("oops")


class Inventive:
    name = "inventive"

    def rank(self, front: Sequence[Candidate], request: OptimizationRequest) -> list[str]:
        return ["cpu_1000"]


@pytest.mark.parametrize("strategy", [Broken(), Inventive()])
def test_a_strategy_that_fails_or_invents_is_named(
    make_snapshot: MakeSnapshot, strategy: Broken | Inventive
) -> None:
    with pytest.raises(DependencyError, match=strategy.name):
        solve(front_of(make_snapshot()), request_of(strategy.name), strategy)


def test_the_judge_accepts_only_a_close_candidate_that_was_offered(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    snapshot = make_snapshot({"cpu": make_state("cpu", 0.9)})
    solution = solve_on(snapshot, request_of("cost_minimization"))
    best = solution.best
    assert best is not None
    far = solution.options[-1]

    assert judge(solution, best.id).refusal is None
    assert judge(solution, None).stands == best
    assert "none of the candidates" in str(judge(solution, "made_up").refusal)
    ruling = judge(solution, far.id)
    assert ruling.stands == best
    assert "worse" in str(ruling.refusal)


def test_the_judge_lets_a_near_equal_choice_stand(make_snapshot: MakeSnapshot) -> None:
    front = front_of(make_snapshot())
    near = ByMeasure("near", "all alike", lambda c, _: 1 - c.spend / 1e9, needs=())
    solution = solve(front, request_of("near"), near)
    other = solution.options[1]

    ruling = judge(solution, other.id)

    assert ruling.stands == other
    assert solution.status(ruling.stands) == "feasible"


def test_the_judge_lets_nobody_pay_a_tenth_more_for_nothing_better(
    make_snapshot: MakeSnapshot,
) -> None:
    front = front_of(make_snapshot())
    for value, refuses in ((lambda c, _: 1.0, True), (lambda c, _: 1 - c.spend / 1e9, False)):
        alike = ByMeasure("alike", "all alike", value, needs=())
        solution = solve(front, request_of("alike"), alike)
        cheap = min(solution.options, key=lambda c: c.cost_usd_month or 0.0)
        dear = max(solution.options, key=lambda c: c.cost_usd_month or 0.0)
        solution = replace(solution, ranked=(cheap, dear))

        refusal = judge(solution, dear.id).refusal

        assert (dear.cost_usd_month or 0.0) > 1.1 * (cheap.cost_usd_month or 0.0)
        assert (refusal is not None) is refuses
        assert not refuses or "costs more than 10% more" in str(refusal)


def test_the_judge_lets_nobody_interrupt_work_in_an_emergency(
    make_snapshot: MakeSnapshot,
) -> None:
    solution = solve_on(make_snapshot(), request_of("emergency"))
    best = solution.best
    assert best is not None
    assert best.online
    interrupting = replace(best, id="restarts", online=False)
    solution = replace(solution, ranked=(best, interrupting))

    ruling = judge(solution, "restarts")

    assert ruling.stands == best
    assert "interrupts running work" in str(ruling.refusal)


def test_the_judge_checks_the_limits_once_more(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot()
    solution = solve_on(snapshot, request_of("performance_maximization", max_cost=100_000.0))
    best = solution.best
    assert best is not None
    faster = replace(best, id="faster", cost_usd_month=100_001.0)
    solution = replace(solution, ranked=(best, faster))

    ruling = judge(solution, "faster")

    assert ruling.stands == best
    assert ruling.refusal == "faster breaks max_cost 100000 USD/month: it has 100001"


def test_the_judge_calls_nothing_worse_that_it_cannot_compare(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    cold = make_snapshot(
        {"cpu": make_state("cpu", 0.7, outlook=()), "memory": make_state("memory", 0.7, outlook=())}
    )
    solution = solve_on(cold, request_of("reliability_optimization"))

    refusal = str(judge(solution, solution.options[1].id).refusal)

    assert "reliability is unknown" in refusal
    assert "worse" not in refusal


def test_limits_that_conflict_each_for_itself_are_loosened_together(
    make_snapshot: MakeSnapshot,
) -> None:
    snapshot = make_snapshot()
    asked = {"max_cost": 1.0, "min_performance": 99.99}
    solution = solve_on(snapshot, request_of("cost_minimization", **asked))

    conflict = with_conflict(solution, lambda reach: front_of(snapshot, reach)).conflict

    assert conflict is not None
    assert [way.needed for way in conflict.relaxations] == [None]
    assert {way.name for way in conflict.together} == set(asked)
    assert any_holds(snapshot, {way.name: way.needed or 0.0 for way in conflict.together})


def test_measures_are_finite_or_none(make_snapshot: MakeSnapshot) -> None:
    request = request_of(min_reliability=1.0, max_cost=0.0)

    for candidate in front_of(make_snapshot()).choices:
        for objective in BUILT_IN:
            figure_of = objective.measure(candidate, request)
            assert figure_of is None or math.isfinite(figure_of)
