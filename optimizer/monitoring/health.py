"""From a sample, its alerts and our own troubles to one word for an agent. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from optimizer.monitoring.probes import NOT_ASKED
from optimizer.monitoring.sample import LEASE_PREFIX, METRICS, Alert, Health, HealthStatus, Sample
from optimizer.quantities import RESOURCES, format_amount

HEADROOM = frozenset({"cpu_usage", "memory_usage", "storage_usage", "swap_usage"})
"""Elevated use of these is a warning, not a degradation: the machine is busy, nothing is worse."""

STALLED = "monitoring_stalled"

ORPHANS, COPIES, MEMORY = "mcp_orphans", "mcp_copies", "mcp_memory"
PROMETHEUS_DOWN = "prometheus_down"
PROBES_FAILED = "probes_failed"
ADVISORY = frozenset({ORPHANS, COPIES, MEMORY, PROMETHEUS_DOWN, PROBES_FAILED})
"""What is worth knowing but degrades nothing here: MCP servers that nobody needs, other hosts."""

_CPU = "wait for a quiet window (forecast_workload), or reserve less with allocate"
_DISK = "spread out what reads and writes much"
_NETWORK = "spread out what transfers much"
_SERVICE = (
    "see whether that service ([probes] in sro.toml) has too much to do; until then send it less, "
    "or use another"
)
_UNMANAGED = "start it under a lease (sro run -- COMMAND) or end it, so that allocate can count on"

ADVICE = {
    "cpu_usage": _CPU,
    "memory_usage": "end what is not needed, or reserve memory with allocate before starting more",
    "storage_usage": "free space on the filesystem of the data directory",
    "swap_usage": "memory was short; end what is not needed",
    "load_1m": _CPU,
    "load_5m": _CPU,
    "load_15m": _CPU,
    "cpu_pressure": "work waits for CPU; start less at once",
    "memory_pressure": "work stalls for memory; end something before the kernel does",
    "io_pressure": f"work waits for disks; {_DISK}",
    "network_rx_bytes_s": _NETWORK,
    "network_tx_bytes_s": _NETWORK,
    "disk_read_bytes_s": _DISK,
    "disk_write_bytes_s": _DISK,
    "error_rate": "look at the log for what fails",
    "throughput": "see who asks so often, or why nobody does; RATE_LIMIT bounds each principal",
    "response_time_ms": "this server is slow to answer: see cpu_usage and cpu_pressure, ask less",
    "network_latency_primary_ms": _SERVICE,
    "network_latency_secondary_ms": _SERVICE,
    "unmanaged_cpu": f"{_UNMANAGED} the cores",
    "unmanaged_memory": f"{_UNMANAGED} the memory",
    "unmanaged_storage": "free space on the filesystem of the data directory",
    "reliability_score": "reliability_basis says whether requests fail (look at the log for what "
    "fails) or something runs out (optimize_resources plans more)",
}
"""What to do, by metric; there is something for each that a threshold may be set for."""


def assess(
    sample: Sample,
    alerts: Iterable[Alert],
    *,
    problems: Mapping[str, str],
    at: datetime,
) -> Health:
    """Say how a machine is.

    critical: a critical alert stands. unknown: sampling has stalled, so the figures are old.
    degraded: something of ours is broken, or work waits, fails or is slow (a warning on anything
    but plain use). healthy: the rest, also with elevated use.

    Args:
        sample: The latest one.
        alerts: What stands now.
        problems: Troubles of the optimizer itself: a word, and what it means.
        at: Now.

    Returns:
        The health, with a sentence for each of its words.
    """
    problems = {**problems, **_silent(sample)}
    standing = sorted(alerts, key=lambda alert: alert.metric)
    critical = [alert for alert in standing if alert.level == "critical"]
    warning = [alert for alert in standing if alert.level == "warning"]
    return Health(
        status=_status(critical, warning, problems),
        host=sample.host,
        cpu_usage=sample.cpu_usage,
        memory_usage=sample.memory_usage,
        reliability_score=sample.reliability_score,
        reliability_seen=sample.reliability_seen,
        reliability_basis=sample.reliability_basis,
        issues=tuple(alert.word for alert in critical),
        warnings=(*(alert.word for alert in warning), *problems),
        alerts=tuple(standing),
        unknown={name: why for name, why in sample.unknown.items() if name == "reliability_score"},
        details={alert.word: explain(alert) for alert in standing} | dict(problems),
        sampled_at=sample.timestamp,
        computed_at=at,
    )


def _silent(sample: Sample) -> dict[str, str]:
    """The configured services that do not answer, as one warning."""
    why = {name: sample.unknown.get(f"network_latency.{name}") for name in sample.network_latency}
    silent = [
        f"{name}: {reason}" for name, reason in why.items() if reason not in (None, NOT_ASKED)
    ]
    if not silent:
        return {}
    return {
        PROBES_FAILED: f"no good answer from {'; '.join(silent)}. What to do: start what should "
        "run, or mend its address in [probes] of sro.toml; until then send it nothing"
    }


def _status(
    critical: list[Alert], warning: list[Alert], problems: Mapping[str, str]
) -> HealthStatus:
    if STALLED in problems:
        return "unknown"
    if critical:
        return "critical"
    if set(problems) - ADVISORY or not all(_is_plain_use(alert) for alert in warning):
        return "degraded"
    return "healthy"


def _is_plain_use(alert: Alert) -> bool:
    return alert.metric in HEADROOM or alert.metric.startswith(LEASE_PREFIX)


def explain(alert: Alert) -> str:
    """An alert in a sentence, with both numbers and what to do."""
    if alert.metric.startswith(LEASE_PREFIX):
        return _explain_overuse(alert)
    unit = METRICS[alert.metric].unit if alert.metric in METRICS else "ratio"
    shown = "" if unit == "ratio" else f" {unit}"
    advice = ADVICE[alert.metric]
    if alert.expected_at is not None:
        return (
            f"{alert.metric} is expected to reach {alert.threshold:.4g}{shown} in the hour from "
            f"{alert.expected_at:%Y-%m-%d %H:%M} UTC on, and then up to {alert.value:.4g}{shown}, "
            f"with a probability of 10 % or more. What to do: {advice}"
        )
    return (
        f"{alert.metric} is {alert.value:.4g}{shown}; {alert.level} "
        f"{'from' if alert.direction == 'above' else 'down from'} {alert.threshold:.4g}{shown}"
        f". What to do: {advice}"
    )


def _explain_overuse(alert: Alert) -> str:
    resource, _, number = alert.metric.removeprefix(LEASE_PREFIX).partition(":")
    unit = RESOURCES[resource].unit
    used, allowed = format_amount(alert.value, unit), format_amount(alert.threshold, unit)
    return (
        f"lease {number} uses {used} of {resource} and may use {allowed} since "
        f"{alert.raised_at:%Y-%m-%d %H:%M:%S} UTC. What to do: its holder allocates more or does "
        "less (list_allocations shows what it uses); others cannot count on what it takes"
    )
