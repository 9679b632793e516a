"""Looks: what the machine used between two looks at its counters."""

import asyncio
import time
from datetime import timedelta
from typing import Protocol

import anyio
import anyio.to_thread

from optimizer.errors import DependencyError
from optimizer.machine.readings import Reading, Usage, usage_between

GLANCE = timedelta(milliseconds=50)
"""Between the two readings of a sample on demand, and the least between any two."""

LONGEST_SPAN = timedelta(minutes=1)
"""A sample on demand is not a mean over more than this, or than an interval if that is longer."""

GLANCES = 20
COUNTERS_STAND = f"the counters of CPU time stood still for {GLANCES} looks at /proc/stat"


class ReadsMachine(Protocol):
    """The machine room, as far as the monitor needs it."""

    @property
    def is_quick(self) -> bool:
        """Whether the next reading cannot hang, so that it needs no worker."""

    def read(self) -> Reading:
        """Read every counter once.

        Raises:
            DependencyError: CPU or memory cannot be read.
        """


class Looks:
    """Remembers the last look, since when the next one measures.

    Args:
        machine: What reads the counters.
        interval: Time between samples.
    """

    def __init__(self, machine: ReadsMachine, interval: timedelta) -> None:
        self.machine = machine
        self._longest_s = max(interval, LONGEST_SPAN).total_seconds()
        self._before: Reading | None = None

    async def begin(self) -> None:
        """Look for the first time.

        Raises:
            DependencyError: CPU or memory cannot be read.
        """
        self._before = await self._read()

    async def use(self, *, regular: bool) -> Usage:
        """What was used since the last look; without a recent one, over a glance.

        Args:
            regular: Whether samples are taken on an interval, which then says what is recent.

        Raises:
            DependencyError: CPU or memory cannot be read, or its counters stand still.
        """
        before = self._before or await self._read()
        for _ in range(GLANCES):
            after = await self._read()
            apart_s = after.monotonic_s - before.monotonic_s
            if apart_s > self._longest_s and not regular:
                before, apart_s = after, 0.0
            usage = usage_between(before, after)
            if usage is not None and apart_s >= GLANCE.total_seconds():
                self._before = after
                return usage
            await asyncio.sleep(GLANCE.total_seconds())
        raise DependencyError(COUNTERS_STAND)

    def glance(self) -> Usage:
        """What is used now, over a glance of its own, from any thread.

        Raises:
            DependencyError: CPU or memory cannot be read, or its counters stand still.
        """
        before = self.machine.read()
        for _ in range(GLANCES):
            time.sleep(GLANCE.total_seconds())
            usage = usage_between(before, self.machine.read())
            if usage is not None:
                return usage
        raise DependencyError(COUNTERS_STAND)

    async def _read(self) -> Reading:
        """On a worker where it may take a while: a filesystem must not stop the event loop."""
        if self.machine.is_quick:
            return self.machine.read()
        return await anyio.to_thread.run_sync(self.machine.read, abandon_on_cancel=True)
