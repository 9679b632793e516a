"""One cheap look at the counters, and what two looks say about the time between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizer.machine.attribution import LeaseReading, LeaseUse, use_between


@dataclass(frozen=True)
class GpuReading:
    """What a graphics processor says of itself.

    Attributes:
        index: As CUDA_VISIBLE_DEVICES counts them with CUDA_DEVICE_ORDER=PCI_BUS_ID.
        name: For people.
        usage: Share of the driver's last sampling period in which a kernel ran, in %; None where
            the device does not say.
        memory_bytes: All of its memory.
        memory_used_bytes: Allocated, by whomever.
    """

    index: int
    name: str
    usage: float | None
    memory_bytes: int
    memory_used_bytes: int


@dataclass(frozen=True)
class Reading:
    """What the kernel said at one moment.

    Attributes:
        monotonic_s: When, on the monotonic clock.
        busy_ticks: Time that the allowed cores worked, in any unit.
        total_ticks: Time that the allowed cores had, in the same unit.
        group_cpu_s: CPU time of the control group that limits us; None when none does.
        cpu_cores: Cores that this process may use.
        cpu_source: Where that figure is from.
        memory_bytes: Memory that this process may use.
        memory_source: Where that figure is from.
        memory_used_bytes: Used without what can be reclaimed.
        memory_reclaimable_bytes: What the kernel can take back when it is needed.
        storage_bytes: Size of the data directory's filesystem; None when it does not answer.
        storage_source: Where the size of the filesystem is from.
        levels: Metrics that are true at this moment, by name.
        counters: Ever-growing bytes or errors, by the name of the metric that is their rate.
        unknown: Why a metric is in neither, by name.
        core_ticks: Busy and total time of each allowed core, in any unit; empty where the system
            does not tell cores apart.
        gpus: The graphics processors that this process may use.
        leases: What the processes that are bound to leases have used so far, by lease.
    """

    monotonic_s: float
    busy_ticks: float
    total_ticks: float
    group_cpu_s: float | None
    cpu_cores: float
    cpu_source: str
    memory_bytes: int
    memory_source: str
    memory_used_bytes: int
    memory_reclaimable_bytes: int
    storage_bytes: int | None
    storage_source: str
    levels: Mapping[str, float]
    counters: Mapping[str, int]
    unknown: Mapping[str, str]
    core_ticks: tuple[tuple[float, float], ...] = ()
    gpus: tuple[GpuReading, ...] = ()
    leases: Mapping[str, LeaseReading] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """What was used between two readings.

    Attributes:
        values: Metrics by name; every value is finite, and percentages are in 0 to 100.
        unknown: Why a metric is not among them, by name.
        latest: The later reading.
        cores: Busy share of each allowed core, in %; empty where it is not known.
        leases: What each lease used that processes are bound to.
    """

    values: Mapping[str, float]
    unknown: Mapping[str, str]
    latest: Reading
    cores: tuple[float, ...] = ()
    leases: Mapping[str, LeaseUse] = field(default_factory=dict)


def usage_between(before: Reading, after: Reading) -> Usage | None:
    """Rates from two readings.

    Args:
        before: The earlier one.
        after: The later one.

    Returns:
        What was used, or None when the readings are too close for the kernel's clock (its CPU time
        moves in steps of 1 to 10 ms).
    """
    elapsed = after.monotonic_s - before.monotonic_s
    cpu = _cpu_usage(before, after, elapsed) if elapsed > 0 else None
    if cpu is None:
        return None
    unknown = dict(after.unknown)
    values = dict(after.levels)
    values["cpu_usage"] = cpu
    values["memory_usage"] = percent(after.memory_used_bytes, after.memory_bytes)
    for name, count in after.counters.items():
        grown = count - before.counters.get(name, count + 1)
        if grown >= 0:
            values[name] = grown / elapsed
        else:
            unknown[name] = "its counter began anew since the reading before"
    return Usage(
        values,
        unknown,
        after,
        cores=_core_usage(before.core_ticks, after.core_ticks),
        leases=use_between(before.leases, after.leases, elapsed),
    )


def _cpu_usage(before: Reading, after: Reading, elapsed: float) -> float | None:
    """Use against the quota where a group limits us, against the allowed cores elsewhere."""
    same_limit = (before.cpu_cores, before.cpu_source) == (after.cpu_cores, after.cpu_source)
    if same_limit and before.group_cpu_s is not None and after.group_cpu_s is not None:
        return percent(after.group_cpu_s - before.group_cpu_s, elapsed * after.cpu_cores)
    total = after.total_ticks - before.total_ticks
    if total <= 0:
        return None
    return percent(after.busy_ticks - before.busy_ticks, total)


def _core_usage(
    before: tuple[tuple[float, float], ...], after: tuple[tuple[float, float], ...]
) -> tuple[float, ...]:
    """Nothing when a core went on or off line in between, or one had no time yet."""
    totals = [now[1] - then[1] for then, now in zip(before, after, strict=False)]
    if len(before) != len(after) or any(total <= 0 for total in totals):
        return ()
    return tuple(
        percent(now[0] - then[0], total)
        for then, now, total in zip(before, after, totals, strict=True)
    )


def percent(part: float, whole: float) -> float:
    """Share of a positive whole in %, kept within 0 and 100."""
    return min(100.0, max(0.0, 100.0 * part / whole))
