"""The keeper of leases: one transaction per change, so that nothing is ever granted twice."""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import anyio
from sqlalchemy import Connection, select

from optimizer.allocation.lease import Lease
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
from optimizer.clock import Clock
from optimizer.store.engine import Database
from optimizer.store.ledger_audit import audit
from optimizer.store.ledger_books import Books
from optimizer.store.ledger_changes import (
    admit,
    lease_named,
    moment_of,
    move,
    release,
    renew,
    resize,
)
from optimizer.store.ledger_leases import (
    HOW_MANY,
    NEWEST,
    SETTLED,
    load_leases,
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
from optimizer.store.together import Together

KEEP = timedelta(days=7)
"""For how long leases that are over, and the log of them, are kept."""

FORGET_EVERY = timedelta(minutes=10)

ResultT = TypeVar("ResultT")


async def _nothing_runs() -> Set[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class _Change:
    """A change, and for whom: whose leases end soon is told with the answer."""

    act: Callable[[Books], Any]
    asker: str

    def run(self, books: Books) -> Any:
        """Run it; if it fails before it has changed anything, the others go on."""
        before = books.changes
        try:
            return self.act(books)
        except Exception as error:
            if books.changes != before:
                raise
            return error


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
        self._changes: Together[_Change] = Together(database, self._run, name="ledger writer")
        self._is_open = False
        self._pools = {(pool.host, pool.name): pool for pool in pools.values()}

    async def admit(
        self, draft: Draft, decide: Decide, *, grace_s: float | None = None
    ) -> Admitted | Declined:
        """Grant what `decide` admits; see `Ledger`."""
        outcome: Admitted | Declined = await self._change(
            partial(admit, draft, decide, grace_s), asker=draft.principal
        )
        return outcome

    async def withdraw(self, allocation_id: str) -> None:
        """Take back notices to give way to a request; see `Ledger`."""
        await self._change(lambda books: withdraw(books.connection, allocation_id))

    async def renew(self, allocation_id: str, principal: str, ttl_s: int | None) -> Changed:
        """Let an active lease end later; see `Ledger`."""
        return await self._change(partial(renew, allocation_id, principal, ttl_s), asker=principal)

    async def release(self, allocation_id: str, principal: str, used: Mapping[str, int]) -> Changed:
        """End an active lease; see `Ledger`."""
        return await self._change(partial(release, allocation_id, principal, used), asker=principal)

    async def resize(self, allocation_id: str, resource: str, parts: int, room: Room) -> Changed:
        """Let an active lease hold another amount of a resource; see `Ledger`."""
        return await self._change(partial(resize, allocation_id, resource, parts, room))

    async def move(
        self, loses: str | None, gains: str, resource: str, parts: int, room: Room
    ) -> bool:
        """Let parts of a resource change hands between two leases; see `Ledger`."""
        return await self._change(partial(move, loses, gains, resource, parts, room))

    async def find(self, allocation_id: str) -> Lease | None:
        """The lease of that id; see `Ledger`."""
        await self._open()
        return await self._database.read(lambda connection: lease_named(connection, allocation_id))

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
            return moment_of(books, "")

        return await self._change(change, durable=False)

    async def refit(self, pools: Mapping[str, ResourcePool]) -> None:
        """Let pools be as large as these are; see `Ledger`."""
        await self._open()
        found = {(pool.host, pool.name): pool for pool in pools.values()}

        def write(connection: Connection) -> None:
            write_pools(connection, found, now_of(connection, self._clock))
            write_slots(connection, found)
            for key, pool in found.items():
                self._pools[key].resize(pool)

        await self._database.write(write)

    async def audit(self) -> tuple[PoolAudit, ...]:
        """Add up every pool in three ways; see `Ledger`."""
        await self._open()
        return await self._database.read(audit)

    async def _change(
        self, change: Callable[[Books], ResultT], *, asker: str = "", durable: bool = True
    ) -> ResultT:
        """Run a change; what has been handed in is done, even when the caller is cancelled."""
        if not self._is_open:
            await self._open()
        outcome: ResultT = await self._changes.add(_Change(change, asker), durable=durable)
        return outcome

    def _run(self, connection: Connection, changes: Sequence[_Change]) -> list[Any]:
        """Run changes one after the other, and write what they did."""
        books = Books(
            connection,
            partial(now_of, connection, self._clock),
            self._pools,
            list({change.asker for change in changes}),
        )
        books.pass_time()
        outcomes = [change.run(books) for change in changes]
        books.save()
        return outcomes

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
