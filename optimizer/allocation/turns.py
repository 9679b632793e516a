"""Turns: an order is tried, and tried again when those before it in the line are gone."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import anyio

from optimizer.allocation.admission import Admission, Refusal
from optimizer.allocation.fairness import dominant_share
from optimizer.allocation.lease import Lease
from optimizer.allocation.ledger import MOST_LEASES, Admitted, Declined, Ledger
from optimizer.allocation.line import Waiter, WaitingLine
from optimizer.allocation.news import News
from optimizer.allocation.order import Order, decide
from optimizer.allocation.pool import Balance
from optimizer.allocation.terms import Terms, held_parts

RECHECK_S = 1.0
"""How often the first in the line looks for itself: other processes share the ledger, and demand
that no lease covers may fall."""


@dataclass(frozen=True)
class Turn:
    """What became of an order.

    Attributes:
        outcome: The ledger's last answer.
        ahead: How many stood before it then.
        waited: How long it stood in the line; None for not at all.
        yielded: Leases that had got notice to give way to it before its last try.
    """

    outcome: Admitted | Declined
    ahead: int = 0
    waited: timedelta | None = None
    yielded: tuple[Lease, ...] = ()


class Turns:
    """Who is tried when. A request goes ahead of nobody who waits for the same resource.

    Args:
        terms: What bears on the decisions.
        ledger: Keeps the leases.
        line: Those who wait.
        news: Told of what ended meanwhile.
    """

    def __init__(self, terms: Terms, ledger: Ledger, line: WaitingLine, news: News) -> None:
        self._terms = terms
        self._ledger = ledger
        self._line = line
        self._news = news
        self._waited_for: dict[str, Counter[str]] = defaultdict(Counter)

    async def take(self, order: Order) -> Turn:
        """Try, and wait for room as long as the request says.

        Cancelled, it leaves nothing reserved; with a `request_id` a lease that was just granted
        stays for the retry.
        """
        request, arrived = order.request, _now()
        place = await self._place(order, arrived) if len(self._line) else None
        outcome, ahead = await self._try(order, place, wait_s=request.wait_s)
        if isinstance(outcome, Admitted):
            return Turn(outcome)
        if not request.wait_s or not order.is_possible or outcome.refusal.is_lasting:
            return Turn(outcome, ahead)
        yielded = outcome.yielding
        try:
            place = place or await self._place(order, arrived)
            outcome, ahead = await self._wait(order, place, outcome, arrived + request.wait_s)
        finally:
            if isinstance(outcome, Declined) and (yielded or outcome.yielding):
                with anyio.CancelScope(shield=True):
                    await self._ledger.withdraw(order.draft.allocation_id)
        return Turn(outcome, ahead, timedelta(seconds=_now() - arrived), yielded)

    async def _place(self, order: Order, arrived: float) -> Waiter:
        """A place in the line."""
        share = await self._share(order)
        return self._line.ticket(
            order.reading.limited, order.request.priority_level, now=arrived, share=share
        )

    async def _share(self, order: Order) -> float:
        """Dominant share of who asks, by its weight, with what it waits for already."""
        name = order.draft.principal
        holdings = await self._ledger.held(name, limit=MOST_LEASES)
        parts = held_parts(holdings.leases)
        parts.update(self._waited_for[name])
        return dominant_share(parts, self._terms.capacity()) / self._terms.weights.get(name, 1.0)

    async def _try(
        self, order: Order, place: Waiter | None, *, wait_s: float = 0.0
    ) -> tuple[Admitted | Declined, int]:
        """One transaction; refused at once while others stand before this place.

        Args:
            order: What is asked.
            place: Its place in the line; None while nobody waits.
            wait_s: How long it goes on waiting after a refusal.

        Returns:
            The ledger's answer, and how many stand before.
        """
        ahead = 0 if place is None else self._line.ahead_of(place)
        grace_s = self._terms.grace(order.request, wait_s=wait_s)
        settle = partial(self._settle, order, ahead)
        try:
            outcome = await self._ledger.admit(order.draft, settle, grace_s=grace_s)
        except asyncio.CancelledError:
            await self._give_back_unheard(order)
            raise
        self._news.tell_ended(outcome.moment)
        if isinstance(outcome, Declined):
            for lease in outcome.yielding:
                self._news.tell(outcome.moment.at, lease, "yielding")
        return outcome, ahead

    def _settle(
        self, order: Order, ahead: int, balances: Mapping[str, Balance]
    ) -> Admission | Refusal:
        """Decide, by the balances of the transaction that acts on it."""
        return decide(order, balances, self._terms.around(order, balances, ahead))

    async def _give_back_unheard(self, order: Order) -> None:
        """Hold no lease that nobody will hear of; with a request id, a retry will."""
        if order.draft.request_id is None:
            nothing = dict.fromkeys(order.demands, 0)
            with anyio.CancelScope(shield=True):
                await self._ledger.release(
                    order.draft.allocation_id, order.draft.principal, nothing
                )
            self._news.call()

    async def _wait(
        self, order: Order, place: Waiter, declined: Declined, until: float
    ) -> tuple[Admitted | Declined, int]:
        """Stand in the line, and try whenever nobody stands before."""
        outcome: Admitted | Declined = declined
        waited_for = self._waited_for[order.draft.principal]
        waited_for.update(order.parts)
        self._line.join(place)
        try:
            while isinstance(outcome, Declined) and not outcome.refusal.is_lasting:
                remaining = until - _now()
                ahead = self._line.ahead_of(place)
                if remaining <= 0:
                    return await self._try(order, place)
                nap = remaining if ahead else min(remaining, _until_free(outcome))
                with anyio.move_on_after(nap):
                    await place.called.wait()
                place.called = anyio.Event()
                if not self._line.ahead_of(place):
                    left = max(0.0, until - _now())
                    outcome, _ = await self._try(order, place, wait_s=left)
            return outcome, 0
        finally:
            waited_for.subtract(order.parts)
            self._line.leave(place)


def _now() -> float:
    """Seconds on the clock of the event loop."""
    return asyncio.get_running_loop().time()


def _until_free(declined: Declined) -> float:
    """Seconds until something may have become free."""
    at = declined.moment.at
    soonest = min(
        ((freeing.at - at).total_seconds() for freeing in declined.freeings), default=RECHECK_S
    )
    return max(0.0, min(RECHECK_S, soonest))
