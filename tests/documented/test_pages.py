"""What our own pages show: commands with their answers, Python, links, the table of operations."""

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from mcp import Client

from server.operation import Operation
from server.operations import OPERATIONS
from tests.documented.blocks import Block, code_blocks, run_block
from tests.documented.transcript import Call, agrees, calls, run
from tests.serving import CHECKOUT, lonely_environment

README = CHECKOUT / "README.md"
GUIDE = CHECKOUT / "docs" / "guide.md"
PAGES = [README, CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").glob("*.md"))]

FENCED = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)

LINK = re.compile(r"\]\((?P<target>[^)#\s]+)")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `sro` in it, also where the project is not installed."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "sro"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m server.cli.main "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture
def surroundings(server: str, scripts: Path, tmp_path: Path) -> dict[str, str]:
    """A terminal beside a running server."""
    path = os.pathsep.join([str(scripts), os.environ["PATH"]])
    beside = {"PORT": str(urlsplit(server).port), "SRO_SERVER": server}
    return lonely_environment(tmp_path, PATH=path, PYTHONPATH=str(CHECKOUT), **beside) | {
        "COLUMNS": "400"
    }


@pytest.mark.parametrize("call", [call for page in PAGES for call in calls(page)], ids=str)
def test_a_command_answers_as_the_page_shows(
    call: Call, surroundings: dict[str, str], tmp_path: Path
) -> None:
    printed = run(call, environment=surroundings, folder=tmp_path)

    assert agrees(call.answer, printed), f"shown:\n{call.answer}\n\nprinted:\n{printed}"


@pytest.mark.parametrize("block", code_blocks(GUIDE), ids=str)
async def test_a_python_block_runs_as_the_page_shows(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    await run_block(block, {})


async def test_the_call_in_the_readme_is_answered_as_shown(server: str) -> None:
    arguments, shown, _ = (json.loads(b.source) for b in code_blocks(README, language="json"))

    with anyio.fail_after(300):
        async with Client(f"{server}/mcp") as client:
            result = await client.call_tool("allocate", arguments)

    assert agrees(json.dumps(shown), json.dumps(result.structured_content))


def test_the_readme_shows_mcp_json_as_it_is() -> None:
    *_, shown = code_blocks(README, language="json")

    assert json.loads(shown.source) == json.loads((CHECKOUT / "mcp.json").read_text())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_guide_lists_every_operation_with_its_route_and_command(operation: Operation) -> None:
    lines = GUIDE.read_text(encoding="utf-8").splitlines()

    [row] = [line for line in lines if line.startswith(f"| `{operation.name}`")]

    assert f"`{operation.rest.method} {operation.rest.path}" in row
    assert f"`sro {operation.command.name}`" in row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    targets = {found["target"] for found in LINK.finditer(prose)}
    local = {target for target in targets if not urlsplit(target).scheme}

    assert [target for target in local if not (page.parent / target).exists()] == []
