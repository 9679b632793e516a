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

MOST_HOSTS = 1000

MOST_NAMED = 10
"""Instances that an error lists."""

POINTS_AT_ONCE = 8_000
"""Prometheus refuses more than 11,000 points of a series."""

_RATE = "sum by (instance) (rate({}[5m]))"
_USED = "100 * (1 - max by (instance) ({free}) / max by (instance) ({size}))"

FIGURES: Mapping[str, str] = {
    "cpu_usage": (
        "100 * (1 - "
        + _RATE.format('node_cpu_seconds_total{mode=~"idle|iowait",SELECT}')
        + ' / count by (instance) (node_cpu_seconds_total{mode="idle",SELECT}))'
    ),
    "memory_usage": _USED.format(
        free="node_memory_MemAvailable_bytes{SELECT}", size="node_memory_MemTotal_bytes{SELECT}"
    ),
    "swap_usage": _USED.format(
        free="node_memory_SwapFree_bytes{SELECT}", size="node_memory_SwapTotal_bytes{SELECT}"
    ),
    "storage_usage": _USED.format(
        free='node_filesystem_avail_bytes{mountpoint="/",SELECT}',
        size='node_filesystem_size_bytes{mountpoint="/",SELECT}',
    ),
    "load_1m": "sum by (instance) (node_load1{SELECT})",
    "load_5m": "sum by (instance) (node_load5{SELECT})",
    "load_15m": "sum by (instance) (node_load15{SELECT})",
    "cpu_pressure": "100 * " + _RATE.format("node_pressure_cpu_waiting_seconds_total{SELECT}"),
    "memory_pressure": "100 * "
    + _RATE.format("node_pressure_memory_waiting_seconds_total{SELECT}"),
    "io_pressure": "100 * " + _RATE.format("node_pressure_io_waiting_seconds_total{SELECT}"),
    "network_rx_bytes_s": _RATE.format('node_network_receive_bytes_total{device!="lo",SELECT}'),
    "network_tx_bytes_s": _RATE.format('node_network_transmit_bytes_total{device!="lo",SELECT}'),
    "disk_read_bytes_s": _RATE.format("node_disk_read_bytes_total{SELECT}"),
    "disk_write_bytes_s": _RATE.format("node_disk_written_bytes_total{SELECT}"),
}
"""PromQL by stored metric, of every instance; SELECT stands for the matcher of one of them.

Rates are over five minutes, which holds two scrapes of any usual interval. Without swap 0 / 0 is no
number, and so it is unknown.
"""


def promql(query: str, instance: str | None = None) -> str:
    """A query of one instance, or of all."""
    return query.replace("SELECT", "" if instance is None else f"instance={json.dumps(instance)}")


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
    found: dict[str, dict[float, float]] = {name: {} for name in FIGURES}
    async with httpx.AsyncClient(
        follow_redirects=False, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        for name, query in FIGURES.items():
            begin = start
            while begin <= end:
                until = min(end, begin + POINTS_AT_ONCE * step)
                asked = {
                    "query": promql(query, instance),
                    "start": f"{begin.timestamp():.3f}",
                    "end": f"{until.timestamp():.3f}",
                    "step": f"{step.total_seconds():g}",
                }
                body = await ask(client, f"{address}/api/v1/query_range", asked)
                found[name] |= parse_matrix(body, METRICS[name].maximum)
                begin = until + step
        if not any(found.values()):
            raise await _nothing(client, address, instance)
    return _arranged(found)


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
            f"the Prometheus server answers no matrix ({str(error)[:80]}); check its address"
        ) from None
    most = math.inf if maximum is None else maximum
    return {t: v for t, v in points if math.isfinite(v) and 0 <= v <= most}


def parse_vector(body: bytes) -> dict[str, float]:
    """Figures by instance from one answer of `query`; what is no finite number is left out.

    Raises:
        DependencyError: This is not a vector.
    """
    try:
        data = json.loads(body)["data"]
        if data["resultType"] != "vector":
            raise ValueError(f"a {data['resultType']}")
        pairs = [(str(row["metric"]["instance"]), float(row["value"][1])) for row in data["result"]]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise DependencyError(
            f"the Prometheus server answers no vector of instances ({str(error)[:80]}); "
            "check its address"
        ) from None
    return {instance: value for instance, value in pairs[:MOST_HOSTS] if math.isfinite(value)}


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
                        f"the Prometheus server at {_place(url)} answers more than {MAX_BYTES} "
                        "bytes; import fewer days"
                    )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DependencyError(
            f"the Prometheus server at {_place(url)} cannot be asked ({type(error).__name__}); "
            "is it running, and is this its address?"
        ) from None
    if answer.status_code != 200:
        raise DependencyError(
            f"the Prometheus server at {_place(url)} answers HTTP {answer.status_code}; "
            "check its address"
        )
    return bytes(body)


def _place(url: str) -> str:
    """Host and port, without a name and a password that an address may hold."""
    return urlsplit(url).netloc.rpartition("@")[2]


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


async def _nothing(client: "httpx.AsyncClient", address: str, instance: str) -> InvalidRequestError:
    """That there is no history of an instance, with the instances that there are."""
    body = await ask(client, f"{address}/api/v1/query", {"query": promql(FIGURES["load_1m"])})
    there = sorted(parse_vector(body))[:MOST_NAMED]
    known = (
        f"Instances that it scrapes: {', '.join(there)}"
        if there
        else "It scrapes no node_exporter now"
    )
    return InvalidRequestError(
        f"Prometheus recorded nothing of instance {instance[:80]!r} then. {known}. "
        "Nothing was imported",
        field="instance",
    )


def _arranged(found: Mapping[str, Mapping[float, float]]) -> ImportedHistory:
    moments = sorted({moment for figures in found.values() for moment in figures})
    rows = {moment: row for row, moment in enumerate(moments)}
    values = np.full((len(moments), len(COLUMNS)), np.nan)
    for name, figures in found.items():
        for moment, value in figures.items():
            values[rows[moment], COLUMNS[name]] = value
    metrics = tuple(name for name in FIGURES if found[name])
    return ImportedHistory(np.array(moments), values, metrics, rows=len(moments))
