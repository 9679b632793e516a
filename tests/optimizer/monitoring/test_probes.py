"""Configured services, asked over a fake network."""

from datetime import timedelta

import anyio
import httpx
import pytest
from mcp.server import MCPServer

from optimizer.errors import ConfigurationError
from optimizer.mcp_client.connection import connect
from optimizer.monitoring.probes import TIMEOUT, ProbeResult, Probes
from tests.loop_time import pass_by


async def answer(request: httpx.Request) -> httpx.Response:
    """A small network: some services answer, one refuses, one hangs."""
    match request.url.host:
        case "down":
            raise httpx.ConnectError("connection refused")
        case "hangs":
            await anyio.sleep_forever()
        case "moved":
            return httpx.Response(302, headers={"location": "http://127.0.0.1/secret"})
        case "broken":
            return httpx.Response(503)
    return httpx.Response(200, text="ok")


def probes_of(*hosts: str) -> Probes:
    ticks = iter(range(1000))
    return Probes(
        {host: f"http://{host}/health" for host in hosts},
        transport=httpx.MockTransport(answer),
        perf_counter=lambda: next(ticks) / 1000,
    )


async def test_a_service_that_answers_has_its_milliseconds() -> None:
    probes = probes_of("up")

    results = await probes.measure()
    await probes.close()

    assert results["up"].ms == pytest.approx(1.0)
    assert results["up"].reason is None


async def test_a_service_that_is_down_or_broken_is_unknown_with_a_reason() -> None:
    probes = probes_of("down", "broken", "up")

    results = await probes.measure()
    await probes.close()

    assert list(results) == ["down", "broken", "up"]
    assert results["down"].reason == "not reached (connection refused)"
    assert results["broken"].reason == "answered with status 503"
    assert results["up"].ms is not None


async def test_a_redirect_is_not_followed() -> None:
    probes = probes_of("moved")

    results = await probes.measure()
    await probes.close()

    assert results["moved"].reason == "answered with status 302"


async def test_a_service_that_hangs_costs_no_more_than_the_timeout() -> None:
    probes = probes_of("hangs", "up")
    results: dict[str, ProbeResult] = {}

    async def measure() -> None:
        results.update(await probes.measure())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(measure)
        await anyio.wait_all_tasks_blocked()
        pass_by(TIMEOUT.total_seconds())
    await probes.close()

    assert results["hangs"].reason == "no answer within 5 s"
    assert results["up"].ms is not None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/", "http:///x", "host:80"])
def test_only_http_services_can_be_probed(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"probes\.x"):
        Probes({"x": url})


async def test_without_targets_nothing_is_asked() -> None:
    assert await Probes({}).measure() == {}


async def meet_in_memory(url: str, within: timedelta) -> None:
    """A real handshake with a real server that is in this process."""
    async with connect(MCPServer(url), within=within):
        pass


async def test_an_mcp_server_is_probed_by_a_handshake() -> None:
    probes = Probes({"tools": "mcp+http://127.0.0.1:1/mcp"}, meet=meet_in_memory)

    results = await probes.measure()
    await probes.close()

    assert results["tools"].ms is not None
    assert results["tools"].ms > 0


async def test_an_mcp_server_that_is_down_is_unknown_with_its_reason() -> None:
    probes = Probes({"tools": "mcp+http://127.0.0.1:1/mcp"})

    with anyio.fail_after(60):
        results = await probes.measure()
    await probes.close()

    assert results["tools"].ms is None
    assert "127.0.0.1:1" in (results["tools"].reason or "")


def test_the_preset_stands_for_its_targets_in_its_place() -> None:
    probes = Probes({"own": "http://own/health", "preset": "alita"})

    assert list(probes.targets) == ["own", "manager", "kgot", "mcp_creation"]
    assert probes.targets["kgot"] == "http://127.0.0.1:3003/status"


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="use one of: alita"):
        Probes({"preset": "alitta"})
