"""What the monitor knows: samples, trends, thresholds, alerts, health."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from optimizer.errors import ConfigurationError

Direction = Literal["above", "below"]
AlertLevel = Literal["warning", "critical"]
HealthStatus = Literal["healthy", "degraded", "critical", "unknown"]
TrendWord = Literal["increasing", "decreasing", "stable"]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Metric(_Noun):
    """A figure that is stored with every sample."""

    name: str
    unit: str = Field(description="Unit as it is shown: %, byte/s, ms, …")
    description: str
    maximum: float | None = Field(None, description="Largest possible value; null when open.")


METRICS: dict[str, Metric] = {
    name: Metric(name=name, unit=unit, description=description, maximum=maximum)
    for name, unit, description, maximum in (
        ("cpu_usage", "%", "Busy share of the cores that this process may use.", 100.0),
        ("memory_usage", "%", "Used share of the memory that this process may use.", 100.0),
        ("storage_usage", "%", "Used share of the data directory's filesystem.", 100.0),
        ("swap_usage", "%", "Used share of the host's swap.", 100.0),
        ("load_1m", "tasks", "Tasks that ran or waited to, mean of 1 minute, host.", None),
        ("load_5m", "tasks", "Tasks that ran or waited to, mean of 5 minutes, host.", None),
        ("load_15m", "tasks", "Tasks that ran or waited to, mean of 15 minutes, host.", None),
        (
            "cpu_pressure",
            "%",
            "Time in which some task of the whole machine waited for CPU (PSI some avg10).",
            100.0,
        ),
        (
            "memory_pressure",
            "%",
            "Time in which some task of the whole machine waited for memory (PSI).",
            100.0,
        ),
        (
            "io_pressure",
            "%",
            "Time in which some task of the whole machine waited for a disk (PSI).",
            100.0,
        ),
        ("network_rx_bytes_s", "byte/s", "Received on all links but loopback.", None),
        ("network_tx_bytes_s", "byte/s", "Sent on all links but loopback.", None),
        ("disk_read_bytes_s", "byte/s", "Read from physical disks.", None),
        ("disk_write_bytes_s", "byte/s", "Written to physical disks.", None),
        ("error_rate", "ratio", "Share of requests that failed, last 5 minutes.", 1.0),
        ("throughput", "request/s", "Requests per second, mean of the last 5 minutes.", None),
        ("response_time_ms", "ms", "Median time to answer a request, last 5 minutes.", None),
        ("network_latency_primary_ms", "ms", "Time in which the first probe answered.", None),
        ("network_latency_secondary_ms", "ms", "Time in which the second probe answered.", None),
        ("unmanaged_cpu", "core", "CPU in use that no lease covers.", None),
        ("unmanaged_memory", "byte", "Memory in use that no lease covers.", None),
        ("unmanaged_storage", "byte", "Storage in use that no lease covers.", None),
    )
}
"""Every stored metric, by name, in the order of the stored columns. None is ever negative."""


RELIABILITY_SCORE = (
    "Probability, 0 to 1, that nothing runs out in the next day and a request does not fail: at "
    "least this, with 95 % confidence in how often requests fail; what min_reliability limits, if "
    "nothing changes"
)
RELIABILITY_SEEN = (
    "The same with requests failing as often as they were seen to in the last hour; what an alert "
    "about reliability_score looks at"
)


class Reliability(NamedTuple):
    """How probable it is that all goes well, if nothing changes.

    Attributes:
        at_least: By the cautious bound of how often requests fail, 0 to 1.
        seen: With requests failing as often as they were seen to, 0 to 1.
        basis: What both come from, in words with numbers.
    """

    at_least: float
    seen: float
    basis: str


class GpuUse(_Noun):
    """One graphics processor."""

    index: int = Field(ge=0, description="As CUDA counts it in PCI order.")
    name: str
    usage: FiniteFloat | None = Field(
        None, ge=0, le=100, description="Busy share, in %; null where the device does not say."
    )
    memory_usage: FiniteFloat = Field(ge=0, le=100, description="Used share of its memory, in %.")
    memory_bytes: int = Field(ge=0)
    memory_used_bytes: int = Field(ge=0)


WATCHED = {"reliability_score": "reliability_seen"}
"""What an alert looks at in place of its metric: it says that something is wrong, and a bound that
is low for want of requests does not."""


class Sample(_Noun):
    """What was measured at one moment; null is unknown, and `unknown` says why."""

    host: str = Field(description="Machine that was measured.")
    timestamp: AwareDatetime = Field(description="When it was measured, UTC.")

    cpu_usage: FiniteFloat = Field(ge=0, le=100, description=METRICS["cpu_usage"].description)
    memory_usage: FiniteFloat = Field(ge=0, le=100, description=METRICS["memory_usage"].description)
    storage_usage: FiniteFloat | None = Field(None, ge=0, le=100)
    swap_usage: FiniteFloat | None = Field(None, ge=0, le=100)
    load_1m: FiniteFloat | None = Field(None, ge=0)
    load_5m: FiniteFloat | None = Field(None, ge=0)
    load_15m: FiniteFloat | None = Field(None, ge=0)
    cpu_pressure: FiniteFloat | None = Field(None, ge=0, le=100)
    memory_pressure: FiniteFloat | None = Field(None, ge=0, le=100)
    io_pressure: FiniteFloat | None = Field(None, ge=0, le=100)
    network_rx_bytes_s: FiniteFloat | None = Field(None, ge=0)
    network_tx_bytes_s: FiniteFloat | None = Field(None, ge=0)
    disk_read_bytes_s: FiniteFloat | None = Field(None, ge=0)
    disk_write_bytes_s: FiniteFloat | None = Field(None, ge=0)
    error_rate: FiniteFloat | None = Field(None, ge=0, le=1)
    throughput: FiniteFloat | None = Field(None, ge=0)
    response_time_ms: FiniteFloat | None = Field(None, ge=0)
    network_latency_primary_ms: FiniteFloat | None = Field(None, ge=0)
    network_latency_secondary_ms: FiniteFloat | None = Field(None, ge=0)
    unmanaged_cpu: FiniteFloat | None = Field(None, ge=0)
    unmanaged_memory: FiniteFloat | None = Field(None, ge=0)
    unmanaged_storage: FiniteFloat | None = Field(None, ge=0)

    cpu_per_core: tuple[FiniteFloat, ...] = Field(
        (), description="Busy share of each core that this process may run on, in %."
    )
    network_errors_s: FiniteFloat | None = Field(
        None, ge=0, description="Errors per second on all links but loopback, in and out."
    )
    disk_errors_s: FiniteFloat | None = Field(
        None, ge=0, description="Failed commands per second of the disks that count them."
    )
    gpus: tuple[GpuUse, ...] = Field((), description="NVIDIA devices; needs the extra gpu.")
    requests: int | None = Field(
        None, ge=0, description="Requests in the last 5 minutes, the error rate's whole."
    )
    requests_hour: int | None = Field(
        None, ge=0, description="Requests in the last hour, which reliability is worked out from."
    )
    failures_hour: int | None = Field(None, ge=0, description="How many of these failed.")
    response_time_p95_ms: FiniteFloat | None = Field(
        None, ge=0, description="95th percentile of the time to answer, last 5 minutes."
    )
    reliability_score: FiniteFloat | None = Field(
        None, ge=0, le=1, description=RELIABILITY_SCORE + "."
    )
    reliability_seen: FiniteFloat | None = Field(
        None, ge=0, le=1, description=RELIABILITY_SEEN + "."
    )
    reliability_basis: str | None = Field(
        None, description="What the two come from; null while they are."
    )
    network_latency: dict[str, float | None] = Field(
        default_factory=lambda: dict.fromkeys(("primary", "secondary")),
        description="Milliseconds by probe; primary and secondary are the first two.",
    )
    cpu_cores: float = Field(gt=0, description="Cores that this process may use.")
    memory_bytes: int = Field(gt=0, description="Memory that this process may use.")
    memory_used_bytes: int = Field(ge=0, description="Used without what can be reclaimed.")
    storage_bytes: int | None = Field(None, gt=0, description="Size of the filesystem, usable.")
    capacity_source: dict[str, str] = Field(
        default_factory=dict, description="Where the capacity of cpu, memory, storage is from."
    )
    unknown: dict[str, str] = Field(
        default_factory=dict, description="Why a figure is null, by its name."
    )

    def value(self, metric: str) -> float | None:
        """One stored metric by name; None when it is not known."""
        value: float | None = getattr(self, metric)
        return value

    def watched(self, metric: str) -> float | None:
        """What an alert about a metric looks at."""
        value: float | None = getattr(self, WATCHED.get(metric, metric))
        return value

    @property
    def used(self) -> dict[str, float]:
        """What is in use, leased or not, by resource, in the unit of its pool.

        Of the network it is the busier direction: the capacity of a link is that of each.
        """
        used = amounts(
            self.cpu_usage,
            self.cpu_cores,
            self.memory_used_bytes,
            self.storage_usage,
            self.storage_bytes,
        )
        if self.network_rx_bytes_s is not None and self.network_tx_bytes_s is not None:
            used["network"] = max(self.network_rx_bytes_s, self.network_tx_bytes_s)
        return used


def amounts(
    cpu_usage: float,
    cpu_cores: float,
    memory_used_bytes: int,
    storage_usage: float | None,
    storage_bytes: int | None,
) -> dict[str, float]:
    """Shares in % as amounts in cores and bytes, by resource; storage only where both are known."""
    used = {"cpu": cpu_usage / 100 * cpu_cores, "memory": float(memory_used_bytes)}
    if storage_usage is not None and storage_bytes is not None:
        used["storage"] = storage_usage / 100 * storage_bytes
    return used


class Trend(_Noun):
    """Where a metric is going, by a robust slope and a test of significance."""

    metric: str
    trend: TrendWord | None = Field(description="null when there is too little data.")
    per_hour: float | None = Field(None, description="Slope in the metric's unit per hour.")
    p_value: float | None = Field(
        None, description="Chance of a slope this clear in a series without a trend."
    )
    window_s: float = Field(description="Seconds of history that were looked at.")
    reason: str | None = Field(None, description="Why trend is null.")


class Threshold(_Noun):
    """When a stored metric raises an alert."""

    warn: FiniteFloat | None = Field(None, description="Level of the warning.")
    critical: FiniteFloat | None = Field(None, description="Level of the critical alert.")
    direction: Direction = Field("above", description="Which side of a level is bad.")
    for_s: FiniteFloat = Field(
        0.0, ge=0, description="Seconds that a level must be broken before the alert is raised."
    )
    clear: FiniteFloat | None = Field(
        None,
        description="Value at which an alert ends; null for 5 % inside the level that raised it.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Going from good to bad one meets clear, warn, critical, as far as they are given."""
        levels = [x for x in (self.clear, self.warn, self.critical) if x is not None]
        if self.warn is None and self.critical is None:
            raise ValueError("give warn, critical or both")
        if levels != sorted(levels, reverse=self.direction == "below"):
            raise ValueError("clear, warn and critical must come in this order, from good to bad")
        return self


class Alert(_Noun):
    """A threshold that is broken now, or is expected to be."""

    metric: str
    level: AlertLevel
    value: float = Field(description="The metric when it was last looked at, in its unit.")
    threshold: float = Field(description="The level that it broke.")
    direction: Direction
    raised_at: AwareDatetime
    expected_at: AwareDatetime | None = Field(
        None, description="When a forecast expects it to be broken; null when it is broken now."
    )

    @property
    def key(self) -> str:
        """The same for all levels of one alert."""
        return self.metric if self.expected_at is None else f"expected_{self.metric}"

    @property
    def word(self) -> str:
        """The reference document's word, for example high_cpu_usage or elevated_memory_usage."""
        if self.metric.startswith(LEASE_PREFIX):
            return f"overused_{self.metric}"
        words = {
            ("critical", "above"): "high",
            ("warning", "above"): "elevated",
            ("critical", "below"): "low",
            ("warning", "below"): "reduced",
        }
        word = f"{words[self.level, self.direction]}_{self.metric}"
        return word if self.expected_at is None else f"expected_{word}"


class PastAlert(_Noun):
    """An alert as it was raised."""

    alert: Alert = Field(description="With the value that raised it.")
    cleared_at: AwareDatetime | None = Field(
        description="When it was over or moved to another level; null while it stands."
    )


class Health(_Noun):
    """The state of one machine."""

    status: HealthStatus
    host: str
    cpu_usage: float = Field(description=METRICS["cpu_usage"].description)
    memory_usage: float = Field(description=METRICS["memory_usage"].description)
    reliability_score: float | None = Field(description=RELIABILITY_SCORE + ".")
    reliability_seen: float | None = Field(None, description=RELIABILITY_SEEN + ".")
    reliability_basis: str | None = Field(
        None, description="What the two come from; null while they are."
    )
    issues: tuple[str, ...] = Field(description="What is critical, a word each.")
    warnings: tuple[str, ...] = Field(description="What to keep an eye on, a word each.")
    alerts: tuple[Alert, ...] = Field((), description="The alerts behind the words, with numbers.")
    unknown: dict[str, str] = Field(default_factory=dict, description="Why a figure is null.")
    details: dict[str, str] = Field(
        default_factory=dict, description="What a word means here and what to do, by the word."
    )
    sampled_at: AwareDatetime = Field(description="When the figures were measured.")
    computed_at: AwareDatetime = Field(description="When this was worked out.")


WARN_SHARE = 0.75
"""Without a warn level of its own, an alert warns at this share of the critical level. The
reference document shows 67.8 % of memory as elevated where 90 % is critical."""

DEFAULT_THRESHOLDS: dict[str, Threshold] = {
    "cpu_usage": Threshold(warn=63.75, critical=85),
    "memory_usage": Threshold(warn=67.5, critical=90),
    "storage_usage": Threshold(warn=85, critical=95),
    "error_rate": Threshold(warn=0.0375, critical=0.05),
    # 60 % for 30 s is where systemd-oomd begins to kill (oomd.conf(5), DefaultMemoryPressureLimit).
    "memory_pressure": Threshold(warn=30, critical=60, for_s=30),
    "cpu_pressure": Threshold(warn=80, for_s=60),
    "io_pressure": Threshold(warn=60, for_s=60),
}
"""Used for every metric for which the configuration gives nothing."""


def critical_at(level: float, direction: Direction = "above") -> Threshold:
    """A threshold from its critical level alone, as the reference document's variables give it.

    Args:
        level: Critical level in the metric's unit.
        direction: Which side of it is bad.

    Returns:
        The threshold, with a warning at `WARN_SHARE` of the level (above) or halfway from the level
        to 1 (below; only scores between 0 and 1 are bad when low).
    """
    warn = level * WARN_SHARE if direction == "above" else (level + 1) / 2
    return Threshold(warn=warn, critical=level, direction=direction)


LEASE_PREFIX = "lease_"
"""Of the metric of an alert about a lease: `lease_cpu:17` is of the lease with fencing token 17."""


def is_about_lease(metric: str, number: int) -> bool:
    """Whether an alert's metric is of the lease with this fencing token."""
    return metric.startswith(LEASE_PREFIX) and metric.endswith(f":{number}")


ALERTABLE = (*METRICS, "reliability_score")
"""What a threshold may be set for."""


def check_thresholds(names: Iterable[str]) -> None:
    """Refuse a threshold of something that is not stored.

    Raises:
        ConfigurationError: A name is unknown; the message lists those that exist.
    """
    for name in names:
        if name not in ALERTABLE:
            raise ConfigurationError(
                setting=f"alert_thresholds: {name}",
                problem="no such metric is stored",
                fix=f"use one of: {', '.join(ALERTABLE)}",
            )
