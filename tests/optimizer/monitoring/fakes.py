"""A machine that reads what it is told, a store in a list, and samples by the handful."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from optimizer.errors import DependencyError, StorageError
from optimizer.machine.readings import Allowed, Reading
from optimizer.monitoring.keeper import StoredHistory, nothing_stored
from optimizer.monitoring.sample import Sample

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

ALLOWED = Allowed(
    cpu_cores=2.0,
    memory_bytes=1000,
    storage_bytes=5000,
    sources={"cpu": "host", "memory": "host", "storage": "statvfs /"},
)

READING = Reading(
    monotonic_s=0.0,
    allowed=ALLOWED,
    busy_ticks=0,
    total_ticks=0,
    group_cpu_s=None,
    memory_used_bytes=400,
    memory_reclaimable_bytes=100,
    levels={"load_1m": 0.5, "storage_usage": 20.0},
    counters={"network_rx_bytes_s": 0},
    unknown={"swap_usage": "this machine has no swap"},
)


class FakeTime:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.seconds = 1000.0

    def clock(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, span: timedelta) -> None:
        self.now += span
        self.seconds += span.total_seconds()


class FakeMachine:
    """Two cores, busy to a share that a test sets; every look is a second after the one before."""

    def __init__(self, cpu: float = 25.0) -> None:
        self.cpu = cpu
        self.memory_used = 400
        self.is_broken = False
        self._reading = READING

    is_quick = True

    def read(self) -> Reading:
        if self.is_broken:
            raise DependencyError("CPU and memory of this machine cannot be read (broken)")
        before = self._reading
        self._reading = before._replace(
            monotonic_s=before.monotonic_s + 1,
            busy_ticks=before.busy_ticks + 2 * self.cpu,
            total_ticks=before.total_ticks + 200,
            memory_used_bytes=self.memory_used,
            counters={"network_rx_bytes_s": before.counters["network_rx_bytes_s"] + 3000},
        )
        return self._reading


class FakeKeeper:
    """Samples in a list; full when it is told to be."""

    def __init__(self, stored: StoredHistory | None = None) -> None:
        self.kept: list[Sample] = []
        self.stored = stored or nothing_stored()
        self.is_full = False

    async def load(self, host: str, *, now: datetime) -> StoredHistory:
        if self.is_full:
            raise StorageError("cannot read the store (database or disk is full)")
        return self.stored

    async def add(self, sample: Sample) -> None:
        if self.is_full:
            raise StorageError("cannot write the store (database or disk is full)")
        self.kept.append(sample)

    async def latest(self, host: str) -> Sample | None:
        return next((each for each in reversed(self.kept) if each.host == host), None)

    async def hosts(self) -> tuple[str, ...]:
        return tuple(sorted({each.host for each in self.kept}))


def a_sample(at: datetime = NOON, **figures: Any) -> Sample:
    """A sample with 25 % of CPU and 40 % of memory in use, unless it is told otherwise."""
    plain: dict[str, Any] = {
        "host": "here",
        "timestamp": at,
        "cpu_usage": 25.0,
        "memory_usage": 40.0,
        "cpu_cores": 2.0,
        "memory_bytes": 1000,
        "memory_used_bytes": 400,
    }
    return Sample(**(plain | figures))


def samples_at(cpu: Iterable[float], every: timedelta, start: datetime = NOON) -> list[Sample]:
    """Samples with these CPU figures, evenly spaced."""
    return [a_sample(start + every * i, cpu_usage=value) for i, value in enumerate(cpu)]
