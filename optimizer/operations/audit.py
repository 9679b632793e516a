"""Prove that the ledger adds up."""

from pydantic import BaseModel, ConfigDict

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.audit import AuditReport


class AuditRequest(BaseModel):
    """Nothing to say: every pool is audited."""

    model_config = ConfigDict(frozen=True, extra="forbid")


async def audit(*, allocator: ResourceAllocator) -> AuditReport:
    """Answer every pool of the store, added up from the log of grants and from the leases."""
    return await allocator.audit_report()
