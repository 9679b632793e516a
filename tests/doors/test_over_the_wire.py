"""One request through the real doors of real processes: REST, MCP over HTTP, MCP over stdio."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters

from server.operations import TOOLS
from tests.serving import CHECKOUT, lonely_environment, serving

IN_PROCESS = (
    "import sys; from server.cli.main import main; sys.exit(main(['stdio', '--in-process']))"
)

TASK: dict[str, Any] = {
    "available_mcps": [
        {"id": "sequential_thinking", "cost": 0.05, "performance": 0.9},
        {"id": "cost_optimization", "cost": 0.02, "performance": 0.7},
        {"id": "graph_analysis", "cost": 0.08, "performance": 0.95},
    ],
    "task_requirements": {"complexity": "high", "budget": 100.0, "performance_target": 0.85},
}

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}

NOISY_PLUGIN = """
import sys
print("a stray line on stdout")
sys.stdout.flush()

class Noisy:
    name = "noisy"

    def rank(self, front, request):
        return [candidate.id for candidate in front]
"""

ENTRY_POINTS = "[sequential_resource_optimization.strategies]\nnoisy = noisy_plugin:Noisy\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served"), LOG_LEVEL="error") as url:
        yield url


def in_process(folder: Path, *paths: Path) -> StdioServerParameters:
    path = os.pathsep.join([*map(str, paths), str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    return StdioServerParameters(
        command=sys.executable,
        args=["-c", IN_PROCESS],
        env=lonely_environment(folder, PYTHONPATH=path),
        cwd=folder,
    )


async def test_every_door_answers_the_same(served: str, tmp_path: Path) -> None:
    told: dict[str, Any] = {}
    with anyio.fail_after(300):
        async with Client(f"{served}/mcp") as agent:
            told["http"] = await agent.call_tool("analyze_mcp_selection", TASK)
        async with Client(f"{served}/mcp", mode="legacy") as agent:
            told["older http"] = await agent.call_tool("analyze_mcp_selection", TASK)
        async with Client(in_process(tmp_path)) as agent:
            told["stdio"] = await agent.call_tool("analyze_mcp_selection", TASK)
        async with httpx.AsyncClient(timeout=300) as http:
            rest = await http.post(f"{served}/api/v1/analyze/mcp-selection", json=TASK)

    answers = {door: result.structured_content for door, result in told.items()}
    assert answers["http"] == answers["older http"] == answers["stdio"]
    chosen = rest.json()["recommendations"]["primary_recommendation"]["mcp_id"]
    assert answers["stdio"]["chosen"]["mcp_id"] == chosen


async def test_every_door_refuses_in_the_same_words(served: str, tmp_path: Path) -> None:
    values = {"resources": {"cpu": 1}, "ttl": 60}
    with anyio.fail_after(300):
        async with Client(f"{served}/mcp") as agent:
            over_http = await agent.call_tool("allocate", values)
        async with Client(in_process(tmp_path)) as agent:
            over_stdio = await agent.call_tool("allocate", values)
        async with httpx.AsyncClient(timeout=300) as http:
            rest = await http.post(f"{served}/api/v1/allocate", json=values)

    assert rest.status_code == 422
    text = f"{rest.json()['code']}: {rest.json()['detail']}"
    assert over_http.content[0].text == over_stdio.content[0].text == text


async def test_every_tool_is_listed_over_stdio(tmp_path: Path) -> None:
    with anyio.fail_after(300):
        async with Client(in_process(tmp_path)) as agent:
            tools = (await agent.list_tools()).tools

    assert [tool.name for tool in tools] == [operation.name for operation in TOOLS]


def test_no_stray_byte_reaches_stdout(tmp_path: Path) -> None:
    metadata = tmp_path / "noisy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "noisy_plugin.py").write_text(NOISY_PLUGIN)
    host = in_process(tmp_path, tmp_path)

    done = subprocess.run(
        [host.command, *host.args],
        input=json.dumps(INITIALIZE) + "\n",
        capture_output=True,
        text=True,
        timeout=300,
        env=host.env,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout[:1] == "{"
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1]
    assert "a stray line on stdout" in done.stderr
