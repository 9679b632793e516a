"""What only REST has: methods, media types, queries, ETags, and the documented keys."""

import math
from typing import Any

import httpx
import pytest

from server.operations import OPERATIONS
from server.rest import API, from_text
from tests.doors.fakes import FakeOptimizer
from tests.doors.test_one_table import EXAMPLES, over_rest

CACHED = ("health", "metrics", "forecast")


@pytest.mark.parametrize("name", CACHED)
async def test_an_answer_that_has_not_changed_is_not_sent_again(
    name: str, client: httpx.AsyncClient
) -> None:
    first = await client.get(f"{API}/{name}")
    tag = first.headers["etag"]
    again = await client.get(f"{API}/{name}", headers={"if-none-match": f'"other", W/{tag}'})
    changed = await client.get(f"{API}/{name}", headers={"if-none-match": '"other"'})

    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == tag
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/health", "GET, HEAD"),
        ("GET", "/optimize", "POST"),
        ("PATCH", "/allocations/alloc_1", "DELETE"),
        ("TRACE", "/allocations", "GET, HEAD"),
        ("OPTIONS", "/usage", "POST"),
    ],
)
async def test_another_method_is_refused_with_those_that_are_allowed(
    method: str, path: str, allowed: str, client: httpx.AsyncClient
) -> None:
    response = await client.request(method, API + path)

    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert response.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/nothing", f"{API}/", f"{API}/health/", f"{API}/decisions"])
async def test_a_path_that_leads_nowhere_is_a_problem(path: str, client: httpx.AsyncClient) -> None:
    response = await client.get(path)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "identifier", ["a b", "..", "%27%20OR%201=1--", "a%25b", "x" * 65, "a%0Ab", "%F0%9F%98%80"]
)
async def test_an_id_that_cannot_be_one_is_not_found_and_not_looked_up(
    identifier: str, client: httpx.AsyncClient, optimizer: FakeOptimizer
) -> None:
    response = await client.get(f"{API}/decisions/{identifier}")

    assert response.status_code == 404
    assert optimizer.asked == []


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_media_type_is_refused(media_type: str, client: httpx.AsyncClient) -> None:
    response = await client.post(
        f"{API}/optimize", content=b"{}", headers={"content-type": media_type}
    )

    assert response.status_code == 415


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b'{"a": }', b'{"ttl_s": ' + b"9" * 5000 + b"}"],
)
async def test_a_body_that_is_not_json_is_told_so(body: bytes, client: httpx.AsyncClient) -> None:
    response = await client.post(
        f"{API}/allocate", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == 400
    assert response.json()["code"] == "malformed_json"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("allocate", '{"resources": {"cpu": NaN}}'),
        ("allocate", '{"resources": {"cpu": Infinity}}'),
        ("allocate", '{"resources": {"cpu": 1e999}}'),
        ("allocate", '{"resources": {"cpu": null}}'),
        ("allocate", '{"resources": {"cpu": true}}'),
        ("allocate", '{"resources": {"cpu": "\\ud800"}}'),
        ("allocate", '{"resources": {"cpu": 1}, "wait_s": 46}'),
        ("allocate", '{"resources": {"cpu": 1}, "ttl_s": "900"}'),
        ("allocate", '{"resources": {"cpu": 1}, "purpose": "a\\nb"}'),
        ("optimize", '{"constraints": {"max_cost": -1}}'),
        ("optimize", '{"constraints": {"max_cost": NaN}}'),
        ("optimize", '{"use_sequential_thinking": 1}'),
        ("optimize", "[]"),
        ("optimize", "[" * 10_000 + "]" * 10_000),
        ("optimize", "null"),
        ("optimize", '"x"'),
        ("analyze/mcp-selection", '{"available_mcps": [{"id": "a", "cost": -Infinity}]}'),
        ("analyze/mcp-selection", '{"available_mcps": {}}'),
        ("usage", '{"calls": [{"mcp": "a"}]}'),
        ("usage", '{"calls": [{"mcp": "a", "outcome": "ok", "n": 0}]}'),
    ],
)
async def test_a_bad_value_is_refused_by_name_and_nothing_is_done(
    path: str, body: str, client: httpx.AsyncClient, optimizer: FakeOptimizer
) -> None:
    response = await client.post(
        f"{API}/{path}", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == 422
    assert "Nothing was" in response.json()["detail"]
    assert [name for name, _, _ in optimizer.asked] in ([], ["analyze_mcp_selection"])


async def test_nesting_is_bounded(client: httpx.AsyncClient) -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = {"a": deep}
    response = await client.post(
        f"{API}/analyze/mcp-selection", json={"available_mcps": [{"id": "a", "metadata": deep}]}
    )

    assert response.status_code == 422
    assert "nested deeper" in response.json()["detail"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("horizon_hours=0", "1-168"),
        ("horizon_hours=1.5", "horizon_hours"),
        ("horizon_hours=", "horizon_hours"),
        ("horizon_hours=1000000000", "1-168"),
        ("horizon_hours=1e3", "horizon_hours"),
        ("horizon=12", "did you mean horizon_hours"),
        ("horizon_hours=1&horizon_hours=2", "given twice"),
        ("detail=hourly", "detail"),
    ],
)
async def test_a_bad_query_is_refused_by_name(
    query: str, words: str, client: httpx.AsyncClient, optimizer: FakeOptimizer
) -> None:
    response = await client.get(f"{API}/forecast?{query}")

    assert response.status_code == 422
    assert words in response.json()["detail"]
    assert optimizer.asked == []


async def test_a_body_operation_takes_no_query(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{API}/optimize?scope=task_level")

    assert response.status_code == 422


async def test_a_whole_number_may_be_written_with_a_point(
    client: httpx.AsyncClient, optimizer: FakeOptimizer
) -> None:
    response = await client.post(f"{API}/allocate", json={"resources": {"cpu": 1}, "ttl_s": 60.0})

    assert response.status_code == 200
    assert optimizer.asked[0][1].ttl_s == 60


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("12", {"type": "integer"}, 12),
        ("-1", {"type": "integer"}, -1),
        ("1.5", {"type": "number"}, 1.5),
        ("1e3", {"type": "number"}, 1000.0),
        ("nan", {"type": "number"}, "nan"),
        ("true", {"type": "boolean"}, True),
        ("yes", {"type": "boolean"}, "yes"),
        ("a,b", {"anyOf": [{"type": "array"}, {"type": "null"}]}, ["a", "b"]),
        ("a", {"type": "string"}, "a"),
        ("a", {}, "a"),
    ],
)
def test_a_query_parameter_is_read_as_its_schema_says(
    text: str, schema: dict[str, Any], value: object
) -> None:
    assert from_text(text, schema) == value


DOCUMENTED: dict[str, dict[str, Any]] = {
    "optimize_resources": {
        "decision_id": str,
        "strategy": str,
        "estimated_cost": float,
        "estimated_performance": float,
        "estimated_reliability": float,
        "confidence_score": float,
        "implementation_plan": [
            {"step": int, "action": str, "description": str, "estimated_duration": str}
        ],
    },
    "get_health": {
        "status": str,
        "cpu_usage": float,
        "memory_usage": float,
        "reliability_score": float,
        "issues": [str],
        "warnings": [str],
    },
    "get_metrics": {
        "current_metrics": {
            "timestamp": str,
            "cpu_usage": float,
            "memory_usage": float,
            "storage_usage": float,
            "network_latency": {"primary": float, "secondary": float},
            "error_rate": float,
            "throughput": float,
            "reliability_score": float,
        },
        "performance_trends": {"cpu_trend": str, "memory_trend": str, "error_trend": str},
        "resource_allocation": {
            "total_allocations": int,
            "resource_utilization": {
                "cpu": {"total": float, "allocated": float, "available": float}
            },
        },
    },
    "forecast_workload": {
        "forecast_available": bool,
        "forecast_horizon_hours": int,
        "model_forecasts": {
            "linear_trend": {
                "predictions": [
                    {
                        "hour_offset": int,
                        "timestamp": str,
                        "cpu_usage": float,
                        "memory_usage": float,
                        "confidence": float,
                    }
                ]
            }
        },
        "scaling_recommendations": [
            {"type": str, "priority": str, "target_increase": str, "reason": str}
        ],
    },
    "list_decisions": {"optimization_history": [{"decision_id": str}], "total": int},
}


def check(shown: Any, documented: Any, path: str) -> None:
    """The reference document's shape: every key, with its type or null."""
    if isinstance(documented, dict):
        for name, inside in documented.items():
            assert name in shown, f"{path}.{name}"
            check(shown[name], inside, f"{path}.{name}")
    elif isinstance(documented, list):
        assert isinstance(shown, list), path
        for index, item in enumerate(shown):
            check(item, documented[0], f"{path}[{index}]")
    elif shown is not None:
        kinds = (int, float) if documented is float else documented
        assert isinstance(shown, kinds), f"{path} is {shown!r}"
        assert not isinstance(shown, float) or math.isfinite(shown)


@pytest.mark.parametrize("name", DOCUMENTED)
async def test_every_documented_key_is_there_with_its_type(
    name: str, client: httpx.AsyncClient
) -> None:
    operation = next(operation for operation in OPERATIONS if operation.name == name)

    response = await over_rest(client, operation, EXAMPLES[name])

    check(response.json(), DOCUMENTED[name], name)


async def test_a_later_request_of_the_reference_needs_no_more_than_it_shows(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post(
        f"{API}/allocate",
        json={
            "resources": {"cpu": 50, "memory": 75, "storage": 100},
            "strategy": "performance_priority",
            "priority_level": "high",
        },
    )

    assert response.status_code == 200
