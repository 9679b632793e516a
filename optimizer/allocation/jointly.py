"""Many orders at once: chosen together so that they are worth most, then admitted one by one."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from anyio import to_thread

from optimizer.allocation.admission import Admission, Refusal
from optimizer.allocation.batch import Bid, Selection, select
from optimizer.allocation.demand import Reading
from optimizer.allocation.lease import Allocation, PriorityLevel
from optimizer.allocation.ledger import MOST_LEASES, Ledger
from optimizer.allocation.line import WaitingLine
from optimizer.allocation.news import News
from optimizer.allocation.order import Order, decide_as_planned, free_for
from optimizer.allocation.pool import Balance
from optimizer.allocation.terms import Terms, held_parts
from optimizer.allocation.turns import Turn

WORTH: Mapping[PriorityLevel, float] = {"low": 1.0, "normal": 2.0, "high": 4.0, "critical": 8.0}
"""What a request of a batch is worth when nobody says."""


@dataclass(frozen=True)
class BatchOutcome:
    """What the requests of a batch got.

    Attributes:
        allocations: In the order of the requests.
        value: What the granted shares are worth in all.
        is_proven: Whether no other choice is worth more.
    """

    allocations: tuple[Allocation, ...]
    value: float
    is_proven: bool


class Jointly:
    """Takes many orders of one principal; none of them waits.

    Args:
        terms: What bears on the decisions.
        ledger: Keeps the leases.
        line: Those who wait: while anybody waits for the same, a batch gets nothing.
        news: Told of what ended meanwhile.
    """

    def __init__(self, terms: Terms, ledger: Ledger, line: WaitingLine, news: News) -> None:
        self._terms = terms
        self._ledger = ledger
        self._line = line
        self._news = news

    async def take(
        self, orders: Sequence[Order], values: Sequence[float | None]
    ) -> tuple[list[Turn], Selection]:
        """Choose outside the transaction and check inside it: what no longer fits is refused.

        Args:
            orders: Of one principal.
            values: What all of each is worth; None is 1, 2, 4 or 8 by its priority.

        Returns:
            What became of each, and what was chosen.
        """
        everything = replace(
            orders[0], reading=Reading({n: d for o in orders for n, d in o.demands.items()})
        )
        now = asyncio.get_running_loop().time()
        ahead = self._line.ahead_of(self._line.ticket(everything.reading.limited, "low", now=now))
        room = await self._free_for(everything)
        bids = [
            Bid(
                order.parts,
                value or WORTH[order.request.priority_level],
                order.request.min_fraction,
                order.request.strategy == "cost_priority",
            )
            for order, value in zip(orders, values, strict=True)
        ]
        chosen = [
            index
            for index, order in enumerate(orders)
            if not ahead and self._terms.put_off(order.request.priority_level) is None
        ]
        selection = await to_thread.run_sync(select, [bids[index] for index in chosen], room)
        plan = dict(zip(chosen, selection.granted, strict=True))
        turns = await asyncio.gather(
            *(self._admit(order, plan.get(index), ahead) for index, order in enumerate(orders))
        )
        return turns, selection

    async def _admit(self, order: Order, given: Mapping[str, int] | None, ahead: int) -> Turn:
        def settle(balances: Mapping[str, Balance]) -> Admission | Refusal:
            around = self._terms.around(order, balances, ahead)
            return decide_as_planned(order, balances, around, given)

        outcome = await self._ledger.admit(order.draft, settle)
        self._news.tell_ended(outcome.moment)
        return Turn(outcome, ahead)

    async def _free_for(self, order: Order) -> dict[str, int | None]:
        """What is free of each pool of an order now."""
        holdings = await self._ledger.held(order.draft.principal, limit=MOST_LEASES)
        own = held_parts(holdings.leases) if order.quota else Counter[str]()
        balances = {
            name: replace(balance, own=own[name]) for name, balance in holdings.balances.items()
        }
        return free_for(order, balances, self._terms.around(order, balances))
