"""Other hosts from a real Prometheus with a real node_exporter, and from answers by hand."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import anyio
import httpx
import pytest

from optimizer.errors import ConfigurationError, DependencyError
from optimizer.monitoring.imports_prometheus import parse_vector
from optimizer.monitoring.prometheus_hosts import (
    QUERIES,
    PrometheusHosts,
    samples_of,
)
from optimizer.operations.health import HealthRequest
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings
from tests.optimizer.monitoring.fakes import NOON, FakeKeeper

FIGURES: Mapping[str, float] = {
    "cpu_usage": 25.0,
    "cpu_cores": 4.0,
    "memory_bytes": 1000.0,
    "memory_available": 600.0,
    "memory_usage": 40.0,
    "storage_usage": 20.0,
    "storage_bytes": 5000.0,
    "load_1m": 1.5,
}


async def test_the_hosts_of_a_real_prometheus_can_be_asked_about(
    tmp_path: Path, prometheus: tuple[str, str]
) -> None:
    url, instance = prometheus
    settings = load_settings(environment={"DATA_DIR": str(tmp_path), "PROMETHEUS_URL": url})
    async with SequentialResourceOptimizer(settings=settings) as sro:
        hosts = sro._rooms.other_hosts
        assert hosts is not None
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            with anyio.fail_after(60):
                while True:
                    await anyio.sleep(0.5)  # the server scrapes in its own time
                    try:
                        samples = await hosts.look(client)
                    except DependencyError:
                        continue
                    if samples:
                        break

        there = await sro.get_health(HealthRequest(host=instance))
        here = await sro.get_health()
        stored = await sro._rooms.samples.latest(instance)

    assert (there.host, here.host) == (instance, sro.performance_monitor.host)
    assert 0 <= there.cpu_usage <= 100
    assert 0 < there.memory_usage < 100
    assert stored is not None
    assert stored.load_1m is not None
    assert stored.unknown["error_rate"].startswith("node_exporter does not know it")
    assert (there.reliability_score, set(there.unknown)) == (
        None,
        {"reliability_score", "capacity", "free"},
    )


def found(*instances: str, without: str = "", **changed: float) -> dict[str, dict[str, float]]:
    figures = {**FIGURES, **changed}
    return {
        name: {each: figures[name] for each in instances if name in figures and name != without}
        for name in QUERIES
    }


def test_each_instance_becomes_a_sample_and_what_is_not_told_has_its_reason() -> None:
    web, db = samples_of(found("db:9100", "web:9100"), at=NOON)[::-1]

    assert (db.host, web.host) == ("db:9100", "web:9100")
    assert (web.memory_usage, web.memory_used_bytes) == (40.0, 400)
    assert web.storage_usage == pytest.approx(20.0)
    assert web.swap_usage is None
    assert web.unknown["swap_usage"] == "Prometheus shows no swap of this host"
    assert {"cpu_pressure", "throughput", "reliability_score"} <= set(web.unknown)


@pytest.mark.parametrize("missing", ["cpu_usage", "cpu_cores", "memory_bytes", "memory_available"])
def test_without_cpu_or_memory_there_is_no_sample(missing: str) -> None:
    assert samples_of(found("a", without=missing), at=NOON) == ()


def test_what_a_rate_misses_its_bounds_by_is_cut_off() -> None:
    (sample,) = samples_of(
        found("a", cpu_usage=-0.3, memory_usage=-0.1, memory_available=1001.0), at=NOON
    )

    assert (sample.cpu_usage, sample.memory_usage, sample.memory_used_bytes) == (0.0, 0.0, 0)


def test_no_number_that_is_not_finite_gets_in() -> None:
    rows = [
        {"metric": {"instance": name}, "value": [1, value]}
        for name, value in (("a", "5"), ("b", "NaN"), ("c", "+Inf"))
    ]
    body = json.dumps({"data": {"resultType": "vector", "result": rows}})

    assert parse_vector(body.encode()) == {"a": 5.0}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"data": {"resultType": "matrix", "result": []}}',
        b'{"data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}}',
    ],
)
def test_what_is_no_vector_of_instances_is_refused(body: bytes) -> None:
    with pytest.raises(DependencyError, match="no vector of instances"):
        parse_vector(body)


class DownAtFirst:
    """Answers as Prometheus would, once it is told to be up."""

    def __init__(self) -> None:
        self.is_up = False

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if not self.is_up:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={"data": {"resultType": "vector", "result": []}})


async def test_a_server_that_is_down_is_a_problem_until_it_is_back() -> None:
    hosts = PrometheusHosts(
        "http://127.0.0.1:1",
        keeper=FakeKeeper(),
        may_write=lambda: True,
        interval=timedelta(seconds=30),
    )
    server = DownAtFirst()
    transport = httpx.MockTransport(server.answer)
    async with httpx.AsyncClient(transport=transport) as client:
        await hosts._try(client)
        down = hosts.problem
        server.is_up = True
        await hosts._try(client)

    assert "cannot be asked" in (down or "")
    assert hosts.problem is None


def test_only_http_is_spoken() -> None:
    with pytest.raises(ConfigurationError, match="PROMETHEUS_URL"):
        PrometheusHosts(
            "file:///etc/passwd",
            keeper=FakeKeeper(),
            may_write=lambda: True,
            interval=timedelta(seconds=30),
        )
