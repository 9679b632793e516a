"""get_health: how a machine is, what it has, and what is free to allocate."""

from collections.abc import Mapping
from typing import Protocol

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field

from optimizer.allocation.pool import PoolState
from optimizer.errors import NotFoundError
from optimizer.machine.capacity import Capacity
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.sample import Health, Sample
from optimizer.quantities import Unit

ELSEWHERE = "leases are kept for the machine that this server runs on"


class HealthRequest(BaseModel):
    """Which machine to ask about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = Field(
        None,
        max_length=255,
        description="A machine with samples in the store; by default this one.",
    )


class Free(BaseModel):
    """What allocate can grant now."""

    model_config = ConfigDict(frozen=True)

    available: float | None = Field(description="Free to lease now; null when no limit is known.")
    total: float | None = Field(description="Capacity; null when nobody says how much there is.")
    unit: Unit
    summary: str = Field(description="The same in words.")


class HealthReport(Health):
    """Health, with what the machine has and what of it is free."""

    version: str = Field(description="Version of this program.")
    capacity: dict[str, Capacity] = Field(description="What this process may use, by resource.")
    free: dict[str, Free] = Field(description="What allocate can grant now, by resource.")


class KnowsHosts(Protocol):
    """What is asked of the store about other machines."""

    async def latest(self, host: str) -> Sample | None:
        """The last sample of a host; None when there is none."""

    async def hosts(self) -> tuple[str, ...]:
        """Names of the hosts that have samples."""


async def get_health(
    request: HealthRequest,
    *,
    monitor: PerformanceMonitor,
    keeper: KnowsHosts | None,
    capacities: Mapping[str, Capacity],
    pools: Mapping[str, PoolState],
    version: str,
    problems: Mapping[str, str] | None = None,
    advice: Mapping[str, str] | None = None,
) -> HealthReport:
    """Say how a machine is.

    Args:
        request: Which one.
        monitor: Of this machine.
        keeper: Knows the other machines; None when there is no store.
        capacities: What this process may use here.
        pools: What is leased and free here.
        version: Of this program.
        problems: Troubles of other parts: a word, and what it means. They are warnings.
        advice: Warnings of what should be different and makes nothing worse now.

    Raises:
        NotFoundError: No machine of that name has samples.
        DependencyError: CPU or memory of this machine cannot be read.
    """
    if request.host is not None and request.host != monitor.host:
        health = await _elsewhere(request.host, monitor, keeper)
        return _report(health, version=version, unknown={"capacity": ELSEWHERE, "free": ELSEWHERE})
    health = await anyio.to_thread.run_sync(monitor.health, problems or {})
    health = health.model_copy(
        update={
            "warnings": (*health.warnings, *(advice or {})),
            "details": {**health.details, **(advice or {})},
        }
    )
    return _report(health, version=version, capacity=dict(capacities), free=free_of(pools))


def free_of(pools: Mapping[str, PoolState]) -> dict[str, Free]:
    """What allocate can grant of each pool."""
    return {
        name: Free(available=pool.available, total=pool.total, unit=pool.unit, summary=pool.summary)
        for name, pool in pools.items()
    }


async def _elsewhere(host: str, monitor: PerformanceMonitor, keeper: KnowsHosts | None) -> Health:
    sample = await keeper.latest(host) if keeper is not None else None
    if sample is None:
        known = {monitor.host, *(await keeper.hosts() if keeper is not None else ())}
        hint = f"machines with samples: {', '.join(sorted(known))}"
        raise NotFoundError(what="host", name=host, hint=hint)
    return monitor.judge(sample)


def _report(
    health: Health,
    *,
    version: str,
    capacity: dict[str, Capacity] | None = None,
    free: dict[str, Free] | None = None,
    unknown: Mapping[str, str] | None = None,
) -> HealthReport:
    plain = {name: getattr(health, name) for name in Health.model_fields}
    plain["unknown"] = {**health.unknown, **(unknown or {})}
    return HealthReport(**plain, version=version, capacity=capacity or {}, free=free or {})
