"""Changing leases that are held: an operator's decision, or what reallocation proposes."""

from collections.abc import Mapping

from optimizer.allocation.answers import answer_for_others
from optimizer.allocation.headroom import pressure
from optimizer.allocation.lease import Allocation, Lease, public_name
from optimizer.allocation.ledger import MOST_LEASES, Ledger
from optimizer.allocation.line import WaitingLine
from optimizer.allocation.news import News
from optimizer.allocation.pool import room_parts
from optimizer.allocation.reallocation import Move, propose
from optimizer.allocation.terms import Terms
from optimizer.errors import LeaseRefusedError, NotFoundError
from optimizer.quantities import format_amount, to_parts

LOOK_AHEAD_S = 900.0
"""For how long what a lease grows by has to be free of foreseen demand: the usual length of one."""


class Changing:
    """Lets leases hold other amounts than they were granted.

    Args:
        terms: What bears on the decisions.
        ledger: Keeps the leases.
        line: Those who wait: while anybody does, nothing that is free goes to leases.
        news: Told of what was changed.
    """

    def __init__(self, terms: Terms, ledger: Ledger, line: WaitingLine, news: News) -> None:
        self._terms = terms
        self._ledger = ledger
        self._line = line
        self._news = news

    async def held(self) -> tuple[Lease, ...]:
        """Every active lease as the ledger keeps it."""
        holdings = await self._ledger.held(None, limit=MOST_LEASES)
        self._news.tell_ended(holdings.moment)
        return holdings.leases

    async def resize(self, name: str, resource: str, amount: float) -> Allocation:
        """Let a lease hold another amount; see `ResourceAllocator.resize`."""
        lease = await self._named(name)
        unit = self._terms.pools[resource].unit
        parts, room = to_parts(amount, unit), self._terms.free(resource)
        changed = await self._ledger.resize(lease.allocation_id, resource, parts, room)
        self._news.tell_ended(changed.moment)
        answer = answer_for_others(changed.lease or lease, changed.moment.at)
        if not changed.applied:
            raise LeaseRefusedError(
                f"{name} cannot hold {format_amount(amount, unit)} of {resource}: it is over, "
                "never asked for so much, or so much is not free. Nothing was changed",
                allocation=answer,
            )
        self._news.tell(changed.moment.at, lease, "resized")
        self._news.call()
        return answer

    async def moves(self, seen: Mapping[str, Mapping[str, int]]) -> tuple[Move, ...]:
        """What should change hands; see `ResourceAllocator.moves`."""
        holdings = await self._ledger.held(None, limit=MOST_LEASES)
        self._news.tell_ended(holdings.moment)
        pools = self._terms.pools
        unmanaged = self._terms.beyond_leases(holdings.balances)
        foreseen, now = self._terms.ahead(), holdings.moment.at
        room = {}
        for name, pool in pools.items():
            peak = pressure(foreseen[name], now, LOOK_AHEAD_S) if name in foreseen else None
            kept = max(unmanaged.get(name, 0.0), 0.0 if peak is None else peak.amount)
            room[name] = room_parts(pool, holdings.balances[name], kept)
        return propose(
            holdings.leases,
            room if not len(self._line) else dict.fromkeys(room, 0),
            kinds={name: pool.kind for name, pool in pools.items()},
            capacity=self._terms.capacity(),
            seen=seen,
            weights=self._terms.weights,
        )

    async def move(self, move: Move) -> bool:
        """Let parts change hands in one transaction; answers whether they did."""
        return await self._ledger.move(
            None if move.loses is None else move.loses.allocation_id,
            move.gains.allocation_id,
            move.resource,
            move.parts,
            self._terms.free(move.resource),
        )

    async def _named(self, name: str) -> Lease:
        for lease in await self.held():
            if public_name(lease.allocation_id) == name:
                return lease
        raise NotFoundError(what="active lease", name=name, hint="it may be over by now")
