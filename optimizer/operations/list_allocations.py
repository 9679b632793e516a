"""Which leases are held, and what is free."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.allocation.allocator import AllocationList, ResourceAllocator
from optimizer.identity import Principal


class ListAllocationsRequest(BaseModel):
    """Whose leases, and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    whose: Literal["mine", "all"] = Field(
        "mine", description="all shows those of others without their ids."
    )
    limit: int = Field(20, ge=1, le=1000, description="At most so many, newest first.")


async def list_allocations(
    request: ListAllocationsRequest, *, allocator: ResourceAllocator, principal: Principal
) -> AllocationList:
    """Answer leases that are held now, newest first, and every pool."""
    return await allocator.list(principal, whose=request.whose, limit=request.limit)
