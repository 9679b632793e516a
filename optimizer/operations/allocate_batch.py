"""Reserve for many requests at once, so that together they are worth most."""

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.errors import InvalidRequestError
from optimizer.identity import Principal

MOST_REQUESTS = 1000


class BatchItem(AllocationRequest):
    """One request of a batch; it cannot wait for room or preempt."""

    value: FiniteFloat | None = Field(
        None,
        gt=0,
        le=1e9,
        description="What all of it is worth to you, in any unit that the batch shares; by default "
        "1, 2, 4 or 8 by priority_level.",
    )


class BatchRequest(BaseModel):
    """Requests that are decided together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: tuple[BatchItem, ...] = Field(
        min_length=1,
        max_length=MOST_REQUESTS,
        description="Each as allocate takes it, and what it is worth.",
    )


class BatchAnswer(BaseModel):
    """What each request of a batch got."""

    model_config = ConfigDict(frozen=True)

    summary: str = Field(description="How many were granted, and how good that choice is.")
    granted: int = Field(description="How many got a lease.")
    value: float = Field(description="What the granted shares are worth in all.")
    is_proven: bool = Field(description="Whether no other choice is worth more.")
    allocations: tuple[Allocation, ...] = Field(description="In the order of the requests.")


async def allocate_batch(
    request: BatchRequest, *, allocator: ResourceAllocator, principal: Principal
) -> BatchAnswer:
    """Answer a lease or a refusal for each request.

    Raises:
        ForbiddenError: The principal may only read.
        InvalidRequestError: Something in a request cannot be read; nothing was reserved.
    """
    for index, item in enumerate(request.requests):
        for name in ("wait_s", "allow_preemption"):
            if getattr(item, name):
                raise InvalidRequestError(
                    f"requests.{index}.{name}: a batch is decided at once, it neither waits nor "
                    "preempts. Nothing was reserved",
                    field=f"requests.{index}.{name}",
                )
    outcome = await allocator.allocate_batch(
        request.requests, principal, values=[item.value for item in request.requests]
    )
    leases = sum(allocation.allocation_id is not None for allocation in outcome.allocations)
    best = "no choice is worth more" if outcome.is_proven else "near the best choice"
    return BatchAnswer(
        summary=f"Granted {leases} of {len(outcome.allocations)}, worth {outcome.value:g}: {best}.",
        granted=leases,
        value=outcome.value,
        is_proven=outcome.is_proven,
        allocations=outcome.allocations,
    )
