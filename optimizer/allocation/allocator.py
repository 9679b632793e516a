"""ResourceAllocator: reserves, renews, settles and releases, for one principal at a time."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import anyio
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field

from optimizer.allocation.admission import Admission, Freeing, Refusal
from optimizer.allocation.answers import (
    ending_notices,
    gave_way,
    grant_notices,
    granted_summary,
    kept_after_all,
    lease_answer,
    refusal_answer,
    released_summary,
    risk_notices,
)
from optimizer.allocation.audit import AuditReport, audit_report
from optimizer.allocation.batch import Bid, select
from optimizer.allocation.deferral import Deferral
from optimizer.allocation.demand import read_demands, read_used
from optimizer.allocation.fairness import dominant_share
from optimizer.allocation.headroom import Ahead, Pressure, easings, pressure
from optimizer.allocation.lease import (
    Allocation,
    AllocationRequest,
    Lease,
    PriorityLevel,
    new_allocation_id,
    public_name,
)
from optimizer.allocation.ledger import (
    Admitted,
    Changed,
    Declined,
    Draft,
    Ledger,
    Moment,
    PoolAudit,
)
from optimizer.allocation.line import Waiter, WaitingLine
from optimizer.allocation.order import (
    Order,
    Seen,
    Surroundings,
    decide,
    decide_as_planned,
    free_for,
    nothing_seen,
)
from optimizer.allocation.pool import (
    Balance,
    PoolState,
    ResourcePool,
    pool_state,
    room_parts,
)
from optimizer.allocation.preemption import PreemptionPolicy
from optimizer.allocation.quota import Quotas
from optimizer.allocation.reallocation import Move, propose
from optimizer.allocation.strategies import AllocationStrategy
from optimizer.clock import Clock, utc_now
from optimizer.errors import LeaseEndedError, LeaseRefusedError, NotFoundError, StorageError
from optimizer.events import EventBus, LeaseChanged
from optimizer.identity import Principal
from optimizer.plugins import Registry
from optimizer.quantities import format_amount, from_parts, to_parts

logger = logging.getLogger("sequential_resource_optimization.allocation")

RECHECK_S = 1.0
"""How often the first in the line looks for itself: other processes share the ledger, and demand
that no lease covers may fall."""

LOOK_AHEAD_S = 900.0
"""For how long what a lease grows by has to be free of foreseen demand: the usual length of one."""

MOST_LEASES = 10_000
"""Leases that a look at all of them reads."""

WATCH_S = 30.0
"""How often leases that are over are ended when nobody asks for anything."""


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
        strategies: Choose the share that is granted.
        events: Told of every lease that begins, changes or ends.
        unmanaged: Given what is leased, answers the measured demand that no lease covers; both by
            resource, in the unit of each pool. A resource that is missing counts as 0.
        quotas: What each principal may hold; no bounds when None.
        ahead: Answers the demand that no lease will cover, as far as it is foreseen, by resource.
        preemption: Whether leases of lower priority may have to give way.
        seen: Answers what a lease was seen to use of a resource, in the unit of its pool.
        weights: Share of a principal when several wait for the same; 1 of who is not named.
        clock: Says what time it is, for what is foreseen; the ledger has its own.

    Attributes:
        quotas: The same; they may be replaced at any time, and count from the next request on.
        deferral: Until when requests of low priority wait; None for not at all.
    """

    def __init__(
        self,
        *,
        pools: Mapping[str, ResourcePool],
        ledger: Ledger,
        strategies: Registry[AllocationStrategy],
        events: EventBus,
        unmanaged: Callable[[Mapping[str, float]], Mapping[str, float]],
        quotas: Quotas | None = None,
        ahead: Callable[[], Mapping[str, Ahead]] = dict,
        preemption: PreemptionPolicy | None = None,
        weights: Mapping[str, float] | None = None,
        seen: Seen = nothing_seen,
        clock: Clock = utc_now,
    ) -> None:
        self.pools = dict(pools)
        self.quotas = quotas or Quotas({}, {})
        self.deferral: Deferral | None = None
        self.strategies = strategies
        self._ledger = ledger
        self._events = events
        self._unmanaged = unmanaged
        self._ahead = ahead
        self._clock = clock
        self.preemption = preemption or PreemptionPolicy()
        self.weights = weights or {}
        self._seen = seen
        self._line = WaitingLine()
        self._waited_for: dict[str, Counter[str]] = defaultdict(Counter)

    @property
    def waiting(self) -> int:
        """How many requests stand in the line."""
        return len(self._line)

    async def allocate(self, request: AllocationRequest, principal: Principal) -> Allocation:
        """Reserve, or say why not and what fits when.

        A request that finds others waiting for the same resources waits behind them, or is refused
        when it does not wait. Cancelled, it leaves nothing reserved; with a `request_id` a lease
        that was just granted stays for the retry.

        Raises:
            ForbiddenError: The principal may only read.
            InvalidRequestError: An unknown resource or strategy, an amount that cannot be read, or
                a request id that was used for something else; nothing was reserved.
        """
        principal.require_writer("allocate")
        order = self._read(request, principal)
        arrived = _now()
        share = await self._share(order) if len(self._line) else 0.0
        place = self._line.ticket(order.limited, request.priority_level, now=arrived, share=share)
        outcome, ahead = await self._try(order, place, wait_s=request.wait_s)
        if isinstance(outcome, Admitted):
            return self._granted(order, outcome)
        if not request.wait_s or not order.is_possible or outcome.refusal.is_lasting:
            return self._refused(order, outcome, ahead)
        yielded = outcome.yielding
        try:
            if not len(self._line):
                share = await self._share(order)
                place = self._line.ticket(
                    order.limited, request.priority_level, now=arrived, share=share
                )
            until = arrived + request.wait_s
            outcome, ahead = await self._wait(order, place, outcome, until=until)
        finally:
            if isinstance(outcome, Declined) and (yielded or outcome.yielding):
                with anyio.CancelScope(shield=True):
                    await self._ledger.withdraw(order.draft.allocation_id)
        if isinstance(outcome, Admitted):
            return self._granted(order, outcome, yielded)
        waited = timedelta(seconds=_now() - arrived)
        return self._refused(order, outcome, ahead, waited=waited)

    async def allocate_batch(
        self,
        requests: Sequence[AllocationRequest],
        principal: Principal,
        *,
        values: Sequence[float | None],
    ) -> BatchOutcome:
        """Reserve for many requests so that what is granted is worth most; none of them waits.

        The choice is made outside the transaction and checked inside it: what no longer fits then
        is refused.

        Args:
            requests: What is asked.
            principal: Who asks.
            values: What all of each is worth; None is 1, 2, 4 or 8 by its priority.

        Raises:
            ForbiddenError: The principal may only read.
            InvalidRequestError: Something cannot be read; nothing was reserved.
        """
        principal.require_writer("allocate_batch")
        orders = [self._read(request, principal) for request in requests]
        everything = replace(
            orders[0], demands={n: d for o in orders for n, d in o.demands.items()}
        )
        place = self._line.ticket(everything.limited, "low", now=_now())
        ahead = self._line.ahead_of(place)
        put_off = [self._put_off(request.priority_level) for request in requests]
        room = await self._free_for(everything)
        bids = [
            Bid(
                {name: demand.parts for name, demand in order.demands.items()},
                value or WORTH[order.request.priority_level],
                order.request.min_fraction,
                order.request.strategy == "cost_priority",
            )
            for order, value in zip(orders, values, strict=True)
        ]
        chosen = [i for i in range(len(bids)) if not ahead and put_off[i] is None]
        selection = await to_thread.run_sync(select, [bids[i] for i in chosen], room)
        plan = dict(zip(chosen, selection.granted, strict=True))

        async def take(index: int) -> Allocation:
            order, given = orders[index], plan.get(index)

            def settle(balances: Mapping[str, Balance]) -> Admission | Refusal:
                unmanaged = self._beyond_leases(balances)
                pressures = self._pressures(order)
                around = Surroundings(unmanaged, pressures, ahead, put_off[index])
                return decide_as_planned(order, balances, around, given)

            outcome = await self._ledger.admit(order.draft, settle)
            self._tell_ended(outcome.moment)
            if isinstance(outcome, Admitted):
                return self._granted(order, outcome)
            return self._refused(order, outcome, ahead)

        answers = await asyncio.gather(*(take(index) for index in range(len(orders))))
        return BatchOutcome(tuple(answers), selection.value, selection.is_proven)

    async def _free_for(self, order: Order) -> dict[str, int | None]:
        """What is free of each pool of an order now."""
        holdings = await self._ledger.held(order.draft.principal, limit=MOST_LEASES)
        own: Counter[str] = Counter()
        for lease in holdings.leases if order.quota else ():
            own.update({grant.resource: grant.granted for grant in lease.grants})
        balances = {
            name: replace(balance, own=own[name]) for name, balance in holdings.balances.items()
        }
        unmanaged = self._beyond_leases(balances)
        return free_for(order, balances, Surroundings(unmanaged, self._pressures(order)))

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
        self._tell_ended(changed.moment)
        lease = _applied(changed, allocation_id)
        self._tell(changed.moment.at, lease.allocation_id, "renewed")
        return lease_answer(lease, at=changed.moment.at, notices=ending_notices(changed.moment))

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
        self._tell_ended(changed.moment)
        lease = _applied(changed, allocation_id)
        self._tell(changed.moment.at, lease.allocation_id, "released")
        self._line.call()
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
        lease = await self._named(name)
        pool, parts = self.pools[resource], to_parts(amount, self.pools[resource].unit)

        def room(balances: Mapping[str, Balance]) -> int | None:
            unmanaged = self._beyond_leases(balances)
            return room_parts(pool, balances[resource], unmanaged.get(resource, 0.0))

        changed = await self._ledger.resize(lease.allocation_id, resource, parts, room)
        self._tell_ended(changed.moment)
        answer = _of_somebody_else(changed.lease or lease, changed.moment.at)
        if not changed.applied:
            raise LeaseRefusedError(
                f"{name} cannot hold {format_amount(amount, pool.unit)} of {resource}: it is over, "
                "never asked for so much, or so much is not free. Nothing was changed",
                allocation=answer,
            )
        self._tell(changed.moment.at, lease.allocation_id, "resized")
        self._line.call()
        return answer

    async def moves(self, seen: Mapping[str, Mapping[str, int]]) -> tuple[Move, ...]:
        """What should change hands between the leases that are held.

        Args:
            seen: The most that each lease was seen to use, in whole parts, by lease and resource.
        """
        holdings = await self._ledger.held(None, limit=MOST_LEASES)
        self._tell_ended(holdings.moment)
        unmanaged = self._beyond_leases(holdings.balances)
        foreseen, now = self._ahead(), holdings.moment.at
        room = {}
        for name, pool in self.pools.items():
            peak = pressure(foreseen[name], now, LOOK_AHEAD_S) if name in foreseen else None
            kept = max(unmanaged.get(name, 0.0), 0.0 if peak is None else peak.amount)
            room[name] = room_parts(pool, holdings.balances[name], kept)
        return propose(
            holdings.leases,
            room if not len(self._line) else dict.fromkeys(room, 0),
            kinds={name: pool.kind for name, pool in self.pools.items()},
            capacity=self._capacity(),
            seen=seen,
            weights=self.weights,
        )

    async def move(self, move: Move) -> bool:
        """Let parts of a resource change hands, in one transaction; answers whether they did."""
        pool, name = self.pools[move.resource], move.resource

        def room(balances: Mapping[str, Balance]) -> int | None:
            unmanaged = self._beyond_leases(balances)
            return room_parts(pool, balances[name], unmanaged.get(name, 0.0))

        return await self._ledger.move(
            None if move.loses is None else move.loses.allocation_id,
            move.gains.allocation_id,
            name,
            move.parts,
            room,
        )

    async def held(self) -> tuple[Lease, ...]:
        """Every active lease as the ledger keeps it, for code that decides about all of them."""
        holdings = await self._ledger.held(None, limit=MOST_LEASES)
        self._tell_ended(holdings.moment)
        return holdings.leases

    async def _named(self, name: str) -> Lease:
        for lease in await self.held():
            if public_name(lease.allocation_id) == name:
                return lease
        raise NotFoundError(what="active lease", name=name, hint="it may be over by now")

    async def list(
        self, principal: Principal, *, whose: Literal["mine", "all"] = "mine", limit: int = 20
    ) -> AllocationList:
        """Leases that are held, newest first, and what is free."""
        holdings = await self._ledger.held(principal.name if whose == "mine" else None, limit=limit)
        self._tell_ended(holdings.moment)
        at = holdings.moment.at
        shown = (
            lease_answer(lease, at=at)
            if lease.principal == principal.name
            else _of_somebody_else(lease, at)
            for lease in holdings.leases
        )
        return AllocationList(
            allocations=tuple(shown),
            total=holdings.total,
            pools=self._states(holdings.balances),
        )

    async def utilization(self) -> dict[str, PoolState]:
        """Every pool now, by resource."""
        holdings = await self._ledger.held(None, limit=0)
        self._tell_ended(holdings.moment)
        return self._states(holdings.balances)

    async def audit(self) -> tuple[PoolAudit, ...]:
        """Every pool, added up from the log of grants and from the leases."""
        return await self._ledger.audit()

    async def audit_report(self) -> AuditReport:
        """The same for people and programs."""
        return audit_report(await self.audit(), self._clock())

    async def expire(self) -> int:
        """End leases that are over now; answers how many."""
        moment = await self._ledger.sweep()
        self._tell_ended(moment)
        return len(moment.ended)

    async def run(self) -> None:
        """Keep the ledger until cancelled: end leases that are over, though nobody asks."""
        while True:
            try:
                await self.expire()
            except StorageError as error:
                logger.warning("leases that are over could not be ended: %s", error)
            await anyio.sleep(WATCH_S)

    def _put_off(self, priority: PriorityLevel) -> datetime | None:
        return None if self.deferral is None else self.deferral.puts_off(priority)

    def _read(self, request: AllocationRequest, principal: Principal) -> Order:
        strategy = self.strategies[request.strategy]
        demands = read_demands(request, self.pools)
        quota = self.quotas.of(principal.name)
        draft = Draft(
            allocation_id=new_allocation_id(),
            principal=principal.name,
            request_id=request.request_id,
            fingerprint=request.fingerprint,
            purpose=request.purpose,
            priority_level=request.priority_level,
            strategy=request.strategy,
            ttl_s=request.ttl_s,
            asked=tuple(demand.grant for demand in demands.values()),
            has_quota=not demands.keys().isdisjoint(quota),
            min_fraction=request.min_fraction,
        )
        return Order(request, draft, demands, strategy, quota)

    async def _try(
        self, order: Order, place: Waiter, *, wait_s: float = 0.0
    ) -> tuple[Admitted | Declined, int]:
        """One transaction; refused at once while others stand before this place.

        Args:
            order: What is asked.
            place: Its place in the line.
            wait_s: How long it goes on waiting after a refusal.

        Returns:
            The ledger's answer, and how many stand before.
        """
        ahead = self._line.ahead_of(place)
        put_off = self._put_off(order.request.priority_level)
        grace_s = self.preemption.grace(
            allowed=order.request.allow_preemption,
            priority=order.request.priority_level,
            wait_s=wait_s,
        )

        def settle(balances: Mapping[str, Balance]) -> Admission | Refusal:
            unmanaged = self._beyond_leases(balances)
            pressures = self._pressures(order)
            around = Surroundings(unmanaged, pressures, ahead, put_off, self._seen)
            return decide(order, balances, around)

        try:
            outcome = await self._ledger.admit(order.draft, settle, grace_s=grace_s)
        except asyncio.CancelledError:
            await self._give_back_unheard(order)
            raise
        self._tell_ended(outcome.moment)
        return outcome, ahead

    async def _share(self, order: Order) -> float:
        """Dominant share of who asks, by its weight, with what it waits for already."""
        name = order.draft.principal
        holdings = await self._ledger.held(name, limit=MOST_LEASES)
        parts: Counter[str] = Counter(self._waited_for[name])
        for lease in holdings.leases:
            parts.update({grant.resource: grant.granted for grant in lease.grants})
        return dominant_share(parts, self._capacity()) / self.weights.get(name, 1.0)

    def _capacity(self) -> dict[str, float]:
        """Whole parts that may be leased, of the pools that have a limit."""
        return {
            pool.name: float(pool.leasable_parts)
            for pool in self.pools.values()
            if pool.leasable_parts is not None
        }

    async def _give_back_unheard(self, order: Order) -> None:
        """Hold no lease that nobody will hear of; with a request id, a retry will."""
        if order.draft.request_id is None:
            nothing = dict.fromkeys(order.demands, 0)
            with anyio.CancelScope(shield=True):
                await self._ledger.release(
                    order.draft.allocation_id, order.draft.principal, nothing
                )
            self._line.call()

    async def _wait(
        self, order: Order, place: Waiter, declined: Declined, *, until: float
    ) -> tuple[Admitted | Declined, int]:
        """Stand in the line, and try whenever nobody stands before."""
        outcome: Admitted | Declined = declined
        waited_for = self._waited_for[order.draft.principal]
        asked = {name: demand.parts for name, demand in order.demands.items()}
        waited_for.update(asked)
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
            waited_for.subtract(asked)
            self._line.leave(place)

    def _granted(
        self, order: Order, admitted: Admitted, yielded: tuple[Lease, ...] = ()
    ) -> Allocation:
        lease, moment = admitted.lease, admitted.moment
        notices = grant_notices(lease, self.pools) + ending_notices(moment)
        if admitted.replayed:
            notices.insert(0, "this request_id was answered before; this is the same lease.")
            return lease_answer(lease, at=moment.at, notices=notices)
        self._tell(moment.at, lease.allocation_id, "active")
        answer = lease_answer(
            lease,
            at=moment.at,
            notices=notices,
            summary=granted_summary(lease, order.demands),
        )
        gone = [gave_way(each, moment.at) for each in admitted.preempted or yielded]
        if not gone and not admitted.risks:
            return answer
        said = (*answer.notices, *risk_notices(lease, admitted.risks))
        further = {"preempted": tuple(gone), "burst_risk": dict(admitted.risks), "notices": said}
        return answer.model_copy(update=further)

    def _refused(
        self,
        order: Order,
        declined: Declined,
        ahead: int,
        *,
        waited: timedelta | None = None,
    ) -> Allocation:
        eased = tuple(self._easings(order, declined))
        declined = replace(declined, freeings=declined.freeings + eased)
        answer = refusal_answer(
            order.request,
            order.demands,
            declined,
            ahead=ahead,
            waited=waited,
            grace_s=None if self.preemption.mode == "never" else self.preemption.grace_s,
        )
        kept = [kept_after_all(each) for each in declined.yielding]
        return answer.model_copy(update={"preempted": tuple(kept)}) if kept else answer

    async def _read_used(
        self, allocation_id: str, principal: Principal, used: Mapping[str, float | str]
    ) -> dict[str, int]:
        lease = await self._ledger.find(allocation_id, principal.name)
        if lease is None:
            raise _no_such(allocation_id)
        return read_used(used, lease)

    def _states(self, balances: Mapping[str, Balance]) -> dict[str, PoolState]:
        unmanaged = self._beyond_leases(balances)
        return {
            name: pool_state(pool, balances[name], unmanaged.get(name, 0.0))
            for name, pool in self.pools.items()
        }

    def _beyond_leases(self, balances: Mapping[str, Balance]) -> Mapping[str, float]:
        """Measured demand that no lease covers, by resource."""
        return self._unmanaged(
            {
                name: from_parts(balance.leased, self.pools[name].unit)
                for name, balance in balances.items()
                if name in self.pools
            }
        )

    def _pressures(self, order: Order) -> dict[str, Pressure]:
        """The demand that is foreseen while the lease would last, beyond every lease."""
        foreseen, now = self._ahead(), self._clock()
        found = (
            (name, pressure(foreseen[name], now, order.request.ttl_s))
            for name in order.demands
            if name in foreseen
        )
        return {name: one for name, one in found if one is not None}

    def _easings(self, order: Order, declined: Declined) -> Iterator[Freeing]:
        foreseen, now = self._ahead(), declined.moment.at
        if declined.refusal.is_lasting:
            return
        for name, asked in order.demands.items():
            if name in foreseen:
                yield from easings(
                    name, asked.pool.unit, foreseen[name], now, order.request.ttl_s, 0.0
                )

    def _tell_ended(self, moment: Moment) -> None:
        for allocation_id, state in moment.ended:
            self._tell(moment.at, allocation_id, state)
        if moment.ended:
            self._line.call()

    def _tell(self, at: datetime, allocation_id: str, state: str) -> None:
        self._events.publish(LeaseChanged(at, allocation_id, state))


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


def _applied(changed: Changed, allocation_id: str) -> Lease:
    """The lease that was changed.

    Raises:
        NotFoundError: There is none of this principal.
        LeaseEndedError: It is over.
    """
    lease = changed.lease
    if lease is None:
        raise _no_such(allocation_id)
    if not changed.applied:
        ended_at = lease.ended_at or lease.expires_at
        raise LeaseEndedError(allocation_id=allocation_id, state=lease.state, ended_at=ended_at)
    return lease


def _no_such(allocation_id: str) -> NotFoundError:
    hint = "list_allocations shows those that you hold. Nothing was changed"
    return NotFoundError(what="allocation", name=allocation_id, hint=hint)


def _of_somebody_else(lease: Lease, at: datetime) -> Allocation:
    """A lease without what only its holder may know."""
    return lease_answer(lease, at=at, followed_by="held by somebody else").model_copy(
        update={
            "allocation_id": None,
            "fencing_token": None,
            "principal": None,
            "purpose": "",
        }
    )
