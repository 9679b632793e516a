"""From a sample, its alerts and our own troubles to one word for an agent. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from optimizer.monitoring.sample import LEASE_PREFIX, METRICS, Alert, Health, HealthStatus, Sample
from optimizer.quantities import RESOURCES, format_amount

HEADROOM = frozenset({"cpu_usage", "memory_usage", "storage_usage", "swap_usage"})
"""Elevated use of these is a warning, not a degradation: the machine is busy, nothing is worse."""

STALLED = "monitoring_stalled"

ORPHANS, COPIES, MEMORY = "mcp_orphans", "mcp_copies", "mcp_memory"
PROMETHEUS_DOWN = "prometheus_down"
ADVISORY = frozenset({ORPHANS, COPIES, MEMORY, PROMETHEUS_DOWN})
"""What is worth knowing but degrades nothing here: MCP servers that nobody needs, other hosts."""

ADVICE = {
    "cpu_usage": "wait for a quiet window (forecast_workload), or reserve less with allocate",
    "memory_usage": "end what is not needed, or reserve memory with allocate before starting more",
    "storage_usage": "free space on the filesystem of the data directory",
    "swap_usage": "memory was short; end what is not needed",
    "cpu_pressure": "work waits for CPU; start less at once",
    "memory_pressure": "work stalls for memory; end something before the kernel does",
    "io_pressure": "work waits for disks; spread out what reads and writes much",
    "error_rate": "look at the log for what fails",
    "reliability_score": "look at the log for what fails",
}
"""What to do, by metric."""


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
    standing = sorted(alerts, key=lambda alert: alert.metric)
    critical = [alert for alert in standing if alert.level == "critical"]
    warning = [alert for alert in standing if alert.level == "warning"]
    return Health(
        status=_status(critical, warning, problems),
        host=sample.host,
        cpu_usage=sample.cpu_usage,
        memory_usage=sample.memory_usage,
        reliability_score=sample.reliability_score,
        issues=tuple(alert.word for alert in critical),
        warnings=(*(alert.word for alert in warning), *problems),
        alerts=tuple(standing),
        unknown={name: why for name, why in sample.unknown.items() if name == "reliability_score"},
        details={alert.word: explain(alert) for alert in standing} | dict(problems),
        sampled_at=sample.timestamp,
        computed_at=at,
    )


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
    advice = ADVICE.get(alert.metric)
    if alert.expected_at is not None:
        return (
            f"{alert.metric} is expected to reach {alert.threshold:.4g}{shown} in the hour from "
            f"{alert.expected_at:%Y-%m-%d %H:%M} UTC on, and then up to {alert.value:.4g}{shown}, "
            "with a probability of 10 % or more"
        ) + (f". What to do: {advice}" if advice else "")
    return (
        f"{alert.metric} is {alert.value:.4g}{shown}; {alert.level} "
        f"{'from' if alert.direction == 'above' else 'down from'} {alert.threshold:.4g}{shown}"
        + (f". What to do: {advice}" if advice else "")
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
