"""How much is leased in all, for the monitor: kept until a lease changes."""

import time
from collections.abc import Awaitable, Callable, Mapping

from optimizer.due import Due
from optimizer.events import Event, EventBus, LeaseChanged

LOOK_AGAIN_S = 60.0
"""Where nobody can tell whether other processes changed leases, the amounts may be so old."""


class Leased:
    """Looks when a lease changed here, when another process wrote to the store, or once a minute.

    Args:
        look: Answers what is leased in all, by resource, in the unit of its pool.
        events: Where changes of leases are told.
        others_wrote: Answers another number when another process has written to the store, and
            None where that cannot be told.
        monotonic: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Mapping[str, float]]],
        events: EventBus,
        *,
        others_wrote: Callable[[], int | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._others_wrote = others_wrote
        self._monotonic = monotonic
        self._amounts: Mapping[str, float] = {}
        self._looked_s: float | None = None
        self._written: int | None = None
        self._news = Due()
        events.subscribe(self._hear)

    def is_any(self) -> bool:
        """Whether anything was leased when it was last looked at."""
        return any(self._amounts.values())

    async def until_any(self) -> None:
        """Return as soon as anything is leased, or may be since a lease changed."""
        while self._looked_s is not None and not self.is_any():
            await self._news.wait()

    async def __call__(self) -> Mapping[str, float]:
        """What is leased in all, as of the last change or minute; raises what looking raises."""
        if self._is_old():
            self._looked_s, self._written = self._monotonic(), self._others_wrote()
            try:
                self._amounts = await self._look()
            except BaseException:
                self._looked_s = None
                raise
            self._news.set()
        return self._amounts

    def _is_old(self) -> bool:
        """Whether the amounts may have changed since they were looked at."""
        if self._looked_s is None:
            return True
        written = self._others_wrote()
        if written is not None and self._written is not None:
            return written != self._written
        return self._monotonic() - self._looked_s >= LOOK_AGAIN_S

    def _hear(self, event: Event) -> None:
        if isinstance(event, LeaseChanged):
            self._looked_s = None
            self._news.set()
