"""What this process may use: found once, and again when a sample shows that it has changed."""

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio.to_thread

from optimizer.due import Due
from optimizer.events import Event, SampleTaken
from optimizer.machine.capacity import Capacity
from optimizer.monitoring.sample import Sample
from optimizer.quantities import format_amount

logger = logging.getLogger("sequential_resource_optimization.allocation")

STORAGE_STEP = 0.01
"""Some filesystems share their room with others, so that their size is never twice the same."""

Found = dict[str, Capacity]


class Capacities:
    """Knows what there is, and lets the pools follow it.

    A limit of a control group, the cores and the memory of a machine and the size of a filesystem
    may all change while it runs, and leases promise what is there now.

    Args:
        find: Finds out what this process may use; on a worker.
        latest: Answers the latest sample.
        follow: Lets the pools be as large as what was found.
    """

    def __init__(
        self,
        find: Callable[[], Found],
        *,
        latest: Callable[[], Sample | None],
        follow: Callable[[Found], Awaitable[None]],
    ) -> None:
        self._find = find
        self._latest = latest
        self._follow = follow
        self._found: Found | None = None
        self._due = Due()

    @property
    def now(self) -> Found:
        """By resource; found out on first use."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def hear(self, event: Event) -> None:
        """Look again when a sample measured something else than was found."""
        if isinstance(event, SampleTaken) and self._found is not None:
            sample = self._latest()
            if sample is not None and not fits(self._found, sample):
                self._due.set()

    async def refresh(self) -> None:
        """Look now.

        Raises:
            StorageError: The ledger cannot be written; all is as it was, until the next sample.
        """
        before, found = self.now, await anyio.to_thread.run_sync(self._find)
        await self._follow(found)
        self._found = found
        for change in changes(before, found):
            logger.info("%s", change)

    async def run(self) -> None:
        """Look whenever it is due, until cancelled."""
        await self._due.keep_looking(
            self.refresh, logger=logger, trouble="pools cannot follow what this process may use"
        )


def fits(found: Mapping[str, Capacity], sample: Sample) -> bool:
    """Whether a sample was measured against what was found."""
    storage = found["storage"].amount
    return (
        found["cpu"].amount == sample.cpu_cores
        and found["memory"].amount == sample.memory_bytes
        and (
            sample.storage_bytes is None
            or (
                storage is not None
                and abs(sample.storage_bytes - storage) <= STORAGE_STEP * storage
            )
        )
    )


def changes(before: Mapping[str, Capacity], now: Mapping[str, Capacity]) -> list[str]:
    """What is other than it was, in words with where it is from."""

    def amount(capacity: Capacity) -> str:
        if capacity.amount is None:
            return "not known"
        return format_amount(capacity.amount, capacity.unit)

    return [
        f"{name} that may be used: {amount(now[name])}, was {amount(was)} ({now[name].source})"
        for name, was in before.items()
        if now[name].amount != was.amount
    ]
