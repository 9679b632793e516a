"""`/metrics` as Prometheus reads it."""

import shutil
import subprocess

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from optimizer.settings import Settings
from server.app import create_app
from server.exposition import CONTENT_TYPE, Counted, Family, RequestCounts, exposition
from tests.doors.conftest import BASE_URL
from tests.doors.fakes import FakeOptimizer


async def test_the_sample_the_pools_and_our_own_requests_are_told(
    client: httpx.AsyncClient,
) -> None:
    await client.get("/api/v1/health")

    answer = await client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == CONTENT_TYPE
    lines = answer.text.splitlines()
    assert "# TYPE sro_cpu_usage_ratio gauge" in lines
    assert any(line.startswith("sro_pool_capacity{") for line in lines)
    assert 'sro_mcp_server_copies{host="here",server="playwright"} 3.0' in lines
    assert 'sro_mcp_server_orphans{host="here",server="playwright"} 1.0' in lines
    assert 'sro_http_requests_total{method="GET",code="200"} 1.0' in lines
    assert "sro_http_request_duration_seconds_count 1.0" in lines


async def test_promtool_finds_nothing_to_complain_about(client: httpx.AsyncClient) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    await client.get("/api/v1/health")
    text = (await client.get("/metrics")).content

    checked = subprocess.run(  # noqa: ASYNC221
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_it_is_guarded_like_everything_else(optimizer: FakeOptimizer) -> None:
    app = create_app(optimizer, Settings(api_token=SecretStr("a" * 32)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        without = await http.get("/metrics")
        bearer = await http.get("/metrics", headers={"authorization": f"Bearer {'a' * 32}"})

    assert (without.status_code, bearer.status_code) == (401, 200)


async def test_a_stream_of_events_is_counted_and_is_no_latency() -> None:
    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse([], media_type="text/event-stream")(scope, receive, send)

    counts = RequestCounts()
    transport = httpx.ASGITransport(app=Counted(listening, counts=counts))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        await http.get("/mcp")

    answers, latencies = counts.families()
    assert answers.series == (("", {"method": "GET", "code": "200"}, 1.0),)
    assert latencies.series[-1] == ("_count", {}, 0.0)


def test_labels_are_escaped() -> None:
    told = exposition([Family("x", "a\nb", "gauge", (("", {"host": 'a"b\\c\nd'}, 1.0),))])

    assert told.splitlines() == [
        "# HELP x a\\nb",
        "# TYPE x gauge",
        'x{host="a\\"b\\\\c\\nd"} 1.0',
    ]


def test_a_histogram_counts_upwards_to_all_requests() -> None:
    counts = RequestCounts()
    for seconds in (0.001, 0.005, 0.3, 99.0):
        counts.record("GET", 200, seconds)
    counts.record("BREW", 405, 0.3)

    answers, latencies = counts.families()

    assert {labels["method"] for _, labels, _ in answers.series} == {"GET", "other"}
    buckets = [value for suffix, _, value in latencies.series if suffix == "_bucket"]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1]) == (2, 5)
