"""The official MCP conformance suite against the served process, in both protocol eras."""

import subprocess
import sys
from pathlib import Path

import anyio.to_thread

from tests import node
from tests.bridge import over_http
from tests.serving import CHECKOUT, lonely_environment, serving

ABOUT_MESSAGES = "server-initialize ping tools-list resources-list prompts-list completion-complete"
"""The suite speaks HTTP only; through a bridge these ask the server, and not the bridge."""


def conformance(url: str, folder: Path, **environment: str) -> str:
    """What the suite says in the end of a server that fails nothing."""
    done = subprocess.run(
        [str(CHECKOUT / "tests/tools/conformance.sh"), url, "product", "results"],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=folder,
        env=lonely_environment(folder, NODE=node.node(), PYTHON=sys.executable, **environment),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_product_fails_no_scenario_of_either_era(tmp_path: Path) -> None:
    node.conformance()
    with serving(tmp_path, LOG_LEVEL="error") as url:
        said = conformance(f"{url}/mcp", tmp_path)

    assert "20 passed, 0 failed" in said


async def test_nor_does_it_through_the_shim(tmp_path: Path) -> None:
    node.conformance()
    environment = lonely_environment(tmp_path, PYTHONPATH=str(CHECKOUT), LOG_LEVEL="error")
    shim = [sys.executable, "-m", "server.cli.main", "stdio"]
    with serving(tmp_path, LOG_LEVEL="error"):
        async with over_http(shim, env=environment) as url:
            said = await anyio.to_thread.run_sync(
                lambda: conformance(f"{url}/mcp", tmp_path, ONLY=ABOUT_MESSAGES)
            )

    assert "10 passed, 0 failed" in said
