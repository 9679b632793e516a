"""`/metrics` at the root, for Prometheus: text format 0.0.4.

Names follow the conventions of Prometheus: base units in the name, ratios from 0 to 1, counters end
in `_total`. What is unknown has no line, because a made-up zero would be a lie.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ and .../practices/naming/.
"""

import math
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optimizer.identity import Principal
from optimizer.monitoring.sample import METRICS
from optimizer.operations.census import McpCensus
from optimizer.operations.metrics import MetricsReport, MetricsRequest
from optimizer.version import VERSION
from server.operation import Optimizer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "sro"

BASE_UNITS = {
    "%": ("ratio", 0.01),
    "byte/s": ("bytes_per_second", 1.0),
    "ratio": ("ratio", 1.0),
    "request/s": ("requests_per_second", 1.0),
    "ms": ("seconds", 0.001),
    "tasks": ("tasks", 1.0),
    "core": ("cores", 1.0),
    "byte": ("bytes", 1.0),
}
"""Unit in the name, and what a stored figure is multiplied by, by the stored unit."""

UNIT_SUFFIXES = ("_bytes_s", "_ms")
"""Units that the names of stored metrics end in, which the base unit replaces."""

EDGES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the latency histogram; the default ones of Prometheus' own clients."""

METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """One metric with all of its series.

    Attributes:
        name: With its unit.
        help: One line.
        kind: What it is to Prometheus.
        series: Suffix of the name, labels and value of each.
    """

    name: str
    help: str
    kind: Literal["gauge", "counter", "histogram"]
    series: tuple[tuple[str, Labels, float], ...]


class RequestCounts:
    """Counts every HTTP request of this process and how long its answer took.

    A stream of events lasts as long as its client listens, so its time says nothing of ours.
    """

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, str]] = Counter()
        self._cells = [0] * (len(EDGES_S) + 1)
        self._sum_s = 0.0

    def record(self, method: str, status: int, seconds: float | None) -> None:
        """Count one answered request; None is the time of a stream of events."""
        self._answers[method if method in METHODS else "other", str(status)] += 1
        if seconds is None:
            return
        self._cells[bisect_left(EDGES_S, seconds)] += 1
        self._sum_s += seconds

    def families(self) -> tuple[Family, ...]:
        """What was counted since the start."""
        answers = tuple(
            ("", {"method": method, "code": code}, float(count))
            for (method, code), count in sorted(self._answers.items())
        )
        return (
            Family(f"{PREFIX}_http_requests_total", "HTTP requests answered.", "counter", answers),
            Family(
                f"{PREFIX}_http_request_duration_seconds",
                "Time from a request's arrival to the end of its answer; without streams of "
                "events, which last as long as their client listens.",
                "histogram",
                tuple(self._histogram()),
            ),
        )

    def _histogram(self) -> Iterator[tuple[str, Labels, float]]:
        counted = 0
        for edge, cell in zip((*EDGES_S, math.inf), self._cells, strict=True):
            counted += cell
            yield "_bucket", {"le": _number(edge)}, float(counted)
        yield "_sum", {}, self._sum_s
        yield "_count", {}, float(counted)


class Counted:
    """Counts what passes.

    Args:
        app: What comes behind.
        counts: Where.
    """

    def __init__(self, app: ASGIApp, *, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; an exchange that ends without an answer counts as 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, lasts, began = 500, False, time.perf_counter()

        async def send_seen(message: Message) -> None:
            nonlocal status, lasts
            if message["type"] == "http.response.start":
                status = message["status"]
                kind = Headers(raw=message["headers"]).get("content-type", "")
                lasts = kind.startswith("text/event-stream")
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        finally:
            seconds = None if lasts else time.perf_counter() - began
            self._counts.record(scope["method"], status, seconds)


def exposition_route(optimizer: Optimizer, counts: RequestCounts) -> Route:
    """`GET /metrics`, guarded like every other path."""

    async def expose(request: Request) -> Response:
        principal: Principal = request.scope["state"]["principal"]
        get_metrics = getattr(optimizer, "get_metrics")  # noqa: B009 - one method per operation
        report: MetricsReport = await get_metrics(MetricsRequest(), principal=principal)
        text = exposition((*families(report), *counts.families()))
        return Response(text, media_type=CONTENT_TYPE)

    return Route("/metrics", expose, methods=["GET"])


def families(report: MetricsReport) -> tuple[Family, ...]:
    """The latest sample, the alerts, the pools and the leases, as Prometheus names them."""
    sample = report.current_metrics
    host = {"host": sample.host}
    pools = report.resource_allocation.resource_utilization.values()
    alerts = tuple(
        ("", {**host, "metric": alert.metric, "level": alert.level}, 1.0) for alert in report.alerts
    )
    gauges: list[tuple[str, str, Iterable[tuple[Labels, float | None]]]] = [
        ("build_info", "1, with the version of the program.", [({"version": VERSION}, 1.0)]),
        (
            "sample_timestamp_seconds",
            "When the latest sample was taken, since 1970.",
            [(host, sample.timestamp.timestamp())],
        ),
        *(_measured(name, sample.value(name), host) for name in METRICS),
        ("cpu_capacity_cores", "Cores that may be used.", [(host, sample.cpu_cores)]),
        ("memory_capacity_bytes", "Memory that may be used.", [(host, sample.memory_bytes)]),
        (
            "leases",
            "Leases that are held now.",
            [({}, float(report.resource_allocation.total_allocations))],
        ),
    ]
    for part, meaning in (
        ("total", "Capacity of a pool, in its unit."),
        ("allocated", "Held by leases, in the pool's unit."),
        ("spent", "Of a budget: settled since its last reset, in the pool's unit."),
        ("unmanaged", "Measured demand that no lease covers, in the pool's unit."),
        ("available", "Free to lease now, in the pool's unit."),
    ):
        values = [
            ({"host": p.host, "resource": p.resource, "unit": p.unit}, getattr(p, part))
            for p in pools
        ]
        name = "capacity" if part == "total" else part
        gauges.append((f"pool_{name}", meaning, values))
    gauges += _census(report.mcp_servers, sample.host)
    told = tuple(_gauge(name, meaning, values) for name, meaning, values in gauges)
    return (*told, Family(f"{PREFIX}_alert", "1 for each alert that stands.", "gauge", alerts))


def _census(
    census: McpCensus | None, host: str
) -> list[tuple[str, str, Iterable[tuple[Labels, float | None]]]]:
    """MCP servers by name; nothing until they were counted."""
    servers = () if census is None else census.servers
    named = [({"host": host, "server": server.name}, server) for server in servers]
    return [
        (
            "mcp_server_copies",
            "Running copies of an MCP server.",
            [(labels, float(server.copies)) for labels, server in named],
        ),
        (
            "mcp_server_processes",
            "Processes of all of its copies.",
            [(labels, float(server.processes)) for labels, server in named],
        ),
        (
            "mcp_server_memory_bytes",
            "Memory of all of its copies, without pages of files.",
            [(labels, float(server.memory_bytes)) for labels, server in named],
        ),
        (
            "mcp_server_orphans",
            "Copies whose host is gone.",
            [(labels, float(len(server.orphans))) for labels, server in named],
        ),
    ]


def _measured(
    name: str, value: float | None, host: Labels
) -> tuple[str, str, Iterable[tuple[Labels, float | None]]]:
    """A stored metric in its base unit, for example cpu_usage in % as cpu_usage_ratio."""
    metric = METRICS[name]
    unit, factor = BASE_UNITS[metric.unit]
    stem = name
    for suffix in UNIT_SUFFIXES:
        stem = stem.removesuffix(suffix)
    return f"{stem}_{unit}", metric.description, [(host, None if value is None else value * factor)]


def _gauge(name: str, meaning: str, values: Iterable[tuple[Labels, float | None]]) -> Family:
    known = tuple(("", labels, float(value)) for labels, value in values if value is not None)
    return Family(f"{PREFIX}_{name}", meaning, "gauge", known)


def exposition(found: Iterable[Family]) -> str:
    """The text that Prometheus reads; a family without series is left out."""
    lines = []
    for family in found:
        if family.series:
            lines.append(f"# HELP {family.name} {_escaped(family.help)}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += [
                f"{family.name}{suffix}{_labels(labels)} {_number(value)}"
                for suffix, labels, value in family.series
            ]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    quote = '\\"'
    pairs = (
        f'{name}="{_escaped(value).replace(chr(34), quote)}"' for name, value in labels.items()
    )
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else repr(float(value))
