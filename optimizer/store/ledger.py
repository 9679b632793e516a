"""The keeper of leases: one transaction per change, so that nothing is ever granted twice."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import anyio
from sqlalchemy import Connection, func, insert, select, update

from optimizer.allocation.admission import Admission, Freeing, Refusal
from optimizer.allocation.lease import Grant, Lease
from optimizer.allocation.ledger import (
    Admitted,
    Changed,
    Decide,
    Declined,
    Draft,
    Holdings,
    Moment,
    PoolAudit,
)
from optimizer.allocation.pool import Balance, ResourcePool
from optimizer.clock import Clock
from optimizer.errors import InvalidRequestError
from optimizer.store.engine import Database
from optimizer.store.ledger_books import (
    Books,
    grant_log,
    grant_rows,
    grants,
    leases,
    load_leases,
    pools,
    update_lease,
)
from optimizer.store.ledger_opening import forgive_downtime, note_watch, shorten, write_pools

SOON = timedelta(seconds=60)
"""A lease that ends within this is worth a notice to its holder."""

ResultT = TypeVar("ResultT")


class LedgerKeeper:
    """Leases in the store; fits `optimizer.allocation.ledger.Ledger`.

    Time is read inside the transaction, after every change that came before it. The first use
    writes the pools, and lengthens leases by the time for which nobody kept the ledger.

    Args:
        database: The store.
        pools: The pools by resource.
        clock: The ledger's time.
    """

    def __init__(
        self, database: Database, pools: Mapping[str, ResourcePool], *, clock: Clock
    ) -> None:
        self._database = database
        self._pools = dict(pools)
        self._clock = clock
        self._opening = anyio.Lock()
        self._is_open = False
        self._keys = {(pool.host, pool.name): pool for pool in self._pools.values()}
        self._windows = {
            key: pool.window for key, pool in self._keys.items() if pool.window is not None
        }

    async def admit(self, draft: Draft, decide: Decide) -> Admitted | Declined:
        """Grant what `decide` admits; see `Ledger`."""

        def change(books: Books, ended: tuple[str, ...]) -> Admitted | Declined:
            earlier = _earlier(books.connection, draft)
            if earlier is not None:
                moment = self._moment(books, ended, draft.principal, earlier.allocation_id)
                return Admitted(earlier, True, self._balances(books), moment)
            decision = decide(self._balances(books))
            if isinstance(decision, Refusal):
                moment = self._moment(books, ended, draft.principal, "")
                freeings = self._freeings(books, {grant.resource for grant in draft.asked})
                return Declined(decision, self._balances(books), freeings, moment)
            lease = _grant(books, draft, decision)
            moment = self._moment(books, ended, draft.principal, lease.allocation_id)
            return Admitted(lease, False, self._balances(books), moment)

        return await self._change(change)

    async def renew(self, allocation_id: str, principal: str, ttl_s: int | None) -> Changed:
        """Let an active lease end later; see `Ledger`."""

        def change(books: Books, ended: tuple[str, ...]) -> Changed:
            lease = _own(books.connection, allocation_id, principal)
            applied = lease is not None and lease.state == "active"
            if lease is not None and applied:
                length = ttl_s or lease.ttl_s
                expires_at = books.at + timedelta(seconds=length)
                lease = replace(lease, ttl_s=length, expires_at=expires_at)
                update_lease(books.connection, lease)
            return Changed(lease, applied, {}, self._moment(books, ended, principal, allocation_id))

        return await self._change(change)

    async def release(self, allocation_id: str, principal: str, used: Mapping[str, int]) -> Changed:
        """End an active lease; see `Ledger`."""

        def change(books: Books, ended: tuple[str, ...]) -> Changed:
            lease = _own(books.connection, allocation_id, principal)
            applied = lease is not None and lease.state == "active"
            overdrawn: dict[str, int] = {}
            if lease is not None and applied:
                lease, overdrawn = _end(books, lease, used)
            moment = self._moment(books, ended, principal, allocation_id)
            return Changed(lease, applied, overdrawn, moment)

        return await self._change(change)

    async def find(self, allocation_id: str, principal: str) -> Lease | None:
        """A lease of this principal; see `Ledger`."""
        await self._open()
        return await self._database.read(
            lambda connection: _own(connection, allocation_id, principal)
        )

    async def held(self, principal: str | None, *, limit: int) -> Holdings:
        """Active leases, newest first; see `Ledger`."""
        await self._open()
        ended: tuple[str, ...] = ()
        if await self._database.read(self._is_due):
            ended = (await self.sweep()).ended
        return await self._database.read(
            lambda connection: self._held(connection, principal, limit, ended)
        )

    async def sweep(self) -> Moment:
        """End what is over, and note that the ledger is being kept; see `Ledger`."""

        def change(books: Books, ended: tuple[str, ...]) -> Moment:
            shorten(books)
            note_watch(books.connection, books.at)
            return Moment(books.at, ended)

        return await self._change(change, durable=False)

    async def audit(self) -> tuple[PoolAudit, ...]:
        """Add up every pool in three ways; see `Ledger`."""
        await self._open()
        return await self._database.read(_audit)

    async def _change(
        self, change: Callable[[Books, tuple[str, ...]], ResultT], *, durable: bool = True
    ) -> ResultT:
        await self._open()

        def run(connection: Connection) -> ResultT:
            books = Books(connection, self._clock(), self._windows)
            ended = books.pass_time()
            result = change(books, ended)
            books.save()
            return result

        return await self._database.write(run, durable=durable)

    async def _open(self) -> None:
        async with self._opening:
            if not self._is_open:
                await self._database.write(self._begin)
                self._is_open = True

    def _begin(self, connection: Connection) -> None:
        now = self._clock()
        write_pools(connection, self._keys, now)
        forgive_downtime(connection, now)
        note_watch(connection, now)

    def _balances(self, books: Books) -> dict[str, Balance]:
        return {pool.name: books.accounts[key].balance for key, pool in self._keys.items()}

    def _moment(self, books: Books, ended: tuple[str, ...], principal: str, but: str) -> Moment:
        soon = load_leases(
            books.connection,
            leases.c.state == "active",
            leases.c.expires_at <= books.at + SOON,
            leases.c.principal == principal,
            leases.c.allocation_id != but,
        )
        ending = (lease for lease in soon if _is_ending(lease, books.at))
        return Moment(books.at, ended, tuple(ending))

    def _freeings(self, books: Books, resources: set[str]) -> tuple[Freeing, ...]:
        """What leases give back at their end, and budgets at their reset."""
        freeings = []
        for lease in load_leases(books.connection, leases.c.state == "active"):
            for grant in lease.grants:
                pool = self._keys.get((grant.host, grant.resource))
                at = None if pool is None else _freed_at(pool, lease.expires_at)
                if at is not None and grant.resource in resources:
                    freeings.append(Freeing(at, {grant.resource: grant.granted}))
        for name, balance in self._balances(books).items():
            if balance.resets_at is not None and name in resources:
                parts = balance.spent + balance.overdrawn
                freeings.append(Freeing(balance.resets_at, {name: parts}))
        return tuple(freeings)

    def _is_due(self, connection: Connection) -> bool:
        now = self._clock()
        due = select(leases.c.fencing_token).where(
            leases.c.state == "active", leases.c.expires_at <= now
        )
        refill = select(pools.c.host).where(pools.c.resets_at <= now)
        return any(connection.execute(query.limit(1)).first() for query in (due, refill))

    def _held(
        self, connection: Connection, principal: str | None, limit: int, ended: tuple[str, ...]
    ) -> Holdings:
        now = self._clock()
        mine = [leases.c.state == "active"]
        if principal is not None:
            mine.append(leases.c.principal == principal)
        total = connection.scalar(select(func.count()).select_from(leases).where(*mine))
        newest = (
            select(leases.c.fencing_token)
            .where(*mine)
            .order_by(leases.c.fencing_token.desc())
            .limit(limit)
        )
        found = load_leases(connection, leases.c.fencing_token.in_(newest))
        balances = {
            row.resource: Balance(row.leased, row.spent, row.overdrawn, row.resets_at)
            for row in connection.execute(select(pools))
            if (row.host, row.resource) in self._keys
        }
        return Holdings(tuple(reversed(found)), total or 0, balances, Moment(now, ended))


def _is_ending(lease: Lease, at: datetime) -> bool:
    """Whether a notice is due: within SOON, and in the second half of a short lease."""
    return lease.expires_at - at <= min(SOON, timedelta(seconds=lease.ttl_s / 2))


def _grant(books: Books, draft: Draft, decision: Admission) -> Lease:
    lines = tuple(replace(grant, granted=decision.granted[grant.resource]) for grant in draft.asked)
    values: dict[str, Any] = {
        "allocation_id": draft.allocation_id,
        "principal": draft.principal,
        "request_id": draft.request_id,
        "fingerprint": draft.fingerprint,
        "purpose": draft.purpose,
        "priority_level": draft.priority_level,
        "strategy": draft.strategy,
        "strategy_effect": decision.effect,
        "ttl_s": draft.ttl_s,
        "state": "active",
        "granted_at": books.at,
        "expires_at": books.at + timedelta(seconds=draft.ttl_s),
        "ended_at": None,
    }
    inserted = books.connection.execute(insert(leases).returning(leases.c.fencing_token), values)
    token = int(inserted.scalar_one())
    books.connection.execute(insert(grants), grant_rows(lines, token))
    for grant in lines:
        books.take(grant, token)
    return Lease(fencing_token=token, grants=lines, **values)


def _end(books: Books, lease: Lease, used: Mapping[str, int]) -> tuple[Lease, dict[str, int]]:
    overdrawn: dict[str, int] = {}
    lines: list[Grant] = []
    for grant in lease.grants:
        spent = used.get(grant.resource)
        beyond = books.give_back(grant, lease.fencing_token, "released", spent)
        if beyond:
            overdrawn[grant.resource] = beyond
        if spent is not None:
            books.connection.execute(
                update(grants)
                .where(
                    grants.c.fencing_token == lease.fencing_token,
                    grants.c.host == grant.host,
                    grants.c.resource == grant.resource,
                )
                .values(used=spent)
            )
        lines.append(replace(grant, used=spent))
    ended = replace(lease, state="released", ended_at=books.at, grants=tuple(lines))
    update_lease(books.connection, ended)
    return ended, overdrawn


def _own(connection: Connection, allocation_id: str, principal: str) -> Lease | None:
    found = load_leases(
        connection, leases.c.allocation_id == allocation_id, leases.c.principal == principal
    )
    return found[0] if found else None


def _earlier(connection: Connection, draft: Draft) -> Lease | None:
    """The lease that this principal's key already got.

    Raises:
        InvalidRequestError: The key was used for something else.
    """
    if draft.request_id is None:
        return None
    found = load_leases(
        connection,
        leases.c.principal == draft.principal,
        leases.c.request_id == draft.request_id,
    )
    if found and found[0].fingerprint != draft.fingerprint:
        raise InvalidRequestError(
            f"request_id {draft.request_id!r} was used for another request (lease "
            f"{found[0].allocation_id}, {found[0].state}); send a new request_id, or the same "
            "request again. Nothing was reserved",
            field="request_id",
        )
    return found[0] if found else None


def _freed_at(pool: ResourcePool, expires_at: datetime) -> datetime | None:
    """When what a lease holds can be leased again if it just ends: budgets wait for a reset."""
    if pool.kind != "budget":
        return expires_at
    return None if pool.window is None else pool.window.next_reset(expires_at)


def _audit(connection: Connection) -> tuple[PoolAudit, ...]:
    log = {
        (row.host, row.resource): (int(row.leased), int(row.spent))
        for row in connection.execute(
            select(
                grant_log.c.host,
                grant_log.c.resource,
                func.sum(grant_log.c.leased).label("leased"),
                func.sum(grant_log.c.spent).label("spent"),
            ).group_by(grant_log.c.host, grant_log.c.resource)
        )
    }
    held = {
        (row.host, row.resource): int(row.granted)
        for row in connection.execute(
            select(grants.c.host, grants.c.resource, func.sum(grants.c.granted).label("granted"))
            .join(leases, leases.c.fencing_token == grants.c.fencing_token)
            .where(leases.c.state == "active")
            .group_by(grants.c.host, grants.c.resource)
        )
    }
    rows = connection.execute(select(pools).order_by(pools.c.host, pools.c.resource))
    return tuple(
        PoolAudit(
            resource=row.resource,
            host=row.host,
            ceiling=row.ceiling,
            counted=row.leased,
            from_log=log.get((row.host, row.resource), (0, 0))[0],
            from_leases=held.get((row.host, row.resource), 0),
            spent=row.spent,
            spent_from_log=log.get((row.host, row.resource), (0, 0))[1],
        )
        for row in rows
    )
