"""How much is leased in all, for the monitor: kept until a lease changes."""

import time
from collections.abc import Awaitable, Callable, Mapping

from optimizer.events import Event, EventBus, LeaseChanged

LOOK_AGAIN_S = 60.0
"""Other processes lease from the same store unheard; so old the amounts may be."""


class Leased:
    """Looks when a lease changed here, and once a minute.

    Args:
        look: Answers what is leased in all, by resource, in the unit of its pool.
        events: Where changes of leases are told.
        monotonic: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Mapping[str, float]]],
        events: EventBus,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._monotonic = monotonic
        self._amounts: Mapping[str, float] = {}
        self._looked_s: float | None = None
        events.subscribe(self._hear)

    def is_any(self) -> bool:
        """Whether anything was leased when it was last looked at."""
        return any(self._amounts.values())

    async def __call__(self) -> Mapping[str, float]:
        """What is leased in all, as of the last change or minute; raises what looking raises."""
        now_s = self._monotonic()
        if self._looked_s is None or now_s - self._looked_s >= LOOK_AGAIN_S:
            self._looked_s = now_s
            try:
                self._amounts = await self._look()
            except BaseException:
                self._looked_s = None
                raise
        return self._amounts

    def _hear(self, event: Event) -> None:
        if isinstance(event, LeaseChanged):
            self._looked_s = None
