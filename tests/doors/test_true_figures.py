"""No figure is NaN, infinite, or a default in disguise: whatever is measured, at every door."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mcp.client import Client
from mcp.server import Server
from starlette.applications import Starlette

from optimizer.machine.readings import Allowed, GpuReading, Reading
from optimizer.monitoring.latency import latency_of
from optimizer.monitoring.looks import Looks
from optimizer.monitoring.probes import ProbeResult
from optimizer.monitoring.sample import METRICS
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings
from server.app import create_app
from server.mcp_surface import create_mcp_surface
from tests.doors.conftest import BASE_URL
from tests.optimizer.monitoring.fakes import ALLOWED, READING

MONITORED = ("health", "metrics", "alerts", "census", "allocations")

RESOURCES = ("sro://metrics/current", "sro://metrics/history/60", "sro://pools", "sro://census")

READ = (*METRICS, "network_errors_s", "disk_errors_s")

AS_A_WHOLE = {"reliability_seen": "reliability_score", "reliability_basis": "reliability_score"}
"""Null together with another, whose reason counts for them."""

shares, amounts = st.floats(0, 100), st.floats(0, 1e18)
counts = st.integers(0, 2**63)
levels = st.fixed_dictionaries(
    {},
    optional={
        name: amounts if METRICS[name].maximum is None else shares
        for name in ("storage_usage", "swap_usage", "load_1m", "load_15m", "io_pressure")
    },
)
rates = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("network_rx_bytes_s", "disk_errors_s"), counts)
)
gpus = st.builds(
    GpuReading,
    index=st.integers(0, 7),
    name=st.just("a GPU"),
    usage=st.none() | shares,
    memory_bytes=st.integers(0, 2**40),
    memory_used_bytes=st.integers(0, 2**41),
)
readings = st.builds(
    READING._replace,
    monotonic_s=st.floats(0, 1e6),
    busy_ticks=amounts,
    total_ticks=amounts,
    group_cpu_s=st.none() | amounts,
    allowed=st.builds(
        Allowed,
        cpu_cores=st.floats(0.01, 4096),
        memory_bytes=st.integers(1, 2**50),
        storage_bytes=st.none() | st.integers(1, 2**60),
        sources=st.just(ALLOWED.sources),
    ),
    memory_used_bytes=st.integers(0, 2**51),
    levels=levels,
    counters=rates,
    gpus=st.lists(gpus, max_size=2).map(tuple),
)
answers = st.lists(st.tuples(st.booleans(), st.floats(0, 1e12)), max_size=30)
probed = st.builds(ProbeResult, ms=amounts) | st.just(ProbeResult(None, "not reached"))


class Drawn:
    """A machine of which anything may be said; time goes by with every look, for its cores too."""

    is_quick = True

    def __init__(self) -> None:
        self.drawn = self._said = READING._replace(unknown={})

    def read(self) -> Reading:
        known = {*self.drawn.levels, *self.drawn.counters}
        self._said = self.drawn._replace(
            monotonic_s=self._said.monotonic_s + self.drawn.monotonic_s + 0.06,
            total_ticks=self._said.total_ticks + self.drawn.total_ticks * 1e-9 + 1,
            unknown={name: "not drawn" for name in READ if name not in known},
        )
        return self._said


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as opened:
        yield opened


@dataclass(frozen=True)
class House:
    """An optimizer on a drawn machine, and its doors."""

    sro: SequentialResourceOptimizer
    machine: Drawn
    app: Starlette
    mcp: Server[Any]


@pytest.fixture(scope="module")
def house(portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    chosen = load_settings(environment={"DATA_DIR": str(tmp_path_factory.mktemp("figures"))})
    made = SequentialResourceOptimizer(settings=chosen)
    with portal.wrap_async_context_manager(made) as sro:
        machine = Drawn()
        sro.performance_monitor._looks = Looks(machine, timedelta(hours=1))
        yield House(
            sro, machine, create_app(sro, chosen), create_mcp_surface(sro, lasting=True).server
        )


async def told(house: House) -> tuple[dict[str, Any], str]:
    """What every door says: JSON by address, and the exposition."""
    transport = httpx.ASGITransport(app=house.app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        found = {path: await http.get(f"/api/v1/{path}") for path in MONITORED}
        exposed = await http.get("/metrics")
    for answer in (*found.values(), exposed):
        assert answer.status_code == 200, answer.text
    said = {path: json.loads(answer.text) for path, answer in found.items()}
    async with Client(house.mcp) as agent:
        health = await agent.call_tool("get_health", {})
        assert not health.is_error
        for resource in RESOURCES:
            (content,) = (await agent.read_resource(resource)).contents
            said[resource] = json.loads(content.text)  # type: ignore[union-attr]
        said["mcp"] = json.loads(health.content[0].text)  # type: ignore[union-attr]
    return said, exposed.text


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float | int):
        yield value
    for each in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from numbers(each)


@settings(
    max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(drawn=readings, requests=answers, probe=probed)
def test_every_figure_is_finite_and_every_gap_has_its_reason(
    drawn: Reading,
    requests: list[tuple[bool, float]],
    probe: ProbeResult,
    house: House,
    portal: BlockingPortal,
) -> None:
    monitor = house.sro.performance_monitor
    house.machine.drawn = drawn
    for ok, latency_ms in requests:
        monitor.workload.record(ok=ok, latency_ms=latency_ms)
    monitor._probing.latency = latency_of(("wiki",), {"wiki": probe})

    portal.call(monitor.sample_once)
    said, exposed = portal.call(told, house)

    assert all(math.isfinite(number) for number in numbers(said))
    for line in exposed.splitlines():
        if not line.startswith("#"):
            assert math.isfinite(float(line.rpartition(" ")[2])), line
    sample = said["metrics"]["current_metrics"]
    for name, value in sample.items():
        if value is None:
            assert sample["unknown"].get(AS_A_WHOLE.get(name, name)), name
    for door in ("health", "mcp"):
        assert said[door]["reliability_score"] is not None or said[door]["unknown"]
