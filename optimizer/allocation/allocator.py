"""ResourceAllocator: reserves, renews, settles and releases, for one principal at a time."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import anyio
from anyio.lowlevel import checkpoint
from pydantic import BaseModel, ConfigDict, Field

from optimizer.allocation.answers import (
    answer_for_others,
    ending_notice,
    ending_notices,
    granted_answer,
    lease_answer,
    released_summary,
)
from optimizer.allocation.audit import AuditReport, audit_report
from optimizer.allocation.changing import Changing
from optimizer.allocation.demand import read_used
from optimizer.allocation.headroom import Ahead
from optimizer.allocation.jointly import BatchOutcome, Jointly
from optimizer.allocation.lease import Allocation, AllocationRequest, Lease
from optimizer.allocation.ledger import Admitted, Changed, Ledger, PoolAudit
from optimizer.allocation.line import WaitingLine
from optimizer.allocation.news import News
from optimizer.allocation.order import Order, Seen, nothing_seen
from optimizer.allocation.pool import PoolState, ResourcePool
from optimizer.allocation.preemption import PreemptionPolicy
from optimizer.allocation.quota import Quotas
from optimizer.allocation.reallocation import Move
from optimizer.allocation.refusals import refusal_answer
from optimizer.allocation.strategies import AllocationStrategy
from optimizer.allocation.terms import Terms
from optimizer.allocation.turns import Turn, Turns
from optimizer.clock import Clock, utc_now
from optimizer.errors import LeaseEndedError, NotFoundError, StorageError
from optimizer.events import EventBus
from optimizer.identity import Principal, told_apart_by
from optimizer.plugins import Registry
from optimizer.quantities import from_parts

logger = logging.getLogger("sequential_resource_optimization.allocation")

WATCH_S = 30.0
"""How often leases that are over are ended when nobody asks for anything."""

IDLE_WATCH_S = 600.0
"""The same while nothing is leased: then it is only to forget what ended long ago."""


class AllocationList(BaseModel):
    """Leases that are held now, and what is free."""

    model_config = ConfigDict(frozen=True)

    allocations: tuple[Allocation, ...] = Field(
        description="Newest first. Those of others show neither id nor holder nor purpose."
    )
    total: int = Field(description="How many there are.")
    pools: dict[str, PoolState] = Field(description="Every pool, by resource.")


class ResourceAllocator:
    """Leases of what this machine may use.

    Args:
        pools: What there is, by resource.
        ledger: Keeps the leases.
        events: Told of every lease that begins, changes or ends.
        strategies: This and what follows: see `Terms`.

    Attributes:
        pools: The same.
        terms: What bears on every decision; the rules in it may be replaced at any time, and count
            from the next request on.
    """

    def __init__(
        self,
        *,
        pools: Mapping[str, ResourcePool],
        ledger: Ledger,
        events: EventBus,
        strategies: Registry[AllocationStrategy],
        unmanaged: Callable[[Mapping[str, float]], Mapping[str, float]],
        quotas: Quotas | None = None,
        ahead: Callable[[], Mapping[str, Ahead]] = dict,
        preemption: PreemptionPolicy | None = None,
        weights: Mapping[str, float] | None = None,
        seen: Seen = nothing_seen,
        clock: Clock = utc_now,
    ) -> None:
        self.pools = dict(pools)
        self.terms = Terms(
            self.pools,
            strategies,
            unmanaged,
            quotas=quotas or Quotas({}, {}),
            preemption=preemption or PreemptionPolicy(),
            weights=weights or {},
            ahead=ahead,
            seen=seen,
            clock=clock,
        )
        self._ledger = ledger
        self._line = WaitingLine()
        self._news = News(events, self._line)
        self._turns = Turns(self.terms, ledger, self._line, self._news)
        self._jointly = Jointly(self.terms, ledger, self._line, self._news)
        self._changing = Changing(self.terms, ledger, self._line, self._news)

    @property
    def waiting(self) -> int:
        """How many requests stand in the line."""
        return len(self._line)

    @property
    def quotas(self) -> Quotas:
        """What each principal may hold."""
        return self.terms.quotas

    async def allocate(
        self,
        request: AllocationRequest,
        principal: Principal,
        *,
        usual: Mapping[str, Sequence[float]] = MappingProxyType({}),
    ) -> Allocation:
        """Reserve, or say why not and what fits when.

        A request that finds others waiting for the same resources waits behind them, or is refused
        when it does not wait. Cancelled, it leaves nothing reserved; with a `request_id` a lease
        that was just granted stays for the retry.

        Args:
            request: What is asked.
            principal: Who asks.
            usual: What the same used in the past, by resource in the unit of its pool: how far a
                range may burst rests on it, as nobody saw this lease yet.

        Raises:
            ForbiddenError: The principal may only read.
            InvalidRequestError: An unknown resource or strategy, an amount that cannot be read, or
                a request id that was used for something else; nothing was reserved.
        """
        principal.require_writer("allocate")
        order = self.terms.read(request, principal, usual)
        return self._answer(order, await self._turns.take(order))

    async def allocate_batch(
        self,
        requests: Sequence[AllocationRequest],
        principal: Principal,
        *,
        values: Sequence[float | None],
    ) -> BatchOutcome:
        """Reserve for many requests so that what is granted is worth most; none of them waits.

        Args:
            requests: What is asked.
            principal: Who asks.
            values: What all of each is worth; None is 1, 2, 4 or 8 by its priority.

        Raises:
            ForbiddenError: The principal may only read.
            InvalidRequestError: Something cannot be read; nothing was reserved.
        """
        principal.require_writer("allocate_batch")
        orders = [self.terms.read(request, principal) for request in requests]
        turns, selection = await self._jointly.take(orders, values)
        answers = tuple(map(self._answer, orders, turns))
        return BatchOutcome(answers, selection.value, selection.is_proven)

    async def renew(
        self, allocation_id: str, principal: Principal, *, ttl_s: int | None = None
    ) -> Allocation:
        """Let a lease end `ttl_s` seconds from now; None is as long as before.

        Raises:
            ForbiddenError: The principal may only read.
            NotFoundError: This principal has no such lease.
            LeaseEndedError: It is over; nothing was changed.
        """
        principal.require_writer("renew_allocation")
        changed = await self._ledger.renew(allocation_id, principal.name, ttl_s)
        self._news.tell_ended(changed.moment)
        lease = _applied(changed, allocation_id, principal)
        self._news.tell(changed.moment.at, lease, "renewed")
        notices = ending_notices(changed.moment)
        if lease.yields_to is not None:
            notices.insert(0, ending_notice(lease, changed.moment.at))
        return lease_answer(lease, at=changed.moment.at, notices=notices)

    async def release(
        self,
        allocation_id: str,
        principal: Principal,
        *,
        used: Mapping[str, float | str] | None = None,
    ) -> Allocation:
        """Give a lease back. Budgets settle at what was used, else at what was reserved.

        Raises:
            ForbiddenError: The principal may only read.
            NotFoundError: This principal has no such lease.
            LeaseEndedError: It is over; nothing was changed.
            InvalidRequestError: `used` names what the lease does not hold, or is no amount.
        """
        principal.require_writer("release_allocation")
        spent = await self._read_used(allocation_id, principal, used) if used else {}
        changed = await self._ledger.release(allocation_id, principal.name, spent)
        self._news.tell_ended(changed.moment)
        lease = _applied(changed, allocation_id, principal)
        self._news.tell(changed.moment.at, lease, "released")
        self._news.call()
        return lease_answer(
            lease,
            at=changed.moment.at,
            notices=ending_notices(changed.moment),
            summary=released_summary(lease, self.pools, changed.overdrawn),
        )

    async def resize(self, name: str, resource: str, amount: float) -> Allocation:
        """Let a lease hold another amount of a resource: an operator's decision, carried out.

        Args:
            name: Its public name, see `public_name`.
            resource: What of it.
            amount: How much it holds from now on, in the pool's unit: at least one part and at most
                what was requested. It grows only into what is free.

        Returns:
            The lease as others see it.

        Raises:
            NotFoundError: No active lease has that name.
            LeaseRefusedError: It cannot hold that amount; nothing was changed.
        """
        return await self._changing.resize(name, resource, amount)

    async def moves(self, seen: Mapping[str, Mapping[str, int]]) -> tuple[Move, ...]:
        """What should change hands between the leases that are held.

        Args:
            seen: The most that each lease was seen to use, in whole parts, by lease and resource.
        """
        return await self._changing.moves(seen)

    async def move(self, move: Move) -> bool:
        """Let parts of a resource change hands, in one transaction; answers whether they did."""
        return await self._changing.move(move)

    async def held(self) -> tuple[Lease, ...]:
        """Every active lease as the ledger keeps it, for code that decides about all of them."""
        return await self._changing.held()

    async def spent(self, principal: Principal, resource: str, since: datetime) -> float:
        """What a principal's leases settled of a budget which ended since a moment."""
        parts = await self._ledger.spent(principal.name, resource, since)
        return from_parts(parts, self.pools[resource].unit)

    async def list(
        self, principal: Principal, *, whose: Literal["mine", "all"] = "mine", limit: int = 20
    ) -> AllocationList:
        """Leases that are held, newest first, and what is free."""
        holdings = await self._ledger.held(principal.name if whose == "mine" else None, limit=limit)
        self._news.tell_ended(holdings.moment)
        at = holdings.moment.at
        shown = (
            lease_answer(lease, at=at)
            if lease.principal == principal.name
            else answer_for_others(lease, at)
            for lease in holdings.leases
        )
        return AllocationList(
            allocations=tuple(shown),
            total=holdings.total,
            pools=self.terms.states(holdings.balances),
        )

    async def utilization(self) -> dict[str, PoolState]:
        """Every pool now, by resource."""
        holdings = await self._ledger.held(None, limit=0)
        self._news.tell_ended(holdings.moment)
        return self.terms.states(holdings.balances)

    async def refit(self, pools: Mapping[str, ResourcePool]) -> None:
        """Go by what there is now; leases stay as they are.

        A quota that is a share of a pool stays what it came to.

        Args:
            pools: The pools as they were found, by resource; the same ones as before.

        Raises:
            StorageError: The ledger cannot be written; everything is as it was.
        """
        await self._ledger.refit(pools)
        self.terms.forget_readings()
        self._news.call()

    async def audit(self) -> tuple[PoolAudit, ...]:
        """Every pool, added up from the log of grants and from the leases."""
        return await self._ledger.audit()

    async def audit_report(self) -> AuditReport:
        """The same for people and programs."""
        return audit_report(await self.audit(), self.terms.clock())

    async def expire(self) -> int:
        """End leases that are over now; answers how many."""
        moment = await self._ledger.sweep()
        self._news.tell_ended(moment)
        return len(moment.ended)

    async def run(self, until_any: Callable[[], Awaitable[object]] = checkpoint) -> None:
        """Keep the ledger until cancelled: end leases that are over, though nobody asks.

        Args:
            until_any: Returns as soon as there may be a lease; until then there is less to do.
        """
        while True:
            try:
                await self.expire()
            except StorageError as error:
                logger.warning("leases that are over could not be ended: %s", error)
            await anyio.sleep(WATCH_S)
            with anyio.move_on_after(IDLE_WATCH_S):
                await until_any()

    def _answer(self, order: Order, turn: Turn) -> Allocation:
        """What an order got, in words; a new lease is told of."""
        outcome = turn.outcome
        if isinstance(outcome, Admitted):
            if not outcome.replayed:
                self._news.tell(outcome.moment.at, outcome.lease, "active")
            return granted_answer(order.demands, outcome, yielded=turn.yielded)
        preemption = self.terms.preemption
        return refusal_answer(
            order.request,
            order.demands,
            self.terms.with_easings(order, outcome),
            ahead=turn.ahead,
            waited=turn.waited,
            grace_s=None if preemption.mode == "never" else preemption.grace_s,
        )

    async def _read_used(
        self, allocation_id: str, principal: Principal, used: Mapping[str, float | str]
    ) -> dict[str, int]:
        lease = await self._ledger.find(allocation_id)
        if lease is None or lease.principal != principal.name:
            raise _no_such(allocation_id, principal, None if lease is None else lease.principal)
        return read_used(used, lease)


def _applied(changed: Changed, allocation_id: str, principal: Principal) -> Lease:
    """The lease that was changed.

    Raises:
        NotFoundError: There is none of this principal.
        LeaseEndedError: It is over.
    """
    lease = changed.lease
    if lease is None:
        raise _no_such(allocation_id, principal, changed.holder)
    if not changed.applied:
        ended_at = lease.ended_at or lease.expires_at
        raise LeaseEndedError(allocation_id=allocation_id, state=lease.state, ended_at=ended_at)
    return lease


def _no_such(allocation_id: str, principal: Principal, holder: str | None) -> NotFoundError:
    """Who knows the id of a lease may know whose it is: it cannot be guessed."""
    hint = "list_allocations shows those that you hold"
    if holder is not None:
        hint = (
            f"it is held by {told_apart_by(holder)}, and you are {told_apart_by(principal.name)}; "
            "only its holder may renew or release it"
        )
    return NotFoundError(what="allocation", name=allocation_id, hint=f"{hint}. Nothing was changed")
