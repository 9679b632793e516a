"""Reserve part of this machine, or of a budget, as a lease that ends by itself."""

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.identity import Principal


async def allocate(
    request: AllocationRequest, *, allocator: ResourceAllocator, principal: Principal
) -> Allocation:
    """Answer the lease, or why there is none and what fits when.

    Raises:
        ForbiddenError: The principal may only read.
        InvalidRequestError: Something in the request cannot be read; nothing was reserved.
    """
    return await allocator.allocate(request, principal)
