"""A request means the same through every door."""

import json
from typing import Any

import httpx
import pytest
from mcp import Client

from optimizer.identity import LOCAL
from server.arguments import shown
from server.mcp_surface import create_mcp_surface
from server.operation import Operation, perform
from server.operations import ALL_TOOLS, BY_NAME, OPERATIONS
from server.rest import API
from tests.doors.fakes import ABSENT, BROKEN, HUGE, FakeOptimizer

EXAMPLES: dict[str, dict[str, Any]] = {
    "get_health": {},
    "get_metrics": {},
    "get_alerts": {"limit": 5},
    "get_census": {},
    "forecast_workload": {"horizon_hours": 12},
    "forecast_skill": {"host": "here"},
    "optimize_resources": {"scope": "task_level", "constraints": {"max_cost": 200.0}},
    "explain_decision": {"decision_id": "opt-1"},
    "get_thoughts": {"decision_id": "opt-1"},
    "submit_choice": {"decision_id": "opt-1", "candidate_id": "no_change", "thought": "Quiet."},
    "apply_decision": {"decision_id": "opt-1", "dry_run": False},
    "get_decision": {"decision_id": "opt-1"},
    "list_decisions": {"limit": 5},
    "analyze_mcp_selection": {"available_mcps": [{"id": "a", "cost": 0.05, "performance": 0.9}]},
    "get_catalog": {"mcp_id": "io.github.x/files"},
    "profile_mcp": {"ids": ["files"]},
    "analyze_system_routing": {"available_systems": [{"id": "alita", "cost_usd": 0.1}]},
    "analyze_validation_strategies": {
        "strategies": [{"id": "lint", "cycle_cost_usd": 0.1, "detection": 0.5}],
        "requirements": {"prior_error": 0.3},
    },
    "allocate": {"resources": {"cpu": 10, "memory": "1 GiB"}, "purpose": "a build"},
    "allocate_batch": {"requests": [{"resources": {"cpu": 10}, "value": 3.0}]},
    "audit": {},
    "reallocate": {"apply": False},
    "renew_allocation": {"allocation_id": "alc-1", "ttl_s": 600},
    "release_allocation": {"allocation_id": "alc-1"},
    "list_allocations": {"whose": "all", "limit": 5},
    "report_usage": {"calls": [{"mcp": "a", "tool": "t", "outcome": "ok"}]},
}


async def over_rest(
    client: httpx.AsyncClient, operation: Operation, values: dict[str, Any]
) -> httpx.Response:
    path = operation.rest.path.format(**values)
    rest = {
        name: value for name, value in values.items() if f"{{{name}}}" not in operation.rest.path
    }
    if operation.rest.method == "GET":
        return await client.get(API + path, params=rest)
    return await client.request(operation.rest.method, API + path, json=rest)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_has_an_example(operation: Operation) -> None:
    assert operation.parse(EXAMPLES[operation.name])


@pytest.mark.parametrize("operation", ALL_TOOLS, ids=lambda operation: operation.name)
async def test_a_tool_and_its_rest_twin_ask_the_same(
    operation: Operation,
    optimizer: FakeOptimizer,
    client: httpx.AsyncClient,
    operator: httpx.AsyncClient,
) -> None:
    values = EXAMPLES[operation.name]
    client = operator if operation.operates else client
    surface = create_mcp_surface(optimizer, lasting=False, operations=ALL_TOOLS)

    response = await over_rest(client, operation, values)
    async with Client(surface.server) as agent:
        result = await agent.call_tool(operation.name, values)

    assert response.status_code == 200
    assert not result.is_error
    (rest_name, rest_request, _), (mcp_name, mcp_request, _) = optimizer.asked
    assert (rest_name, rest_request) == (mcp_name, mcp_request)
    assert json.loads(result.content[0].text) == result.structured_content
    answer = await perform(operation, mcp_request, optimizer, principal=LOCAL)
    assert response.json() == operation.view(answer, rest_request, "reference")
    assert result.structured_content == operation.view(answer, mcp_request, "brief")


@pytest.mark.parametrize(
    ("name", "values", "detail"),
    [
        (
            "allocate",
            {"resources": {"cpu": 10}, "ttl": 60},
            "allocate has no argument 'ttl'; did you mean ttl_s (seconds, 1-86400, default 900)? "
            "Nothing was reserved.",
        ),
        ("forecast_workload", {"horizon_hours": 0}, "1-168"),
        ("forecast_workload", {"horizon_hours": 10**9}, "1-168"),
        ("optimize_resources", {"scope": "galaxy"}, "task_level"),
        ("optimize_resources", {"constraints": {"max_costs": 1}}, "max_cost"),
        ("allocate", {}, "resources"),
        ("allocate", {"resources": {}}, "resources"),
        ("analyze_mcp_selection", {"available_mcps": 5}, "available_mcps"),
        ("report_usage", {"calls": []}, "Nothing was recorded."),
    ],
)
async def test_a_bad_argument_is_told_in_the_same_words_and_nothing_is_done(
    name: str,
    values: dict[str, Any],
    detail: str,
    optimizer: FakeOptimizer,
    client: httpx.AsyncClient,
) -> None:
    response = await over_rest(client, BY_NAME[name], values)
    async with Client(create_mcp_surface(optimizer, lasting=False).server) as agent:
        result = await agent.call_tool(name, values)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert result.is_error
    problem = response.json()
    assert detail in problem["detail"]
    assert BY_NAME[name].unchanged in problem["detail"]
    assert result.content[0].text == f"{problem['code']}: {problem['detail']}"
    assert optimizer.asked == []


@pytest.mark.parametrize(
    ("identifier", "status", "code"),
    [(ABSENT, 404, "not_found"), (BROKEN, 503, "dependency_unavailable")],
)
async def test_an_error_has_the_same_two_texts_in_every_door(
    identifier: str,
    status: int,
    code: str,
    optimizer: FakeOptimizer,
    client: httpx.AsyncClient,
) -> None:
    values = {"decision_id": identifier}

    response = await over_rest(client, BY_NAME["explain_decision"], values)
    async with Client(create_mcp_surface(optimizer, lasting=False).server) as agent:
        result = await agent.call_tool("explain_decision", values)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert result.content[0].text == f"{code}: {response.json()['detail']}"


async def test_a_refusal_is_a_result_with_alternatives(
    optimizer: FakeOptimizer, client: httpx.AsyncClient
) -> None:
    values = {"resources": {"cpu": HUGE}}

    response = await over_rest(client, BY_NAME["allocate"], values)
    async with Client(create_mcp_surface(optimizer, lasting=False).server) as agent:
        result = await agent.call_tool("allocate", values)

    assert response.status_code == 409
    assert not result.is_error
    for answer in (response.json(), result.structured_content):
        assert answer["state"] == "refused"
        assert answer["alternatives"]
        assert answer["unknown"]["fits_in_s"]


def test_a_callers_value_is_shown_escaped_and_short() -> None:
    assert shown("x\n" * 100) == "'" + "x\\n" * 18 + "x\\..."


@pytest.mark.parametrize(
    ("identifier", "counted"), [("opt-1", True), (ABSENT, True), (BROKEN, False)]
)
async def test_what_the_doors_did_is_counted_and_only_our_failures_as_failed(
    identifier: str, counted: bool, optimizer: FakeOptimizer, client: httpx.AsyncClient
) -> None:
    await over_rest(client, BY_NAME["explain_decision"], {"decision_id": identifier})

    assert optimizer.workload.heard == [counted]


async def test_a_call_that_may_wait_is_not_counted(
    optimizer: FakeOptimizer, client: httpx.AsyncClient
) -> None:
    await over_rest(client, BY_NAME["allocate"], {"resources": {"cpu": 1}, "wait_s": 10})

    assert optimizer.workload.heard == []
