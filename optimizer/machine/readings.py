"""One cheap look at the counters, and what two looks say about the time between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from optimizer.machine.attribution import LeaseReading, LeaseUse, use_between

Ticks = tuple[float, float]
"""Busy and total time, in any unit."""


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
class Allowed:
    """What this process may use.

    Attributes:
        cpu_cores: Cores.
        memory_bytes: Memory.
        storage_bytes: Size of the data directory's filesystem; None when it does not answer.
        sources: Where the figures of cpu, memory and storage are from.
    """

    cpu_cores: float
    memory_bytes: int
    storage_bytes: int | None
    sources: dict[str, str]


class Essentials(NamedTuple):
    """What no reading is without.

    Attributes:
        ticks: Busy and total time of the allowed cores.
        memory: Used without what can be reclaimed, and reclaimable, in bytes.
        swap: Size and free part of the host's swap, in bytes.
        core_ticks: Busy and total time of each allowed core; empty where they are not told apart.
        group_cpu_s: CPU time of the control group that limits us; None when none does.
    """

    ticks: Ticks
    memory: tuple[int, int]
    swap: tuple[int, int]
    core_ticks: tuple[Ticks, ...] = ()
    group_cpu_s: float | None = None


class Reading(NamedTuple):
    """What the kernel said at one moment.

    Attributes:
        monotonic_s: When, on the monotonic clock.
        allowed: What this process may use.
        busy_ticks: Time that the allowed cores worked, in any unit.
        total_ticks: Time that the allowed cores had, in the same unit.
        group_cpu_s: CPU time of the control group that limits us; None when none does.
        memory_used_bytes: Used without what can be reclaimed.
        memory_reclaimable_bytes: What the kernel can take back when it is needed.
        levels: Metrics that are true at this moment, by name.
        counters: Ever-growing bytes or errors, by the name of the metric that is their rate.
        unknown: Why a metric is in neither, by name.
        core_ticks: Busy and total time of each allowed core, in any unit; empty where the system
            does not tell cores apart.
        gpus: The graphics processors that this process may use.
        leases: What the processes that are bound to leases have used so far, by lease.
    """

    monotonic_s: float
    allowed: Allowed
    busy_ticks: float
    total_ticks: float
    group_cpu_s: float | None
    memory_used_bytes: int
    memory_reclaimable_bytes: int
    levels: Mapping[str, float]
    counters: Mapping[str, float]
    unknown: Mapping[str, str]
    core_ticks: tuple[Ticks, ...] = ()
    gpus: tuple[GpuReading, ...] = ()
    leases: Mapping[str, LeaseReading] = MappingProxyType({})


class Usage(NamedTuple):
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
    cores: tuple[float, ...]
    leases: Mapping[str, LeaseUse]


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
    cpu = _cpu_usage(before, after, elapsed)
    if cpu is None:
        return None
    unknown = dict(after.unknown)
    values = dict(after.levels)
    values["cpu_usage"] = cpu
    values["memory_usage"] = percent(after.memory_used_bytes, after.allowed.memory_bytes)
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
        _core_usage(before.core_ticks, after.core_ticks),
        use_between(before.leases, after.leases, elapsed) if after.leases else {},
    )


def _cpu_usage(before: Reading, after: Reading, elapsed: float) -> float | None:
    """Use against the quota where a group limits us, against the allowed cores elsewhere."""
    total = after.total_ticks - before.total_ticks
    if elapsed <= 0:
        return None
    if before.group_cpu_s is not None and after.group_cpu_s is not None:
        then, now = before.allowed, after.allowed
        if (then.cpu_cores, then.sources["cpu"]) == (now.cpu_cores, now.sources["cpu"]):
            return percent(after.group_cpu_s - before.group_cpu_s, elapsed * now.cpu_cores)
    return percent(after.busy_ticks - before.busy_ticks, total) if total > 0 else None


def _core_usage(before: tuple[Ticks, ...], after: tuple[Ticks, ...]) -> tuple[float, ...]:
    """Nothing when a core went on or off line in between, or one had no time yet."""
    shares: list[float] = []
    if len(before) == len(after):
        for (busy_then, total_then), (busy, total) in zip(before, after, strict=True):
            if total <= total_then:
                return ()
            shares.append(percent(busy - busy_then, total - total_then))
    return tuple(shares)


def percent(part: float, whole: float) -> float:
    """Share of a positive whole in %, kept within 0 and 100."""
    return min(100.0, max(0.0, 100.0 * part / whole))
