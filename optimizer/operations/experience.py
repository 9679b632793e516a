"""What a decision is told of those before it: how they did, and what they changed."""

from datetime import datetime, timedelta
from typing import Protocol

import anyio

from optimizer.clock import Clock
from optimizer.decisions.keeper import ApplicationKeeper, DecisionKeeper
from optimizer.decisions.past import Known, durations, remember, settled
from optimizer.decisions.snapshot import PastRecord
from optimizer.monitoring.history import Series

HOUR = timedelta(hours=1)

MOST_SETTLED = 200
"""Hours of decisions that the record counts: about a week of a busy machine."""

LOOKED_AT = 50
"""Newest decisions among which those of each scope are looked for."""

BANDS = {"cpu": "cpu_usage", "memory": "memory_usage"}
"""Resources whose stated band is held against what was measured."""


class Recorded(Protocol):
    """What is needed of the monitor."""

    def series(self, metric: str, *, step: timedelta) -> Series:
        """The recorded past of a metric."""


class Experience:
    """Reads what was decided, and how it went.

    Args:
        decisions: Where decisions are kept.
        applications: Where it is kept what became of them.
        monitor: The recorded past.
        clock: The present moment.
    """

    def __init__(
        self,
        *,
        decisions: DecisionKeeper,
        applications: ApplicationKeeper,
        monitor: Recorded,
        clock: Clock,
    ) -> None:
        self._decisions = decisions
        self._applications = applications
        self._monitor = monitor
        self._clock = clock
        self._turn = anyio.Lock()
        self._settled_at: datetime | None = None
        self._record: PastRecord | None = None

    async def look(self) -> Known:
        """How past decisions did (settled once an hour), the last ones, how long steps took.

        Raises:
            StorageError: The store cannot be read.
        """
        now = self._clock()
        async with self._turn:
            if self._settled_at is None or now - self._settled_at >= HOUR:
                self._record, self._settled_at = await self._settle(now), now
        newest = await self._decisions.recent(LOOKED_AT)
        applied = await self._applications.recent(LOOKED_AT)
        return Known(self._record, remember(newest, applied), durations(applied))

    async def _settle(self, now: datetime) -> PastRecord | None:
        past = await self._decisions.starts(now - HOUR, most=MOST_SETTLED)
        series = {
            resource: self._monitor.series(metric, step=HOUR) for resource, metric in BANDS.items()
        }
        return settled(past, series, now)
