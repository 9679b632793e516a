import json
import subprocess
from pathlib import Path
from zipfile import ZipFile

import anyio
import pytest
from mcp import Client, StdioServerParameters

from tests.packaging.conftest import UV, Installation
from tests.serving import CHECKOUT, lonely_environment, stop_daemon

NAME = "sequential-resource-optimization"


def test_the_wheel_holds_the_product_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()

    roots = {name.split("/")[0] for name in names}
    assert roots == {
        "optimizer",
        "server",
        "sequential_resource_optimization.py",
        "sequential_resource_optimization-1.0.0.dist-info",
    }
    assert {"optimizer/py.typed", "server/py.typed"} <= set(names)
    assert any(name.startswith("server/static/") for name in names)


@pytest.mark.parametrize("command", [NAME, "sro"])
def test_the_console_scripts_say_their_version(installation: Installation, command: str) -> None:
    done = subprocess.run(
        [str(installation.bin / command), "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout == "1.0.0\n"


def test_uvx_runs_the_wheel(wheel: Path) -> None:
    locked = ["--constraints", "requirements/run.lock"]

    done = subprocess.run(
        [UV, "tool", "run", "--quiet", *locked, "--from", str(wheel), NAME, "--version"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )

    assert done.stdout == "1.0.0\n", done.stderr


async def test_mcp_json_works_as_it_stands_in_a_host(
    installation: Installation, tmp_path: Path
) -> None:
    """A host starts the command with a bare environment and the console script on its PATH."""
    [server] = json.loads((CHECKOUT / "mcp.json").read_text())["mcpServers"].values()
    environment = lonely_environment(tmp_path, PATH=str(installation.bin))
    environment.pop("PYTHONPATH", None)
    parameters = StdioServerParameters(
        command=str(installation.bin / server["command"]),
        args=server["args"],
        env=environment,
        cwd=tmp_path,
    )

    with anyio.fail_after(300):
        async with Client(parameters) as client:
            tools = await client.list_tools()
            health = await client.call_tool("get_health", {})

    stop_daemon(environment)
    assert 5 <= len(tools.tools) <= 10
    assert health.structured_content is not None
    assert 0 <= health.structured_content["cpu_usage"] <= 100
