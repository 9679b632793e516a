"""Told to stop, the server ends its listen streams, answers what is in flight, and exits with 0."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.subscriptions import ResourceUpdated

from tests.serving import CHECKOUT, READY, lonely_environment


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = lonely_environment(
        tmp_path, PORT="0", LOG_LEVEL="error", MONITORING_INTERVAL="0.2"
    )
    with subprocess.Popen(
        [sys.executable, str(CHECKOUT / "sequential_resource_optimization.py")],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        url = next(found[1] for line in process.stderr if (found := READY.search(line)))
        try:
            yield process, url
        finally:
            process.kill()


async def test_an_open_listen_stream_hears_news_and_does_not_hold_up_the_end(
    server: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = server
    with anyio.fail_after(300):
        async with (
            Client(f"{url}/mcp") as agent,
            agent.listen(resource_subscriptions=["sro://metrics/current"]) as news,
        ):
            first = await anext(news)
            process.send_signal(signal.SIGTERM)
            rest = [event async for event in news]
        status = await anyio.to_thread.run_sync(process.wait)

    assert first == ResourceUpdated(uri="sro://metrics/current")
    assert set(rest) <= {first}
    assert status == 0
