"""Keep a lease longer."""

from pydantic import BaseModel, ConfigDict, Field

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import Allocation, AllocationId, TtlSeconds
from optimizer.identity import Principal


class RenewRequest(BaseModel):
    """Which lease, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allocation_id: AllocationId = Field(description="As allocate answered it.")
    ttl_s: TtlSeconds | None = Field(
        None, description="Seconds from now, 1 to 86400; by default as long as before."
    )


async def renew_allocation(
    request: RenewRequest, *, allocator: ResourceAllocator, principal: Principal
) -> Allocation:
    """Let a lease of the caller end later.

    Raises:
        ForbiddenError: The principal may only read.
        NotFoundError: The caller has no such lease.
        LeaseEndedError: It is over.
    """
    return await allocator.renew(request.allocation_id, principal, ttl_s=request.ttl_s)
