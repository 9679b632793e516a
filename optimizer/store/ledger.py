"""The keeper of leases: one transaction per change, so that nothing is ever granted twice."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
from sqlalchemy import Connection, select

from optimizer.allocation.admission import Admission, Freeing, Refusal, least_parts
from optimizer.allocation.lease import PRIORITIES, Grant, Lease
from optimizer.allocation.ledger import (
    Admitted,
    Changed,
    Decide,
    Declined,
    Draft,
    Holdings,
    Moment,
    PoolAudit,
    Room,
)
from optimizer.allocation.pool import Balance, ResourcePool
from optimizer.allocation.preemption import choose_victims
from optimizer.allocation.slots import choose_slots
from optimizer.clock import Clock
from optimizer.errors import InvalidRequestError, StorageError
from optimizer.quantities import PARTS
from optimizer.store.engine import Database
from optimizer.store.ledger_audit import audit
from optimizer.store.ledger_books import Books, PoolKey
from optimizer.store.ledger_leases import (
    BY_ID,
    HOW_MANY,
    NEWEST,
    OWN,
    SETTLED,
    load_leases,
    settle_grant,
    update_lease,
    withdraw,
)
from optimizer.store.ledger_opening import (
    forgive_downtime,
    note_watch,
    shorten,
    write_pools,
    write_slots,
)
from optimizer.store.ledger_retention import forget
from optimizer.store.ledger_tables import leases, pools
from optimizer.store.store_clock import now_of
from optimizer.store.unstoppable import finish

KEEP = timedelta(days=7)
"""For how long leases that are over, and the log of them, are kept."""

FORGET_EVERY = timedelta(minutes=10)

ResultT = TypeVar("ResultT")


async def _nothing_runs() -> Set[str]:
    return frozenset()


@dataclass(eq=False)
class _Waiting(Generic[ResultT]):
    """A change that waits for its turn."""

    change: Callable[[Books], ResultT]
    asker: str
    durable: bool
    done: "asyncio.Future[None]"
    result: list[ResultT] = field(default_factory=list)
    error: Exception | None = None
    is_over: bool = False

    def end(self) -> None:
        """Wake who waits for it."""
        self.is_over = True
        if not self.done.done():
            self.done.set_result(None)

    async def ended(self) -> None:
        """Wait for the end, cancelled or not; a future of one's own is cheaper than a shield.

        Raises:
            asyncio.CancelledError: The caller was cancelled meanwhile; the change is made or not.
        """
        try:
            await self.done
        except asyncio.CancelledError:
            if not self.is_over:
                self.done = asyncio.get_running_loop().create_future()
                await finish(self.done)
            raise

    def run(self, books: Books) -> None:
        """Run it; if it fails before it has changed anything, the others go on."""
        before, self.error = books.changes, None
        try:
            self.result = [self.change(books)]
        except Exception as error:
            if books.changes != before:
                raise
            self.error = error

    def outcome(self) -> ResultT:
        if self.error is not None:
            raise self.error
        return self.result[0]


class LedgerKeeper:
    """Leases in the store; fits `optimizer.allocation.ledger.Ledger`.

    Time is read inside the transaction, after every change that came before it. The first use
    writes the pools, and lengthens leases by the time for which nobody kept the ledger. Changes
    that wait at the same time share a transaction, in the order in which they came.

    Args:
        database: The store.
        pools: The pools by resource.
        clock: The ledger's time; see `now_of`.
        keep: For how long leases that are over are kept.
        alive: Answers ids of leases whose processes run: time without a keeper ends none of them.
    """

    def __init__(
        self,
        database: Database,
        pools: Mapping[str, ResourcePool],
        *,
        clock: Clock,
        keep: timedelta = KEEP,
        alive: Callable[[], Awaitable[Set[str]]] = _nothing_runs,
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep
        self._forgot_at: datetime | None = None
        self._alive = alive
        self._opening = anyio.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._waiting: list[_Waiting[Any]] = []
        self._is_open = False
        self._pools = {(pool.host, pool.name): pool for pool in pools.values()}
        self._windows = {
            key: pool.window for key, pool in self._pools.items() if pool.window is not None
        }

    async def admit(
        self, draft: Draft, decide: Decide, *, grace_s: float | None = None
    ) -> Admitted | Declined:
        """Grant what `decide` admits; see `Ledger`."""

        def change(books: Books) -> Admitted | Declined:
            earlier = _earlier(books, draft)
            if earlier is not None:
                moment = _moment(books, draft.principal, but=earlier.allocation_id)
                return Admitted(earlier, replayed=True, moment=moment)
            decision = decide(self._balances_for(books, draft))
            yielding: tuple[Lease, ...] = ()
            if not isinstance(decision, Admission) and grace_s is not None:
                yielding = self._make_room(books, draft, decision, grace_s)
                if yielding and grace_s == 0:
                    books.pass_time()
                    decision = decide(self._balances_for(books, draft))
            moment = _moment(books, draft.principal)
            if isinstance(decision, Admission):
                lease = _lease(books, draft, decision)
                books.grant(lease)
                return Admitted(lease, False, moment, yielding, decision.risks)
            freeings = () if decision.is_lasting else self._freeings(books, decision.missing)
            return Declined(decision, freeings, moment, yielding)

        return await self._change(change, asker=draft.principal)

    async def withdraw(self, allocation_id: str) -> None:
        """Take back notices to give way to a request; see `Ledger`."""
        await self._change(lambda books: withdraw(books.connection, allocation_id))

    async def renew(self, allocation_id: str, principal: str, ttl_s: int | None) -> Changed:
        """Let an active lease end later; see `Ledger`."""

        def change(books: Books) -> Changed:
            lease = _own(books.connection, allocation_id, principal)
            moment = _moment(books, principal, but=allocation_id)
            if lease is None or lease.state != "active":
                return Changed(lease, applied=False, overdrawn={}, moment=moment)
            length = ttl_s or lease.ttl_s
            end = books.at + timedelta(seconds=length)
            if lease.yields_to is None:
                lease = replace(lease, ttl_s=length, expires_at=end)
            else:
                sooner = min(end, lease.expires_at)
                lease = replace(lease, ttl_s=length, expires_at=sooner, would_expire_at=end)
            update_lease(books.connection, lease)
            return Changed(lease, applied=True, overdrawn={}, moment=moment)

        return await self._change(change, asker=principal)

    async def release(self, allocation_id: str, principal: str, used: Mapping[str, int]) -> Changed:
        """End an active lease; see `Ledger`."""

        def change(books: Books) -> Changed:
            lease = _own(books.connection, allocation_id, principal)
            moment = _moment(books, principal, but=allocation_id)
            if lease is None or lease.state != "active":
                return Changed(lease, applied=False, overdrawn={}, moment=moment)
            lease, overdrawn = _end(books, lease, used)
            return Changed(lease, applied=True, overdrawn=overdrawn, moment=moment)

        return await self._change(change, asker=principal)

    async def resize(self, allocation_id: str, resource: str, parts: int, room: Room) -> Changed:
        """Let an active lease hold another amount of a resource; see `Ledger`."""

        def change(books: Books) -> Changed:
            found = load_leases(books.connection, BY_ID, {"allocation_id": allocation_id})
            lease = found[0] if found else None
            moment = _moment(books, "", but=allocation_id)
            grant = None if lease is None else _resizable(lease, resource, parts)
            if lease is None or grant is None:
                return Changed(lease, applied=False, overdrawn={}, moment=moment)
            free = room(self._balances(books))
            if free is not None and parts - grant.granted > max(0, free):
                return Changed(lease, applied=False, overdrawn={}, moment=moment)
            at: Mapping[int, int] = {}
            if grant.slots:
                key = (grant.host, grant.resource)
                unheld = _with(books.free_slots(key), grant.slots)
                size = PARTS[self._pools[key].unit]
                found_slots = choose_slots(unheld, parts, size=size)
                if found_slots is None:
                    return Changed(lease, applied=False, overdrawn={}, moment=moment)
                at = found_slots
            lease = books.resize(lease, grant, parts, at)
            return Changed(lease, applied=True, overdrawn={}, moment=moment)

        return await self._change(change)

    async def move(
        self, loses: str | None, gains: str, resource: str, parts: int, room: Room
    ) -> bool:
        """Let parts of a resource change hands between two leases; see `Ledger`."""

        def change(books: Books) -> bool:
            sides = []
            for name, more in ((loses, -parts), (gains, parts)):
                if name is None:
                    continue
                found = load_leases(books.connection, BY_ID, {"allocation_id": name})
                held = next(
                    (g for one in found for g in one.grants if g.resource == resource), None
                )
                if held is None or held.slots or found[0].yields_to is not None:
                    return False
                if _resizable(found[0], resource, held.granted + more) is None:
                    return False
                sides.append((found[0], held, held.granted + more))
            free = room(self._balances(books)) if loses is None else None
            if free is not None and parts > free:
                return False
            for lease, held, now in sides:
                books.resize(lease, held, now, {})
            return True

        return await self._change(change)

    async def find(self, allocation_id: str, principal: str) -> Lease | None:
        """A lease of this principal; see `Ledger`."""
        await self._open()
        return await self._database.read(
            lambda connection: _own(connection, allocation_id, principal)
        )

    async def spent(self, principal: str, resource: str, since: datetime) -> int:
        """What was settled of a budget; see `Ledger`."""
        await self._open()
        of_whom = {"principal": principal, "of_resource": resource, "since": since}
        return await self._database.read(
            lambda connection: int(connection.scalar(SETTLED, of_whom) or 0)
        )

    async def held(self, principal: str | None, *, limit: int) -> Holdings:
        """Active leases, newest first; see `Ledger`."""
        await self._open()
        ended: tuple[Lease, ...] = ()
        if await self._database.read(self._is_due):
            ended = (await self.sweep()).ended
        return await self._database.read(
            lambda connection: self._held(connection, principal, limit, ended)
        )

    async def sweep(self) -> Moment:
        """End what is over, and note that the ledger is being kept; see `Ledger`.

        Now and then it also forgets what ended long ago.
        """

        def change(books: Books) -> Moment:
            shorten(books.connection, books.at)
            note_watch(books.connection, books.at)
            if self._forgot_at is None or books.at - self._forgot_at >= FORGET_EVERY:
                self._forgot_at = books.at
                forget(books.connection, before=books.at - self._keep, now=books.at)
            return _moment(books, "")

        return await self._change(change, durable=False)

    async def audit(self) -> tuple[PoolAudit, ...]:
        """Add up every pool in three ways; see `Ledger`."""
        await self._open()
        return await self._database.read(audit)

    async def _change(
        self, change: Callable[[Books], ResultT], *, asker: str = "", durable: bool = True
    ) -> ResultT:
        """Run a change; those that wait for the same turn share one transaction.

        What has been handed in is done, even when the caller is cancelled meanwhile.
        """
        if not self._is_open:
            await self._open()
        waiting = _Waiting(change, asker, durable, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="ledger writer")
        await waiting.ended()
        return waiting.outcome()

    async def _write_all(self) -> None:
        """Write until nothing waits."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._write(batch)
            except BaseException as error:
                for waiting in batch:
                    waiting.error = StorageError(f"the writer was stopped ({error!r})")
                raise
            finally:
                for waiting in batch:
                    waiting.end()

    async def _write(self, batch: Sequence[_Waiting[Any]]) -> None:
        durable = any(waiting.durable for waiting in batch)
        askers = list({waiting.asker for waiting in batch})

        def run(connection: Connection) -> None:
            books = Books(
                connection, partial(now_of, connection, self._clock), self._windows, askers
            )
            books.pass_time()
            for waiting in batch:
                waiting.run(books)
            books.save()

        try:
            await self._database.write(run, durable=durable)
        except Exception as error:
            for waiting in batch:
                waiting.error = error

    async def _open(self) -> None:
        async with self._opening:
            if not self._is_open:
                alive = await self._alive()
                await self._database.write(lambda connection: self._begin(connection, alive))
                self._is_open = True

    def _begin(self, connection: Connection, alive: Set[str]) -> None:
        now = now_of(connection, self._clock)
        write_pools(connection, self._pools, now)
        write_slots(connection, self._pools)
        forgive_downtime(connection, now, alive)
        note_watch(connection, now)

    def _balances_for(self, books: Books, draft: Draft) -> dict[str, Balance]:
        """Balances of the pools that a request touches, with what it needs to be decided."""
        own = books.owned_by(draft.principal) if draft.has_quota else {}
        found = {}
        for asked in draft.asked:
            key = (asked.host, asked.resource)
            account = books.accounts[key]
            found[asked.resource] = Balance(
                account.leased,
                account.spent,
                account.overdrawn,
                account.resets_at,
                own.get(key, 0),
                books.free_slots(key) if self._pools[key].slots else {},
                () if asked.burst is None else books.holders(key),
            )
        return found

    def _make_room(
        self, books: Books, draft: Draft, refusal: Refusal, grace_s: float
    ) -> tuple[Lease, ...]:
        """Let leases of lower priority give way to a request.

        Returns:
            Those that have notice for this request, from now or before; empty when all that might
            give way would not make the room.
        """
        known = books.yielding(draft.allocation_id)
        if known or refusal.is_lasting or refusal.is_scattered:
            return tuple(known)
        least = {
            grant.resource: grant.requested - least_parts(grant.requested, draft.min_fraction)
            for grant in draft.asked
        }
        missing = {
            name: parts - least[name]
            for name, parts in refusal.missing.items()
            if books.accounts[self._key(draft, name)].kind != "budget"
        }
        if len(missing) < len(refusal.missing):
            return ()
        lower = PRIORITIES[: PRIORITIES.index(draft.priority_level)]
        victims = choose_victims(
            books.below(lower),
            missing,
            priority=draft.priority_level,
            capacity={pool.name: pool.capacity_parts for pool in self._pools.values()},
            at=books.at,
        )
        until = books.at + timedelta(seconds=grace_s)
        return tuple(
            books.give_way(lease, draft.allocation_id, draft.priority_level, until)
            for lease in victims
        )

    def _key(self, draft: Draft, resource: str) -> PoolKey:
        return next((g.host, g.resource) for g in draft.asked if g.resource == resource)

    def _balances(self, books: Books) -> dict[str, Balance]:
        return {pool.name: books.accounts[key].balance for key, pool in self._pools.items()}

    def _freeings(self, books: Books, missing: Mapping[str, int]) -> tuple[Freeing, ...]:
        """What becomes free at resets and at the end of leases, until nothing is missing."""
        freeings, left = [], dict(missing)
        for name, balance in self._balances(books).items():
            if balance.resets_at is not None and name in left:
                parts = balance.spent + balance.overdrawn
                freeings.append(Freeing(balance.resets_at, {name: parts}))
                left[name] -= parts
        ends = books.ends(tuple(sorted(missing)))
        while any(parts > 0 for parts in left.values()) and (row := next(ends, None)):
            pool = self._pools.get((row.host, row.resource))
            at = None if pool is None else _freed_at(pool, row.expires_at)
            if at is not None:
                freeings.append(Freeing(at, {row.resource: row.granted}))
                left[row.resource] -= row.granted
        return tuple(freeings)

    def _is_due(self, connection: Connection) -> bool:
        now = now_of(connection, self._clock)
        due = select(leases.c.fencing_token).where(
            leases.c.state == "active", leases.c.expires_at <= now
        )
        refill = select(pools.c.host).where(pools.c.resets_at <= now)
        return any(connection.execute(query.limit(1)).first() for query in (due, refill))

    def _held(
        self,
        connection: Connection,
        principal: str | None,
        limit: int,
        ended: tuple[Lease, ...],
    ) -> Holdings:
        of_whom = {"everybody": principal is None, "principal": principal or ""}
        found = load_leases(connection, NEWEST, {**of_whom, "most": limit})
        balances = {
            row.resource: Balance(row.leased, row.spent, row.overdrawn, row.resets_at)
            for row in connection.execute(select(pools))
            if (row.host, row.resource) in self._pools
        }
        return Holdings(
            leases=tuple(reversed(found)),
            total=connection.scalar(HOW_MANY, of_whom) or 0,
            balances=balances,
            moment=Moment(now_of(connection, self._clock), ended),
        )


def _moment(books: Books, asker: str, but: str = "") -> Moment:
    """The time, what ended (told once), and what of the asker ends soon besides one lease."""
    ended, books.ended = books.ended, ()
    ending = [
        lease for lease in books.ending if lease.principal == asker and lease.allocation_id != but
    ]
    return Moment(books.at, ended, tuple(ending))


def _lease(books: Books, draft: Draft, decision: Admission) -> Lease:
    """The lease that was decided on."""
    return Lease(
        allocation_id=draft.allocation_id,
        fencing_token=books.next_token(),
        principal=draft.principal,
        request_id=draft.request_id,
        fingerprint=draft.fingerprint,
        purpose=draft.purpose,
        priority_level=draft.priority_level,
        strategy=draft.strategy,
        strategy_effect=decision.effect,
        ttl_s=draft.ttl_s,
        state="active",
        granted_at=books.at,
        expires_at=books.at + timedelta(seconds=draft.ttl_s),
        ended_at=None,
        grants=tuple(
            Grant(
                grant.resource,
                grant.host,
                grant.unit,
                grant.requested,
                decision.granted[grant.resource],
                decision.bursts.get(grant.resource, grant.burst),
                slots=decision.slots.get(grant.resource, {}),
            )
            for grant in draft.asked
        ),
        min_fraction=draft.min_fraction,
    )


def _end(books: Books, lease: Lease, used: Mapping[str, int]) -> tuple[Lease, dict[str, int]]:
    """Give back what a lease holds.

    Returns:
        The lease as it ended, and what was used beyond what the pools had left.
    """
    token, overdrawn, lines = lease.fencing_token, {}, []
    for grant in lease.grants:
        spent = used.get(grant.resource)
        beyond = books.give_back(grant, token, "released", spent)
        if beyond:
            overdrawn[grant.resource] = beyond
        lines.append(replace(grant, used=spent))
        if spent is not None:
            settle_grant(books.connection, lines[-1], token)
    ended = replace(lease, state="released", ended_at=books.at, grants=tuple(lines))
    update_lease(books.connection, ended)
    return ended, overdrawn


def _resizable(lease: Lease, resource: str, parts: int) -> Grant | None:
    """The grant to resize; None where the lease is over or the amount is beyond its request."""
    if lease.state != "active":
        return None
    return next(
        (g for g in lease.grants if g.resource == resource and 1 <= parts <= g.requested), None
    )


def _with(free: Mapping[int, int], more: Mapping[int, int]) -> dict[int, int]:
    return {slot: parts + more.get(slot, 0) for slot, parts in free.items()}


def _own(connection: Connection, allocation_id: str, principal: str) -> Lease | None:
    named = {"allocation_id": allocation_id, "principal": principal}
    found = load_leases(connection, OWN, named)
    return found[0] if found else None


def _earlier(books: Books, draft: Draft) -> Lease | None:
    """The lease that this principal's key already got.

    Raises:
        InvalidRequestError: The key was used for something else.
    """
    if draft.request_id is None:
        return None
    found = books.granted_for(draft.principal, draft.request_id)
    if found is not None and found.fingerprint != draft.fingerprint:
        raise InvalidRequestError(
            f"request_id {draft.request_id!r} was used for another request (lease "
            f"{found.allocation_id}, {found.state}); send a new request_id, or the same "
            "request again. Nothing was reserved",
            field="request_id",
        )
    return found


def _freed_at(pool: ResourcePool, expires_at: datetime) -> datetime | None:
    """When what a lease holds can be leased again if it just ends: budgets wait for a reset."""
    if pool.kind != "budget":
        return expires_at
    return None if pool.window is None else pool.window.next_reset(expires_at)
