"""A real Prometheus that scrapes a real node_exporter, and answers by hand."""

import json
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from optimizer.errors import ConfigurationError, DependencyError, InvalidRequestError
from optimizer.monitoring.imports_prometheus import fetch_history, parse_matrix


async def test_a_real_prometheus_tells_what_its_node_exporter_saw(
    prometheus: tuple[str, str],
) -> None:
    url, instance = prometheus
    wanted = {"cpu_usage", "memory_usage", "storage_usage", "load_1m", "network_rx_bytes_s"}
    seen: set[str] = set()

    with anyio.fail_after(60):
        while not wanted <= seen:
            await anyio.sleep(0.5)  # the server scrapes in its own time
            now = datetime.now(UTC)
            try:
                found = await fetch_history(
                    url,
                    instance=instance,
                    start=now - timedelta(seconds=30),
                    end=now,
                    step=timedelta(seconds=1),
                )
            except (DependencyError, InvalidRequestError):
                continue
            seen = set(found.metrics)

    assert found.rows == found.times_s.size > 0


async def test_an_instance_that_nobody_scrapes_has_no_history(prometheus: tuple[str, str]) -> None:
    url, instance = prometheus
    now = datetime.now(UTC)
    told = ""

    with anyio.fail_after(60):
        while f"it scrapes: {instance}" not in told:
            await anyio.sleep(0.2)  # the server scrapes in its own time
            try:
                await fetch_history(url, instance='no"body', start=now, end=now)
            except DependencyError:
                continue
            except InvalidRequestError as error:
                told = str(error)

    assert "nothing of instance 'no\"body'" in told
    assert "Nothing was imported" in told


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host", "nonsense", "http://[bad"])
async def test_only_http_is_spoken(url: str) -> None:
    now = datetime.now(UTC)

    with pytest.raises(ConfigurationError, match="PROMETHEUS_URL"):
        await fetch_history(url, instance="x", start=now, end=now)


def test_what_is_not_a_number_or_impossible_is_unknown() -> None:
    values = [[1, "5"], [2, "NaN"], [3, "-1"], [4, "101"], [5, "+Inf"]]
    body = json.dumps({"data": {"resultType": "matrix", "result": [{"values": values}]}})

    assert parse_matrix(body.encode(), 100) == {1.0: 5.0}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"data": {"resultType": "vector", "result": []}}',
        b'{"data": {"resultType": "matrix", "result": [{"values": []}, {"values": []}]}}',
    ],
)
def test_an_answer_that_is_not_prometheus_own_is_refused(body: bytes) -> None:
    with pytest.raises(DependencyError, match="no matrix"):
        parse_matrix(body, None)
