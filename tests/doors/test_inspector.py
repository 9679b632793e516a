"""The MCP inspector, as a host that reads mcp.json: it lists and calls every tool."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optimizer.places import socket_path
from server.control import ask
from tests import node
from tests.serving import CHECKOUT

NAME = "sequential-resource-optimization"

CALLS: dict[str, dict[str, Any]] = {
    "get_health": {},
    "forecast_workload": {"horizon_hours": 6},
    "optimize_resources": {"scope": "task_level"},
    "analyze_mcp_selection": {"available_mcps": [{"id": "a", "cost": 0.01}, {"id": "b"}]},
    "allocate": {"resources": {"memory": "64 MiB"}, "purpose": "inspector"},
    "list_allocations": {"whose": "mine"},
    "report_usage": {"calls": [{"mcp": "a", "outcome": "ok", "latency_ms": 12}]},
}


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Little more than a host gives: the console script on PATH, and a home of its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {"PATH": path, "HOME": str(tmp_path)}
    yield given
    ask(socket_path(given), "stop")


def inspect(environment: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(
        [
            *node.inspector(),
            *("--cli", "--config", str(CHECKOUT / "mcp.json"), "--server", NAME),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def call(environment: dict[str, str], tool: str, values: dict[str, Any]) -> Any:
    pairs = [f"{name}={_shown(value)}" for name, value in values.items()]
    options = [part for pair in pairs for part in ("--tool-arg", pair)]
    answer = inspect(environment, "--method", "tools/call", "--tool-name", tool, *options)
    assert not answer.get("isError"), answer
    return answer["structuredContent"]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_the_inspector_lists_and_calls_every_tool_through_mcp_json(
    environment: dict[str, str],
) -> None:
    listed = inspect(environment, "--method", "tools/list")
    answers = {tool: call(environment, tool, values) for tool, values in CALLS.items()}
    decision = {"decision_id": answers["optimize_resources"]["decision_id"]}
    lease = {"allocation_id": answers["allocate"]["allocation_id"]}
    answers["explain_decision"] = call(environment, "explain_decision", decision)
    answers["renew_allocation"] = call(environment, "renew_allocation", lease)
    answers["release_allocation"] = call(environment, "release_allocation", lease)

    assert {tool["name"] for tool in listed["tools"]} == set(answers)
    assert answers["release_allocation"]["state"] == "released"
