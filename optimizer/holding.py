"""A lease that is held while a block runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.errors import LeaseRefusedError, OptimizerError
from optimizer.operations.release import ReleaseRequest
from optimizer.operations.renew import RenewRequest

logger = logging.getLogger("sequential_resource_optimization.allocation")

RENEWALS_IN_A_TTL = 3
"""Two renewals may fail before the lease would end."""


class Leases(Protocol):
    """What holding a lease takes."""

    async def allocate(self, request: AllocationRequest) -> Allocation:
        """Reserve."""

    async def renew_allocation(self, request: RenewRequest) -> Allocation:
        """Keep longer."""

    async def release_allocation(self, request: ReleaseRequest) -> Allocation:
        """Give back."""


class HeldLease:
    """A lease inside its block.

    Attributes:
        allocation: As it was last granted or renewed.
        used: What the block really used, by resource; budgets settle at it when it is released.
    """

    def __init__(self, allocation: Allocation) -> None:
        self.allocation = allocation
        self.used: dict[str, float | str] = {}

    @property
    def allocation_id(self) -> str:
        """Names the lease."""
        return str(self.allocation.allocation_id)

    @property
    def granted(self) -> dict[str, float]:
        """What is held, by resource, in the units of `allocation.units`."""
        return dict(self.allocation.granted)


@asynccontextmanager
async def hold(leases: Leases, request: AllocationRequest) -> AsyncIterator[HeldLease]:
    """Reserve, renew while the body runs, and release at its end, however it ends.

    Raises:
        LeaseRefusedError: Nothing was reserved; its `allocation` says what fits when.
    """
    allocation = await leases.allocate(request)
    if allocation.allocation_id is None:
        raise LeaseRefusedError(f"{allocation.summary} {allocation.next}", allocation=allocation)
    held = HeldLease(allocation)
    renewing = asyncio.create_task(_renew(leases, held, request.ttl_s), name="lease-renewal")
    try:
        yield held
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        release = ReleaseRequest(allocation_id=held.allocation_id, used=held.used)
        await asyncio.shield(leases.release_allocation(release))


async def _renew(leases: Leases, held: HeldLease, ttl_s: int) -> None:
    while True:
        await asyncio.sleep(ttl_s / RENEWALS_IN_A_TTL)
        try:
            held.allocation = await leases.renew_allocation(
                RenewRequest(allocation_id=held.allocation_id)
            )
        except OptimizerError as error:
            logger.warning("a lease could not be renewed: %s", error)
