"""A thousand random machines: every choice against all combinations of levels, counted one by one.

`STATES=20000 pytest` tries more.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimizer.decisions.constraints import INCREASE, LIMITS
from optimizer.decisions.figures import Candidate, figure, tabulate
from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import BUILT_IN, ByMeasure
from optimizer.decisions.pareto_front import Front, build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import Snapshot, Workload
from optimizer.decisions.solve import solve, with_conflict
from tests.optimizer.decisions.machines import drawn_machine, drawn_state

STATES = int(os.environ.get("STATES", "1000"))

ALL_LEVELS = Rules(multipliers=(0.5, 1.0, 1.5, 2.0))

Asked = dict[str, float]


@cache
def front_of(seed: int, increase: float | None = None) -> Front:
    return build_front(machine(seed), "system_level", rules=ALL_LEVELS, max_increase=increase)


def machine(seed: int) -> Snapshot:
    """A machine with random use, forecast, advice, prices and requests."""
    rng = np.random.default_rng(seed)
    states = []
    for resource, capacity, unit in (("cpu", 8.0, "core"), ("memory", 2.0**34, "byte")):
        demand = rng.uniform(0.02, 1.05) * capacity
        peaks = np.sort(rng.uniform(0.02, 1.3, 4)) * capacity
        states.append(
            drawn_state(
                resource,
                unit,
                capacity,
                demand=demand,
                peaks=peaks.tolist(),
                change=rng.choice([None, -0.5, -0.25, 0.3]),
                usd_per_unit_hour=float(rng.uniform(0.001, 1)),
            )
        )
    requests = int(rng.integers(0, 2000))
    workload = Workload(
        response_time_ms=float(rng.uniform(1, 1000)),
        error_rate=float(rng.uniform(0, 0.2)) if requests else None,
        requests=requests,
        arrival_rate_per_s=float(rng.uniform(0, 40)) if seed % 2 else None,
        service_time_s=float(rng.uniform(0.01, 0.3)) if seed % 2 else None,
    )
    return drawn_machine(states, workload)


@cache
def combinations(seed: int) -> tuple[Candidate, ...]:
    """Every combination of levels, without any pruning."""
    front = front_of(seed)
    options = tabulate(front.considered, front.snapshot.workload)
    today = figure(options, [0] * len(options), front.snapshot.workload)
    picks = itertools.product(*(range(len(option.labels)) for option in options))
    return tuple(figure(options, p, front.snapshot.workload, today=today) for p in picks)


def limits(seed: int) -> Asked:
    """Up to three random limits, most of which some choice holds."""
    rng = np.random.default_rng(seed + 10**6)
    anything = combinations(seed)[int(rng.integers(len(combinations(seed))))]
    near = float(rng.uniform(0.8, 1.3))
    found = {
        "max_cost": (anything.cost_usd_month or 0.0) * near,
        "min_reliability": min(1.0, (anything.reliability or 0.0) * near),
        INCREASE: float(rng.choice([0.0, 0.5, 1.0])),
        "max_latency_ms": (anything.latency_ms or 500.0) * near,
        "min_performance": float(rng.uniform(-80, 60)),
    }
    names = rng.choice(sorted(found), size=int(rng.integers(0, 4)), replace=False)
    return {name: found[name] for name in names}


def chosen(objective: ByMeasure, seed: int, asked: Asked) -> tuple[Candidate | None, bool]:
    """The choice, and whether every limit could be checked."""
    solution = solve(front_of(seed, asked.get(INCREASE)), request(objective, asked), objective)
    return solution.best, solution.sure


def request(objective: ByMeasure, asked: Asked) -> OptimizationRequest:
    return OptimizationRequest.model_validate(
        {"primary_objective": objective.name, "constraints": asked}
    )


def held(candidate: Candidate, asked: Asked) -> list[bool | None]:
    return [LIMITS[name].held(candidate, value) for name, value in asked.items()]


def cases() -> Iterator[tuple[int, Asked]]:
    return ((seed, limits(seed)) for seed in range(STATES))


@pytest.mark.parametrize("objective", BUILT_IN, ids=lambda objective: objective.name)
def test_each_objective_chooses_what_is_best_in_its_own_measure(objective: ByMeasure) -> None:
    feasible = 0
    for seed, asked in cases():
        best, sure = chosen(objective, seed, asked)
        everything = combinations(seed)
        holding = [c for c in everything if all(held(c, asked)) and objective.allowed(c)]
        if not any(objective.allowed(c) and False not in held(c, asked) for c in everything):
            assert best is None or not objective.allowed(best)
            continue
        assert best is not None
        assert False not in held(best, asked)
        if not sure or not holding:
            assert not any(all(held(c, asked)) for c in everything) or not holding
            continue
        assert all(held(best, asked))
        asks = request(objective, asked)
        ours = objective.measure(best, asks)
        measured = [m for c in holding if (m := objective.measure(c, asks)) is not None]
        assert (ours is None and not measured) or ours == pytest.approx(min(measured), rel=1e-9)
        feasible += 1
    assert feasible > STATES / 4


def test_an_infeasible_request_is_proven_so_with_what_would_be_enough() -> None:
    objective, infeasible = BUILT_IN[2], 0
    for seed, asked in cases():
        solution = solve(front_of(seed, asked.get(INCREASE)), request(objective, asked), objective)
        if solution.best is not None:
            continue
        infeasible += 1
        everything = combinations(seed)
        assert all(False in held(c, asked) for c in everything)
        conflict = with_conflict(solution, lambda reach, seed=seed: front_of(seed, reach)).conflict
        assert conflict is not None
        core = {name: asked[name] for name in conflict.irreducible_set}
        assert all(False in held(c, core) for c in everything)
        for name in core:
            rest = {other: value for other, value in core.items() if other != name}
            assert any(False not in held(c, rest) for c in everything)
        for way in conflict.relaxations:
            if way.needed is not None:
                loosened = asked | {way.name: way.needed}
                assert any(False not in held(c, loosened) for c in everything)
    assert infeasible > STATES / 100


def test_the_cheapest_never_costs_more_than_any_other() -> None:
    for seed, asked in cases():
        cheapest, _ = chosen(BUILT_IN[2], seed, asked)
        for objective in BUILT_IN:
            other, _ = chosen(objective, seed, asked)
            assert (other is None) == (cheapest is None)
            if other is not None and cheapest is not None:
                assert cheapest.spend <= other.spend + 1e-9


def test_a_looser_limit_never_worsens_the_objectives_own_measure() -> None:
    for seed, asked in cases():
        for name in asked:
            wider = {other: value for other, value in asked.items() if other != name}
            # Emergency puts what is possible at once first, and the balance measures cost in
            # shares of max_cost: the one's order and the other's scale change with the limits.
            for objective in BUILT_IN[1:4]:
                tight, sure = chosen(objective, seed, asked)
                loose, _ = chosen(objective, seed, wider)
                if tight is None or not sure:
                    continue
                assert loose is not None
                before = objective.measure(tight, request(objective, asked))
                after = objective.measure(loose, request(objective, wider))
                assert before is None or (after is not None and after <= before * (1 + 1e-12))


def test_adding_a_dominated_option_never_flips_a_choice() -> None:
    for seed, asked in cases():
        front = front_of(seed, asked.get(INCREASE))
        worse = 1.0 + (seed % 20 + 1) / 100
        beaten = tuple(_worse(c, worse, f"dominated {i}") for i, c in enumerate(front.choices))
        widened = replace(front, choices=(*front.choices, *beaten))
        for objective in BUILT_IN:
            before = solve(front, request(objective, asked), objective).best
            after = solve(widened, request(objective, asked), objective).best
            assert after == before


def _worse(candidate: Candidate, by: float, name: str) -> Candidate:
    """A candidate that another one beats in cost, response time and reliability."""

    def more(figure: float | None) -> float | None:
        return None if figure is None else figure * by

    return replace(
        candidate,
        id=name,
        cost_usd_month=more(candidate.cost_usd_month),
        spend=candidate.spend * by,
        spend_ratio=candidate.spend_ratio * by,
        stretch=more(candidate.stretch),
        latency_ratio=more(candidate.latency_ratio),
        latency_ms=more(candidate.latency_ms),
        reliability=None if candidate.reliability is None else candidate.reliability / by,
        reliability_few_failures=(
            None
            if candidate.reliability_few_failures is None
            else candidate.reliability_few_failures / by
        ),
    )
