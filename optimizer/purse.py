"""What thinking spends, reserved from and settled to our own pools."""

from collections.abc import Callable

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import AllocationRequest
from optimizer.errors import LeaseEndedError
from optimizer.events import LeaseChanged
from optimizer.identity import Principal

THINKING = Principal(name="thinking", role="user")
"""Who holds the tokens and dollars of a request while it runs."""

BUDGETS = frozenset({"mcp_tokens", "usd"})
"""What it holds."""

TTL_S = 120
"""Longer than any request may take; a process that dies settles at the reservation."""


def is_spending(event: LeaseChanged) -> bool:
    """Whether it is our own thinking that spends: no reason to look at the machine anew."""
    return event.principal == THINKING.name and event.resources <= BUDGETS


class LedgerPurse:
    """Tokens and dollars as short leases of `mcp_tokens` and `usd`.

    Args:
        allocator: Answers the allocator; asked when the first request is made.
    """

    def __init__(self, allocator: Callable[[], ResourceAllocator]) -> None:
        self._allocator = allocator
        self._held: dict[str, frozenset[str]] = {}

    async def reserve(self, decision_id: str, *, tokens: int, usd: float) -> str | None:
        """Set aside what a request may cost; None when a pool has not got it."""
        asked: dict[str, float | str] = {"mcp_tokens": float(tokens)}
        if usd > 0:
            asked["usd"] = usd
        request = AllocationRequest(resources=asked, purpose=f"thinking {decision_id}", ttl_s=TTL_S)
        reservation = (await self._allocator().allocate(request, THINKING)).allocation_id
        if reservation is not None:
            self._held[reservation] = frozenset(asked)
        return reservation

    async def settle(
        self, reservation: str, *, tokens: int, usd: float, is_estimated: bool
    ) -> None:
        """Spend what it did cost; what was not reported comes as it was reserved."""
        spent = {"mcp_tokens": float(tokens), "usd": usd}
        used: dict[str, float | str] = {name: spent[name] for name in self._held.pop(reservation)}
        try:
            await self._allocator().release(reservation, THINKING, used=used)
        except LeaseEndedError:
            return
