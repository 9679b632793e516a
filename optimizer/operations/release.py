"""Give a lease back, and settle what it spent."""

from pydantic import BaseModel, ConfigDict, Field

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import (
    Allocation,
    AllocationId,
    AmountNumber,
    AmountText,
    ResourceName,
)
from optimizer.identity import Principal


class ReleaseRequest(BaseModel):
    """Which lease, and what it used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allocation_id: AllocationId = Field(description="As allocate answered it.")
    used: dict[ResourceName, AmountNumber | AmountText] = Field(
        default_factory=dict,
        max_length=32,
        description="What was really used, in native units; budgets settle at it, else at what was "
        "reserved.",
    )


async def release_allocation(
    request: ReleaseRequest, *, allocator: ResourceAllocator, principal: Principal
) -> Allocation:
    """End a lease of the caller.

    Raises:
        ForbiddenError: The principal may only read.
        NotFoundError: The caller has no such lease.
        LeaseEndedError: It is over.
        InvalidRequestError: `used` names what the lease does not hold, or is no amount.
    """
    return await allocator.release(request.allocation_id, principal, used=request.used)
