"""What a lease may use, in the words of each kind of control group. Pure.

Sources: cgroup-v2.rst, sched-bwc.rst and cgroup-v1/memory.rst of the kernel's documentation.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

PERIOD_US = 100_000
"""The kernel's default: a quota is dealt out anew ten times a second."""

LEAST_QUOTA_US = 1_000
"""The kernel takes no less."""

MOST_WEIGHT = {1: 262_144, 2: 10_000}
"""The kernel takes no more."""

NICE = 5
"""How far a command stands back where nothing can hold it to its cores."""


@dataclass(frozen=True)
class Limits:
    """How much a command may use.

    Attributes:
        cores: CPU time per time; None for no limit.
        throttle_bytes: Memory above which it is slowed down and its pages are taken back.
        most_bytes: Memory that it never exceeds: at this it is ended by the kernel.
        held_cores: Cores of its lease: its part where more is wanted than the machine has. None
            counts as one.
    """

    cores: float | None = None
    throttle_bytes: int | None = None
    most_bytes: int | None = None
    held_cores: float | None = None


def limits_of(
    granted: Mapping[str, float], burst: Mapping[str, float], *, wished: Collection[str]
) -> Limits:
    """The limits of a lease.

    Args:
        granted: Cores of `cpu` and bytes of `memory` that are held.
        burst: Upper ends of ranges; what lies between is shared.
        wished: Resources whose size somebody named. The other sizes were our guess: that books
            what a command usually uses, and does not end one that needs more this time.

    Returns:
        Limits at the upper end of a range. Who shares a burst is slowed down first, by whoever
        knows the other leases. A guess weighs no less than a process without a lease: the next
        guess is what it gets.
    """
    cores = burst.get("cpu", granted.get("cpu")) if "cpu" in wished else None
    memory = burst.get("memory", granted.get("memory")) if "memory" in wished else None
    held = granted.get("cpu")
    return Limits(
        cores=cores,
        most_bytes=None if memory is None else int(memory),
        held_cores=held if held is None or "cpu" in wished else max(1.0, held),
    )


def quota_us(cores: float) -> int:
    """CPU microseconds in each period."""
    return max(LEAST_QUOTA_US, round(cores * PERIOD_US))


def weight(cores: float | None, *, version: Literal[1, 2]) -> int:
    """What a group of so many cores weighs beside others, where a process of nobody weighs one."""
    one, least = (1024, 2) if version == 1 else (100, 1)
    return min(MOST_WEIGHT[version], max(least, round(one * (1.0 if cores is None else cores))))


def v2_values(limits: Limits) -> dict[str, str]:
    """Files of a control group of version 2, and what is written to them."""
    cores, high, most = limits.cores, limits.throttle_bytes, limits.most_bytes
    return {
        "cpu.weight": str(weight(limits.held_cores, version=2)),
        "cpu.max": f"{'max' if cores is None else quota_us(cores)} {PERIOD_US}",
        "memory.high": "max" if high is None else str(high),
        "memory.max": "max" if most is None else str(most),
    }


def v1_values(limits: Limits) -> dict[str, str]:
    """Files of control groups of version 1, in the order in which they are written.

    There is no `memory.high` in version 1. Its soft limit takes pages back too, but only while the
    whole machine is short of memory.
    """
    cores, high, most = limits.cores, limits.throttle_bytes, limits.most_bytes
    return {
        "cpu.shares": str(weight(limits.held_cores, version=1)),
        "cpu.cfs_period_us": str(PERIOD_US),
        "cpu.cfs_quota_us": str(-1 if cores is None else quota_us(cores)),
        "memory.soft_limit_in_bytes": str(-1 if high is None else high),
        "memory.limit_in_bytes": str(-1 if most is None else most),
    }
