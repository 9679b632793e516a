"""A task's choices as levels with figures: those of the analyses, put into one shape."""

from typing import Any

import pytest

from optimizer.cost_benefit.choices import Depths, mcp_choice, route_choice
from optimizer.cost_benefit.descriptor import read_options
from optimizer.cost_benefit.mcp_selection import select_mcp_servers
from optimizer.cost_benefit.requirements import read_requirements
from optimizer.cost_benefit.routing import RoutingRequirements, read_routes
from optimizer.cost_benefit.validation import ValidationRequirements, missed_share, read_strategies

ROUTES = read_routes(
    [
        {"id": "alita", "cost": 0.02, "latency_ms": 4000, "successes": 90, "failures": 10},
        {"id": "kgot", "cost": 0.09, "latency_ms": 9000, "right": 95, "wrong": 5},
    ]
)
TESTS = read_strategies([{"id": "tests", "cost": 0.01, "detection": 0.7, "max_cycles": 2}])


def test_a_route_is_charged_for_every_attempt_that_is_expected() -> None:
    twice = RoutingRequirements(max_attempts=2)

    choice = route_choice(ROUTES, twice)

    assert choice is not None
    alita = choice.ways[0]
    fails = 1 - 90.5 / 101
    assert alita.id == "alita"
    assert alita.usd == pytest.approx(0.02 * (1 + fails))
    assert alita.seconds == pytest.approx(4 * (1 + fails))
    assert alita.p_failure == pytest.approx(fails**2 + (1 - fails**2) * 0.5)


def test_what_validation_finds_depends_on_how_often_the_system_is_wrong() -> None:
    depths = Depths(TESTS, ValidationRequirements(prior_error=0.0), cycles=(1, 2, 3))

    choice = route_choice(ROUTES, RoutingRequirements(), depths)

    assert choice is not None
    ways = {way.id: way for way in choice.ways}
    assert [way.id for way in choice.ways[:3]] == [
        "alita, none",
        "alita, tests x1",
        "alita, tests x2",
    ]
    wrong, fails = 1 - 95.5 / 101, 0.5
    missed = missed_share(TESTS[0], 2)
    assert ways["kgot, tests x2"].p_failure == pytest.approx(fails + (1 - fails) * wrong * missed)
    assert ways["kgot, tests x2"].usd == pytest.approx(0.09 + 2 * 0.01)
    assert ways["kgot, tests x2"].seconds is None


def test_limits_of_the_task_leave_ways_out_and_say_why() -> None:
    choice = route_choice(ROUTES, RoutingRequirements(max_latency_ms=5000))
    strict = ValidationRequirements(prior_error=0.2, max_escaped=0.03, budget=0.02)
    depth = Depths(TESTS, strict, cycles=(1, 2)).choice()

    assert choice is not None
    assert [way.id for way in choice.ways] == ["alita"]
    assert "9000" in choice.left_out["kgot"]
    assert depth is not None
    assert [way.id for way in depth.ways] == ["tests x2"]
    assert set(depth.left_out) == {"none", "tests x1"}


SERVERS: list[dict[str, Any]] = [
    {"id": "web", "cost": 0.01, "latency_ms": 200, "capabilities": ["search"]},
    {"id": "disk", "capabilities": ["files", "search"], "reliability": 0.5},
]


def test_a_server_whose_cost_nobody_knows_is_not_taken_to_be_free() -> None:
    needs = read_requirements({"complexity": "medium"})
    analysis = select_mcp_servers(read_options(SERVERS), needs)

    unknown = mcp_choice([analysis], calls=needs.calls, unknown_usd=None)
    charged = mcp_choice([analysis], calls=needs.calls, unknown_usd=0.5)

    assert unknown is not None
    assert charged is not None
    usd = {way.id: way.usd for way in unknown.ways}
    assert usd["disk"] is None
    assert usd["web"] == pytest.approx(0.02)
    assert {way.id: way.usd for way in charged.ways}["disk"] == pytest.approx(1.0)


def test_a_set_shares_the_calls_among_those_that_serve_them() -> None:
    needs = read_requirements({"capabilities": ["search", "files"], "mode": "set"})
    analysis = select_mcp_servers(read_options(SERVERS), needs)

    choice = mcp_choice([analysis, analysis], calls=4, unknown_usd=0.5)

    assert choice is not None
    assert [way.id for way in choice.ways] == ["disk, web"]
    assert choice.ways[0].usd == pytest.approx(2 * 0.01 + 2 * 0.5)
    options = {option["mcp_id"]: option for option in analysis["options"]}
    done = [
        (options[name]["quality"]["value"] or 0) * (options[name]["reliability"]["value"] or 0)
        for name in ("web", "disk")
    ]
    assert choice.ways[0].p_failure == pytest.approx(1 - sum(done) / 2, abs=1e-6)
