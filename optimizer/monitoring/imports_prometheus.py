"""History from a Prometheus server that scrapes a node_exporter: range queries in, arrays out.

The address comes from the operator, never from a request. Only http and https are spoken, no
redirect is followed, and no answer may be larger than `MAX_BYTES`.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from optimizer.errors import ConfigurationError, DependencyError, InvalidRequestError
from optimizer.monitoring.imports import ImportedHistory
from optimizer.monitoring.keeper import COLUMNS
from optimizer.monitoring.sample import METRICS

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 16 * 2**20
TIMEOUT_S = 30.0

STEP = timedelta(minutes=5)
"""Of the answers: the narrowest step that is kept long."""

POINTS_AT_ONCE = 8_000
"""Prometheus refuses more than 11,000 points of a series."""

QUERIES: Mapping[str, str] = {
    "cpu_usage": (
        '100 * (1 - sum(rate(node_cpu_seconds_total{mode=~"idle|iowait",SELECT}[5m]))'
        ' / count(node_cpu_seconds_total{mode="idle",SELECT}))'
    ),
    "memory_usage": (
        "100 * (1 - sum(node_memory_MemAvailable_bytes{SELECT})"
        " / sum(node_memory_MemTotal_bytes{SELECT}))"
    ),
    "load_1m": "sum(node_load1{SELECT})",
    "load_5m": "sum(node_load5{SELECT})",
    "load_15m": "sum(node_load15{SELECT})",
    "network_rx_bytes_s": 'sum(rate(node_network_receive_bytes_total{device!="lo",SELECT}[5m]))',
    "network_tx_bytes_s": 'sum(rate(node_network_transmit_bytes_total{device!="lo",SELECT}[5m]))',
}
"""PromQL by stored metric; SELECT stands for the matcher of one instance."""


async def fetch_history(
    url: str, *, instance: str, start: datetime, end: datetime, step: timedelta = STEP
) -> ImportedHistory:
    """Ask a Prometheus server for what it recorded of one machine.

    Args:
        url: Of the server, for example `http://127.0.0.1:9090`.
        instance: The label `instance` of the machine's node_exporter.
        start: The first moment.
        end: The last moment.
        step: Between two points.

    Raises:
        ConfigurationError: The URL is none of http or https.
        DependencyError: The server cannot be reached, or answers something else.
        InvalidRequestError: It has recorded nothing of this instance then.
    """
    import httpx

    address = checked_url(url)
    found: dict[str, dict[float, float]] = {name: {} for name in QUERIES}
    async with httpx.AsyncClient(
        follow_redirects=False, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        for name, query in QUERIES.items():
            begin = start
            while begin <= end:
                until = min(end, begin + POINTS_AT_ONCE * step)
                asked = {
                    "query": query.replace("SELECT", f"instance={json.dumps(instance)}"),
                    "start": f"{begin.timestamp():.3f}",
                    "end": f"{until.timestamp():.3f}",
                    "step": f"{step.total_seconds():g}",
                }
                body = await ask(client, f"{address}/api/v1/query_range", asked)
                found[name] |= parse_matrix(body, METRICS[name].maximum)
                begin = until + step
    return _arranged(found, instance)


def parse_matrix(body: bytes, maximum: float | None) -> dict[float, float]:
    """Figures by seconds since 1970 from one answer; what is impossible counts as unknown.

    Args:
        body: The answer of `query_range`.
        maximum: The most that the metric can be; None for no bound.

    Raises:
        DependencyError: This is not a matrix of at most one series.
    """
    try:
        data = json.loads(body)["data"]
        if data["resultType"] != "matrix" or len(data["result"]) > 1:
            raise ValueError(f"{len(data['result'])} series of {data['resultType']}")
        points = [(float(t), float(v)) for row in data["result"] for t, v in row["values"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DependencyError(
            f"PROMETHEUS_URL answers no matrix of Prometheus ({str(error)[:80]}); check it"
        ) from None
    most = math.inf if maximum is None else maximum
    return {t: v for t, v in points if math.isfinite(v) and 0 <= v <= most}


async def ask(client: "httpx.AsyncClient", url: str, asked: Mapping[str, str]) -> bytes:
    """The body of one answer.

    Raises:
        DependencyError: It cannot be had, or is larger than `MAX_BYTES`.
    """
    import httpx

    body = bytearray()
    try:
        async with client.stream("GET", url, params=dict(asked)) as answer:
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise DependencyError(
                        f"PROMETHEUS_URL answers more than {MAX_BYTES} bytes; import a shorter time"
                    )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DependencyError(
            f"PROMETHEUS_URL cannot be asked ({type(error).__name__}); is the server running?"
        ) from None
    if answer.status_code != 200:
        raise DependencyError(f"PROMETHEUS_URL answers HTTP {answer.status_code}; check it")
    return bytes(body)


def checked_url(url: str) -> str:
    """An address without a slash at its end.

    Raises:
        ConfigurationError: It is none of http or https.
    """
    try:
        parts: Any = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_good = False
    if not is_good:
        raise ConfigurationError(
            setting="PROMETHEUS_URL",
            problem="it is not an http or https URL",
            fix="write for example http://127.0.0.1:9090",
        )
    return url.rstrip("/")


def _arranged(found: Mapping[str, Mapping[float, float]], instance: str) -> ImportedHistory:
    moments = sorted({moment for figures in found.values() for moment in figures})
    if not moments:
        raise InvalidRequestError(
            f"Prometheus recorded nothing of instance {instance[:80]!r} then. Nothing was imported",
            field="instance",
        )
    rows = {moment: row for row, moment in enumerate(moments)}
    values = np.full((len(moments), len(COLUMNS)), np.nan)
    for name, figures in found.items():
        for moment, value in figures.items():
            values[rows[moment], COLUMNS[name]] = value
    metrics = tuple(name for name in QUERIES if found[name])
    return ImportedHistory(np.array(moments), values, metrics, rows=len(moments))
