"""Secrets of configured MCP servers: nowhere in what any door says of them, nor in a log."""

import json
import sys
from pathlib import Path

import anyio
import httpx
from mcp import Client

from tests.serving import CHECKOUT, lonely_environment, serving

HOSTILE = str(Path(__file__).parents[1] / "optimizer" / "mcp_client" / "hostile_server.py")
CANARY = "canary-5f1b22c9"
TASK = "look into my calendar"


async def test_secrets_of_candidates_appear_in_no_answer_resource_log_or_exposition(
    tmp_path: Path,
) -> None:
    servers = {
        "calendar": {
            "command": sys.executable,
            "args": [HOSTILE, "tells", "--api-key", CANARY],
            "env": {"SECRET": CANARY},
        },
        "remote": {
            "url": f"https://127.0.0.1/{CANARY}/mcp?key={CANARY}",
            "headers": {"X-Key": CANARY},
        },
    }
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    (tmp_path / "sro.toml").write_text("[candidates]\nhost_configs = ['mcp.json']\n")
    profiled = await anyio.run_process(
        [sys.executable, "-m", "server.cli.main", "profile", "--all"],
        env={**lonely_environment(tmp_path), "PYTHONPATH": str(CHECKOUT), "PORT": "9"},
        cwd=tmp_path,
        check=False,
    )
    said = [profiled.stdout.decode(), profiled.stderr.decode()]

    with serving(tmp_path, LOG_LEVEL="debug") as url:
        async with Client(f"{url}/mcp") as client:
            chosen = await client.call_tool(
                "analyze_mcp_selection", {"task_requirements": {"task": TASK}}
            )
            said.append(chosen.model_dump_json())
            read = [
                await client.read_resource(resource)
                for resource in ("sro://catalog", "sro://catalog/calendar", "sro://catalog/remote")
            ]
            said += [resource.model_dump_json() for resource in read]
        async with httpx.AsyncClient(base_url=url, timeout=300) as http:
            body = {"task_requirements": {"task": TASK}}
            answers = [
                await http.post("/api/v1/analyze/mcp-selection", json=body),
                await http.get("/api/v1/catalog"),
                await http.get("/api/v1/catalog", params={"mcp_id": "calendar"}),
                await http.get("/metrics"),
            ]
            assert [answer.status_code for answer in answers] == [200] * len(answers)
            said += [f"{answer.headers}{answer.text}" for answer in answers]
    log = (tmp_path / "sro.log").read_text()

    assert "calendar" in said[0]
    assert '"mcp_id":"calendar"' in said[2]
    assert "profiled_at" in said[4]
    assert [text for text in [*said, log] if CANARY in text] == []
    data = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert data
    assert [path for path in data if CANARY.encode() in path.read_bytes()] == []
