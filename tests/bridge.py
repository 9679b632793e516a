"""A stdio MCP server behind an HTTP bridge, on loopback."""

import shlex
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from subprocess import PIPE, STDOUT

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests import node
from tests.processes import listening_port


@asynccontextmanager
async def thinking_over_http() -> AsyncIterator[str]:
    """Serve the real sequential-thinking server for the length of a block; yields its bare URL."""
    async with over_http(node.sequential_thinking(), "--stateful") as url:
        yield url


@asynccontextmanager
async def over_http(
    command: Sequence[str], *options: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """Serve a stdio server with supergateway for the length of a block; yields its bare URL.

    Args:
        command: The server; without `--stateful` one is started for every request.
        options: Of the bridge.
        env: Of the bridge and the server; this process's own when None.
    """
    bridge = await anyio.open_process(
        [
            *node.supergateway(),
            *("--stdio", shlex.join(command)),
            *("--outputTransport", "streamableHttp", *options, "--port", "0"),
        ],
        env=env,
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        async with anyio.create_task_group() as tasks:
            with anyio.fail_after(300):
                await tasks.start(_follow, bridge)
            yield f"http://127.0.0.1:{listening_port(bridge.pid)}"
            tasks.cancel_scope.cancel()
    finally:
        await _stop(bridge)


async def _follow(bridge: Process, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Read what the bridge prints, and say when it listens."""
    assert bridge.stdout is not None
    printed = ""
    async for text in TextReceiveStream(bridge.stdout):
        if "Listening on port" in printed:
            continue
        printed += text
        if "Listening on port" in printed:
            task_status.started()
    if "Listening on port" not in printed:
        raise RuntimeError(f"the bridge ended: {printed}")


async def _stop(bridge: Process) -> None:
    """Ask it to end, so that it ends its own children, and wait."""
    with anyio.CancelScope(shield=True):
        with suppress(ProcessLookupError):
            bridge.send_signal(signal.SIGTERM)
        with anyio.move_on_after(60):
            await bridge.aclose()
