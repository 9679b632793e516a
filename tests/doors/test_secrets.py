"""Secrets stay inside: a canary for every one of them, over everything that the server says."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from server.operation import Operation
from server.operations import OPERATIONS
from server.rest import API
from tests.doors.test_one_table import EXAMPLES
from tests.serving import serving

CANARIES = {
    "API_TOKEN": "canary-api-3f9a1c",
    "READ_ONLY_TOKEN": "canary-read-77b0de",
    "OPENROUTER_API_KEY": "sk-or-canary-51aa0c",
}

FORGED = 'x\n{"level": "error", "message": "forged"}'


async def test_no_secret_appears_in_any_answer_or_log(tmp_path: Path) -> None:
    answers: list[str] = []

    async def keep(response: httpx.Response) -> None:
        await response.aread()
        answers.append(f"{response.headers}{response.text}")

    headers = {"authorization": f"Bearer {CANARIES['API_TOKEN']}"}
    with serving(tmp_path, LOG_LEVEL="debug", **CANARIES) as url:
        async with httpx.AsyncClient(
            base_url=url, headers=headers, event_hooks={"response": [keep]}, timeout=300
        ) as http:
            for operation in OPERATIONS:
                await ask(http, operation, EXAMPLES[operation.name])
            for key in CANARIES.values():
                await http.get("/api/v1/health", headers={"authorization": f"Bearer {key}x"})
                await http.get("/nothing", params={"token": key})
    log = (tmp_path / "sro.log").read_text()

    assert len(answers) == len(OPERATIONS) + 2 * len(CANARIES)
    assert '"path": "/api/v1/optimize"' in log
    for name, canary in CANARIES.items():
        assert canary not in "".join(answers), name
        assert canary not in log, name


async def test_a_secret_in_an_argument_is_not_logged_and_forges_no_line(tmp_path: Path) -> None:
    headers = {"authorization": f"Bearer {CANARIES['API_TOKEN']}"}
    with serving(tmp_path, LOG_LEVEL="debug", **CANARIES) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=300) as http:
            for key in CANARIES.values():
                await http.get(f"/api/v1/decisions/{key}")
                await http.post("/api/v1/optimize", json={"primary_objective": key})
                await http.post("/api/v1/allocate", json={"resources": {"cpu": FORGED}})
                await http.get("/api/v1/decisions/" + quote(FORGED, safe=""))
    log = (tmp_path / "sro.log").read_text()

    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line["message"] != "forged" for line in lines)
    assert all(canary not in log for canary in CANARIES.values())


async def ask(http: httpx.AsyncClient, operation: Operation, values: dict[str, Any]) -> None:
    path, method = operation.rest.path, operation.rest.method
    rest = {name: value for name, value in values.items() if f"{{{name}}}" not in path}
    await http.request(
        method,
        API + path.format(**values),
        params=rest if method == "GET" else None,
        json=rest if method != "GET" else None,
    )
