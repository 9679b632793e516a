"""Other hosts as a Prometheus server sees them now: node_exporter series become their samples.

One instant query a figure answers for every instance at once.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio

from optimizer.errors import DependencyError, StorageError
from optimizer.monitoring.imports_prometheus import (
    FIGURES,
    TIMEOUT_S,
    ask,
    checked_url,
    parse_vector,
    promql,
)
from optimizer.monitoring.keeper import SampleKeeper
from optimizer.monitoring.sample import METRICS, Sample

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger("sequential_resource_optimization.monitoring")

SOON = timedelta(seconds=15)
"""Prometheus servers scrape no oftener than this by default, so they are asked no oftener."""

QUERIES: Mapping[str, str] = {
    **{name: promql(query) for name, query in FIGURES.items()},
    "cpu_cores": "count by (instance) (node_cpu_seconds_total{mode='idle'})",
    "memory_bytes": "max by (instance) (node_memory_MemTotal_bytes)",
    "memory_available": "max by (instance) (node_memory_MemAvailable_bytes)",
    "storage_bytes": "max by (instance) (node_filesystem_size_bytes{mountpoint='/'})",
}
"""PromQL by figure; each answers one number an instance."""

NOT_TOLD = "Prometheus has no such series of this host"
NO_SWAP = "Prometheus shows no swap of this host"
OURS = "node_exporter does not know it; this program has to run on that host"

UNSEEN = (
    "network_errors_s",
    "disk_errors_s",
    "requests",
    "requests_hour",
    "failures_hour",
    "response_time_p95_ms",
    "reliability_score",
    "reliability_seen",
)
"""Figures of a sample that are not stored metrics, and that node_exporter is not asked for."""

Found = Mapping[str, Mapping[str, float]]
"""Figures by query and instance."""


class PrometheusHosts:
    """Takes samples of other hosts from a Prometheus server, and keeps each under its own name.

    Args:
        url: Of the server, from the configuration.
        keeper: Where samples last.
        may_write: Whether this process is the one that writes to the store.
        interval: Time between two looks; never less than `SOON`.

    Attributes:
        problem: Why the last look failed; None when it did not.

    Raises:
        ConfigurationError: The URL is none of http or https.
    """

    def __init__(
        self,
        url: str,
        *,
        keeper: SampleKeeper,
        may_write: Callable[[], bool],
        interval: timedelta,
    ) -> None:
        self.url = checked_url(url)
        self.problem: str | None = None
        self._keeper = keeper
        self._may_write = may_write
        self._interval_s = max(interval, SOON).total_seconds()

    async def run(self) -> None:
        """Look on an interval, until cancelled."""
        import httpx

        async with httpx.AsyncClient(
            follow_redirects=False, timeout=TIMEOUT_S, trust_env=False
        ) as client:
            while True:
                if self._may_write():
                    await self._try(client)
                await anyio.sleep(self._interval_s)

    async def look(self, client: "httpx.AsyncClient") -> tuple[Sample, ...]:
        """Ask once, and keep a sample of each host.

        Raises:
            DependencyError: The server cannot be reached, or answers something else.
            StorageError: The samples cannot be kept.
        """
        found = {}
        for name, query in QUERIES.items():
            body = await ask(client, f"{self.url}/api/v1/query", {"query": query})
            found[name] = parse_vector(body)
        samples = samples_of(found, at=datetime.now(UTC))
        for sample in samples:
            await self._keeper.add(sample)
        return samples

    async def _try(self, client: "httpx.AsyncClient") -> None:
        try:
            await self.look(client)
        except (DependencyError, StorageError) as error:
            if self.problem is None:
                logger.warning("other hosts are not seen: %s", error)
            self.problem = str(error)
        except Exception as error:
            logger.exception("other hosts are not seen")
            self.problem = f"{type(error).__name__}: {error}"
        else:
            self.problem = None


def samples_of(found: Found, *, at: datetime) -> tuple[Sample, ...]:
    """A sample of every host whose CPU and memory are known.

    Args:
        found: Figures by query and instance.
        at: When they were asked for.
    """
    samples = (_sample_of(instance, found, at) for instance in sorted(found["cpu_usage"]))
    return tuple(sample for sample in samples if sample is not None)


def _sample_of(instance: str, found: Found, at: datetime) -> Sample | None:
    told = {name: values[instance] for name, values in found.items() if instance in values}
    if not {"cpu_cores", "memory_bytes", "memory_available", "memory_usage"} <= told.keys():
        return None
    if told["cpu_cores"] <= 0 or told["memory_bytes"] <= 0:
        return None
    figures: dict[str, Any] = {
        name: _within(value, METRICS[name].maximum)
        for name, value in told.items()
        if name in METRICS
    }
    size = int(told.get("storage_bytes", 0))
    unknown = {name: _why(name) for name in (*METRICS, *UNSEEN) if name not in figures}
    if not size:
        unknown["storage_bytes"] = NOT_TOLD
    return Sample(
        host=instance,
        timestamp=at,
        **figures,
        cpu_cores=told["cpu_cores"],
        memory_bytes=int(told["memory_bytes"]),
        memory_used_bytes=max(0, int(told["memory_bytes"] - told["memory_available"])),
        storage_bytes=size or None,
        capacity_source=dict.fromkeys(("cpu", "memory", "storage"), "Prometheus, node_exporter"),
        unknown=unknown,
    )


def _why(name: str) -> str:
    """Why a figure is not known of such a host."""
    if name == "swap_usage":
        return NO_SWAP
    return NOT_TOLD if name in FIGURES else OURS


def _within(value: float, maximum: float | None) -> float:
    """A rate over a window may miss its bounds by a little."""
    return max(0.0, value if maximum is None else min(value, maximum))
