"""A task's choices beside the size of its lease: levels with figures like any other."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.cost_benefit.choices import Choice, Way
from optimizer.decisions.constraints import LIMITS
from optimizer.decisions.decision import Inputs, Record
from optimizer.decisions.explain import explain
from optimizer.decisions.figures import Candidate, figure, tabulate
from optimizer.decisions.job import Job, Session
from optimizer.decisions.levels import Rules, bases
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.plan import make_plan
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import Snapshot
from optimizer.decisions.solve import Solution, solve, with_conflict
from optimizer.decisions.wording import assumptions, summarise
from tests.optimizer.decisions.test_answer import decide

MakeSnapshot = Callable[..., Snapshot]
OBJECTIVES = {objective.name: objective for objective in BUILT_IN}

shares = st.floats(0, 1)
ways = st.builds(
    Way, id=st.just(""), text=st.just("do"), usd=shares, seconds=shares, p_failure=shares
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Up to three choices of up to four ways."""
    choices = []
    for name in draw(st.sampled_from([("route",), ("route", "mcp"), ("validation", "mcp", "x")])):
        found = draw(st.lists(ways, min_size=1, max_size=4))
        named = tuple(way.model_copy(update={"id": str(i)}) for i, way in enumerate(found))
        choices.append(Choice(name=name, ways=named))
    work = draw(st.sampled_from([None, 2.0]))
    left = draw(st.sampled_from([None, 0.5, 1.5]))
    session = Session(leases=0, held_usd_month=1.0, spent_usd=2.0, left_usd=left)
    return Job(choices=tuple(choices), work_s=work, times_per_month=3, session=session)


def solve_for(snapshot: Snapshot, job: Job, objective: str, **limits: Any) -> Solution:
    request = OptimizationRequest.model_validate(
        {"scope": "session_level", "primary_objective": objective, "constraints": limits}
    )
    front = build_front(snapshot, "session_level", rules=Rules(), max_increase=None, job=job)
    return solve(front, request, OBJECTIVES[objective])


def every_choice(snapshot: Snapshot, job: Job) -> list[Candidate]:
    considered = bases(snapshot, "session_level", rules=Rules(), max_increase=None)
    options = tabulate(considered, snapshot.workload, job)
    today = figure(options, [0] * len(options), snapshot.workload)
    picks = itertools.product(*(range(len(o.labels)) for o in options))
    return [figure(options, list(p), snapshot.workload, today=today) for p in picks]


@given(job=jobs(), objective=st.sampled_from(sorted(OBJECTIVES)), max_cost=st.floats(0, 900))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_choice_is_the_best_of_all_combinations(
    make_snapshot: MakeSnapshot, job: Job, objective: str, max_cost: float
) -> None:
    snapshot = make_snapshot()
    limits = {"max_cost": max_cost, "min_reliability": 0.2}
    solution = solve_for(snapshot, job, objective, **limits)

    holding = [
        candidate
        for candidate in every_choice(snapshot, job)
        if all(LIMITS[name].held(candidate, value) for name, value in solution.limits.items())
    ]

    assert (solution.best is None) == (not holding)
    if solution.best is not None:
        measure = solution.objective.measure  # type: ignore[attr-defined]
        figures = (measure(candidate, solution.request) for candidate in holding)
        known = [figure for figure in figures if figure is not None]
        assert measure(solution.best, solution.request) == pytest.approx(min(known))


SEARCH = Choice(
    name="mcp",
    ways=(
        Way(id="a", text="use a", usd=0.1, seconds=2.0, p_failure=0.1),
        Way(id="b", text="use b", usd=0.4, seconds=1.0, p_failure=0.01),
    ),
)


def test_a_plan_says_which_way_to_go_and_leaves_it_to_whoever_runs_the_task(
    make_snapshot: MakeSnapshot,
) -> None:
    job = Job(choices=(SEARCH,), absent={"route": "none were given"}, work_s=3600)
    solution = solve_for(make_snapshot(), job, "performance_maximization")
    best, front = solution.best, solution.front

    assert best is not None
    assert best.ways == {"mcp": "b"}
    assert best.id.endswith("mcp_b")
    assert "use b" in summarise(best, front)
    steps = make_plan(best, front)
    assert [step["action"] for step in steps] == ["allocate", "choose_mcp", "release"]
    assert "0.4 USD, 1 s" in steps[1]["description"]
    assert steps[1]["carried_out_by"] == "caller"
    said = " ".join(assumptions(front))
    assert "Not chosen: route (none were given)" in said
    assert "charged for 1 h a month" in said


def test_what_the_session_has_already_counts_against_its_budget(
    make_snapshot: MakeSnapshot,
) -> None:
    spent = Session(leases=2, held_usd_month=400.0, spent_usd=50.0, left_usd=None)
    free = solve_for(make_snapshot(), Job(), "cost_minimization").best
    taken = solve_for(make_snapshot(), Job(session=spent), "cost_minimization").best

    assert free is not None
    assert free.cost_usd_month is not None
    assert taken is not None
    assert taken.cost_usd_month == pytest.approx(free.cost_usd_month + 450)
    limit = free.cost_usd_month + 449
    assert solve_for(make_snapshot(), Job(session=spent), "emergency", max_cost=limit).best is None


def test_a_budget_that_nothing_fits_is_named_with_what_would(make_snapshot: MakeSnapshot) -> None:
    poor = Session(leases=0, held_usd_month=0.0, spent_usd=0.0, left_usd=0.05)
    job = Job(choices=(SEARCH,), session=poor)
    solution = solve_for(make_snapshot(), job, "balanced_optimization")

    found = with_conflict(solution, lambda _: solution.front).conflict

    assert found is not None
    assert found.irreducible_set == ("session_budget",)
    assert found.relaxations[0].needed == pytest.approx(0.1)


def test_what_is_not_known_of_one_way_is_compared_of_none(make_snapshot: MakeSnapshot) -> None:
    unknown = SEARCH.ways[1].model_copy(update={"seconds": None, "usd": None})
    job = Job(choices=(Choice(name="mcp", ways=(SEARCH.ways[0], unknown)),))
    solution = solve_for(make_snapshot(), job, "performance_maximization", max_cost=1e6)

    assert solution.best is not None
    assert solution.best.cost_usd_month is None
    assert solution.best.performance is None
    assert not solution.sure
    assert solution.status(solution.best) == "insufficient_data"


def test_a_decision_about_a_task_replays_from_its_stored_inputs(
    make_snapshot: MakeSnapshot,
) -> None:
    job = Job(choices=(SEARCH,), work_s=60)
    decision = decide(make_snapshot(), {"scope": "task_level"}, job=job)
    inputs = Inputs(
        snapshot=make_snapshot(),
        request=OptimizationRequest(scope="task_level"),
        objective=decision.strategy,
        rules=Rules(),
        job=job,
    )

    kept = Inputs.model_validate_json(inputs.text())
    told = explain(Record(decision=decision, inputs=kept), "why", OBJECTIVES[decision.strategy]).why

    assert kept == inputs
    assert told is not None
    assert told.replayed


def test_not_to_validate_takes_no_time_and_may_be_the_fastest(make_snapshot: MakeSnapshot) -> None:
    depth = Choice(
        name="validation",
        ways=(
            Way(id="none", text="do not validate", usd=0.0, seconds=0.0, p_failure=0.04),
            Way(id="tests x1", text="validate", usd=0.1, seconds=1.0, p_failure=0.01),
        ),
    )

    fastest = solve_for(make_snapshot(), Job(choices=(depth,)), "performance_maximization").best

    assert fastest is not None
    assert fastest.ways == {"validation": "none"}
