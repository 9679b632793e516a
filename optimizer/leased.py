"""How much is leased in all, for the monitor: kept until a lease changes."""

import time
from collections.abc import Callable, Mapping

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.events import Event, EventBus, LeaseChanged

LOOK_AGAIN_S = 60.0
"""Other processes lease from the same store unheard; so old the amounts may be."""


class Leased:
    """Asks the ledger when a lease changed here, and once a minute.

    Args:
        allocator: Answers the ledger; only asked when the amounts are.
        events: Where changes of leases are told.
        monotonic: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        allocator: Callable[[], ResourceAllocator],
        events: EventBus,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allocator = allocator
        self._monotonic = monotonic
        self._amounts: Mapping[str, float] = {}
        self._looked_s: float | None = None
        events.subscribe(self._hear)

    async def __call__(self) -> Mapping[str, float]:
        """What is leased in all, by resource, in the unit of its pool.

        Raises:
            StorageError: The ledger cannot be read.
        """
        now_s = self._monotonic()
        if self._looked_s is None or now_s - self._looked_s >= LOOK_AGAIN_S:
            self._looked_s = now_s
            try:
                pools = await self._allocator().utilization()
            except BaseException:
                self._looked_s = None
                raise
            self._amounts = {name: pool.allocated for name, pool in pools.items()}
        return self._amounts

    def _hear(self, event: Event) -> None:
        if isinstance(event, LeaseChanged):
            self._looked_s = None
