"""The books: the ledger's pools as one transaction sees and changes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, select, update

from optimizer.allocation.lease import Grant, Lease
from optimizer.allocation.ledger import Moment
from optimizer.allocation.pool import Balance, Holder, ResourcePool
from optimizer.clock import Clock
from optimizer.quantities import MOST_COUNTED
from optimizer.store.engine import to_microseconds
from optimizer.store.ledger_leases import (
    BY_REQUEST,
    ENDING,
    ENDING_OF_ONE,
    ENDS,
    HOLDERS,
    LAST_TOKEN,
    OF_PRIORITIES,
    OWNED,
    YIELDING,
    add_leases,
    expire_leases,
    give_way,
    load_leases,
    resize_grant,
)
from optimizer.store.ledger_tables import grant_log, pools, slots
from optimizer.store.prepared import insert_of

SOON = timedelta(seconds=60)
"""A lease that ends within this is worth a notice to its holder."""

PoolKey = tuple[str, str]
"""Host and resource."""

_LOCK_POOLS = select(pools).order_by(pools.c.host, pools.c.resource).with_for_update()
_SAVE_POOL = (
    update(pools)
    .where(pools.c.host == bindparam("of_host"), pools.c.resource == bindparam("of_resource"))
    .values({name: bindparam(name) for name in ("leased", "spent", "overdrawn", "resets_at")})
)
_INSERT_LOG = insert_of(grant_log, *(c.name for c in grant_log.c if c.name != "seq"))
_SLOTS = select(slots).where(slots.c.host == bindparam("host"), slots.c.resource == bindparam("of"))
_SAVE_SLOT = (
    update(slots)
    .where(
        slots.c.host == bindparam("of_host"),
        slots.c.resource == bindparam("of_resource"),
        slots.c.slot == bindparam("of_slot"),
    )
    .values(held=bindparam("parts"))
)


@dataclass
class Account:
    """One pool in the books; see the fields of `Balance`."""

    kind: str
    ceiling: int | None
    leased: int
    spent: int
    overdrawn: int
    resets_at: datetime | None

    @property
    def balance(self) -> Balance:
        """The account as rooms see it."""
        return Balance(self.leased, self.spent, self.overdrawn, self.resets_at)

    @property
    def left(self) -> int:
        """What may still be spent or leased."""
        ceiling = MOST_COUNTED if self.ceiling is None else self.ceiling
        return ceiling - self.leased - self.spent


@dataclass
class _Slot:
    """One index of a pool: how many parts it has, and how many are held."""

    size: int
    held: int
    is_changed: bool = False


AnyRow = Row[*tuple[Any, ...]]
"""A row of any columns."""


class _Ends:
    """Rows that are read when they are first needed, and then kept."""

    def __init__(self, source: Iterator[AnyRow]) -> None:
        self._source = source
        self._read: list[AnyRow] = []

    def __iter__(self) -> Iterator[AnyRow]:
        yield from self._read
        for row in self._source:
            self._read.append(row)
            yield row


@dataclass
class Books:
    """Every pool, locked for one transaction, with the changes that it makes.

    Pools are locked in one order, so that transactions on PostgreSQL cannot wait for each other in
    a circle; on SQLite the transaction holds the only write lock. Time is read once they are
    locked, so that it does not run backwards from one transaction to the next.

    Attributes:
        connection: The transaction.
        clock: The ledger's time.
        pools: The pools that are leased here.
        askers: Names of the principals who ask.
        at: The moment of the transaction.
        accounts: Every pool.
        ended: Leases that ended by themselves and were noticed in this transaction.
        ending: Leases of the askers that end soon, or have to give way.
        moment: The same moment, when nothing ended or ends soon.
    """

    connection: Connection
    clock: Clock
    pools: Mapping[PoolKey, ResourcePool]
    askers: Sequence[str]
    at: datetime = field(init=False)
    accounts: dict[PoolKey, Account] = field(init=False)
    ended: tuple[Lease, ...] = ()
    ending: tuple[Lease, ...] = ()
    moment: Moment = field(init=False)
    _at_us: int = field(init=False)
    _log: list[tuple[Any, ...]] = field(default_factory=list)
    _changed: set[PoolKey] = field(default_factory=set)
    _new: list[Lease] = field(default_factory=list)
    _last_token: int | None = None
    _ends: dict[tuple[str, ...], "_Ends"] = field(default_factory=dict)
    _slots: dict[PoolKey, dict[int, "_Slot"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts = {
            (row.host, row.resource): Account(
                row.kind, row.ceiling, row.leased, row.spent, row.overdrawn, row.resets_at
            )
            for row in self.connection.execute(_LOCK_POOLS)
        }
        self.at = self.clock()
        self.moment = Moment(self.at)
        self._at_us = to_microseconds(self.at)

    def pass_time(self) -> None:
        """End leases and refill budgets up to now, in the order in which it came about."""
        by = {"at": self.at, "soon": self.at + SOON}
        if len(self.askers) == 1:
            of_one = {**by, "principal": self.askers[0]}
            found = load_leases(self.connection, ENDING_OF_ONE, of_one)
        else:
            found = load_leases(self.connection, ENDING, {**by, "principals": self.askers})
        over = [lease for lease in found if lease.expires_at <= self.at]
        for lease in sorted(over, key=lambda lease: lease.expires_at):
            self._refill(lease.expires_at)
            for grant in lease.grants:
                self.give_back(grant, lease.fencing_token, _end_of(lease))
        self._refill(self.at)
        if over:
            expire_leases(self.connection, self.at)
        self.ended += tuple(
            replace(lease, state=_end_of(lease), ended_at=lease.expires_at) for lease in over
        )
        self.ending = tuple(lease for lease in found if self._is_ending(lease))

    @property
    def changes(self) -> int:
        """How many entries the log has got."""
        return len(self._log)

    def next_token(self) -> int:
        """A fencing token that is larger than all before."""
        if self._last_token is None:
            self._last_token = self.connection.scalar(LAST_TOKEN) or 0
        self._last_token += 1
        return self._last_token

    def grant(self, lease: Lease) -> None:
        """Lease what is granted."""
        for grant in lease.grants:
            key = (grant.host, grant.resource)
            self._post(key, "granted", lease.fencing_token, leased=grant.granted)
            if grant.slots:
                self._hold(key, grant.slots)
        self._new.append(lease)

    def below(self, priorities: Sequence[str]) -> list[Lease]:
        """Active leases of these priorities, granted in this transaction or before."""
        self._write_new()
        return load_leases(self.connection, OF_PRIORITIES, {"priorities": list(priorities)})

    def yielding(self, to: str) -> list[Lease]:
        """Active leases that have to give way to a request."""
        return load_leases(self.connection, YIELDING, {"to": to})

    def give_way(self, lease: Lease, to: str, priority: str, until: datetime) -> Lease:
        """Let a lease end for another request, at `until` or when it would have in any case."""
        notified = replace(
            lease,
            yields_to=priority,
            would_expire_at=lease.expires_at,
            expires_at=min(lease.expires_at, until),
        )
        give_way(self.connection, notified, to)
        self._ends.clear()
        return notified

    def holders(self, key: PoolKey) -> tuple[Holder, ...]:
        """Every active lease of a pool, granted in this transaction or before."""
        self._write_new()
        rows = self.connection.execute(HOLDERS, {"of_host": key[0], "of_resource": key[1]})
        return tuple(
            Holder(row.allocation_id, row.granted, max(row.granted, row.burst or 0)) for row in rows
        )

    def free_slots(self, key: PoolKey) -> dict[int, int]:
        """Parts that are free of each index of a pool."""
        return {slot: one.size - one.held for slot, one in self._slots_of(key).items()}

    def granted_for(self, principal: str, request_id: str) -> Lease | None:
        """The lease that a request id got, in this transaction or before."""
        for lease in self._new:
            if (lease.principal, lease.request_id) == (principal, request_id):
                return lease
        key = {"principal": principal, "request_id": request_id}
        found = load_leases(self.connection, BY_REQUEST, key)
        return found[0] if found else None

    def owned_by(self, principal: str) -> dict[PoolKey, int]:
        """What the active leases of a principal hold, in this transaction and before."""
        self._write_new()
        rows = self.connection.execute(OWNED, {"principal": principal})
        return {(row.host, row.resource): int(row.granted) for row in rows}

    def ends(self, resources: tuple[str, ...]) -> Iterator[AnyRow]:
        """What leases hold of these resources, in the order in which they end, read as needed."""
        self._write_new()
        if resources not in self._ends:
            rows = self.connection.execute(ENDS, {"resources": resources})
            self._ends[resources] = _Ends(iter(rows))
        return iter(self._ends[resources])

    def give_back(self, grant: Grant, token: int, event: str, used: int | None = None) -> int:
        """End a grant; what a budget used, by default all that was reserved, stays spent.

        Returns:
            Whole parts that were used beyond what the pool had left.
        """
        key = (grant.host, grant.resource)
        account = self.accounts[key]
        self._hold(key, {slot: -parts for slot, parts in grant.slots.items()})
        if account.kind != "budget":
            self._post(key, event, token, leased=-grant.granted)
            return 0
        used = grant.granted if used is None else used
        spent = min(used, max(0, account.left) + grant.granted)
        overdrawn = min(used - spent, MOST_COUNTED - account.overdrawn)
        self._post(key, event, token, leased=-grant.granted, spent=spent, overdrawn=overdrawn)
        return overdrawn

    def resize(self, lease: Lease, grant: Grant, parts: int, at: Mapping[int, int]) -> Lease:
        """Let a lease hold another amount of one resource, of an indexed one at these indices."""
        self._write_new()
        resized = replace(grant, granted=parts, slots=at)
        key = (grant.host, grant.resource)
        self._hold(key, {slot: -held for slot, held in grant.slots.items()})
        self._hold(key, at)
        self._post(key, "resized", lease.fencing_token, leased=parts - grant.granted)
        resize_grant(self.connection, resized, lease.fencing_token)
        grants = tuple(resized if held is grant else held for held in lease.grants)
        return replace(lease, grants=grants)

    def save(self) -> None:
        """Write what changed."""
        self._write_new()
        if self._changed:
            rows = [
                {
                    "of_host": key[0],
                    "of_resource": key[1],
                    "leased": account.leased,
                    "spent": account.spent,
                    "overdrawn": account.overdrawn,
                    "resets_at": account.resets_at,
                }
                for key in sorted(self._changed)
                for account in (self.accounts[key],)
            ]
            self.connection.execute(_SAVE_POOL, rows)
        if self._log:
            _INSERT_LOG.run_all(self.connection, self._log)
        moved = [
            {"of_host": key[0], "of_resource": key[1], "of_slot": slot, "parts": one.held}
            for key, known in sorted(self._slots.items())
            for slot, one in sorted(known.items())
            if one.is_changed
        ]
        if moved:
            self.connection.execute(_SAVE_SLOT, moved)

    def _is_ending(self, lease: Lease) -> bool:
        """Whether a notice is due: it gives way, or the second half of a short lease has begun."""
        left = lease.expires_at - self.at
        is_late = lease.yields_to is not None or left <= timedelta(seconds=lease.ttl_s / 2)
        return is_late and left > timedelta(0)

    def _slots_of(self, key: PoolKey) -> dict[int, _Slot]:
        if key not in self._slots:
            rows = self.connection.execute(_SLOTS, {"host": key[0], "of": key[1]})
            self._slots[key] = {row.slot: _Slot(row.size, row.held) for row in rows}
        return self._slots[key]

    def _hold(self, key: PoolKey, parts: Mapping[int, int]) -> None:
        for slot, more in parts.items():
            one = self._slots_of(key)[slot]
            one.held += more
            one.is_changed = True

    def _write_new(self) -> None:
        if self._new:
            add_leases(self.connection, self._new)
            self._new = []

    def _refill(self, until: datetime) -> None:
        for key, pool in self.pools.items():
            account = self.accounts[key]
            due = account.resets_at is not None and account.resets_at <= until
            if pool.window is not None and due:
                account.resets_at = pool.window.next_reset(until)
                self._changed.add(key)
                if account.spent or account.overdrawn:
                    self._post(
                        key, "refilled", None, spent=-account.spent, overdrawn=-account.overdrawn
                    )

    def _post(
        self,
        key: PoolKey,
        event: str,
        token: int | None,
        *,
        leased: int = 0,
        spent: int = 0,
        overdrawn: int = 0,
    ) -> None:
        if self._ends:
            self._ends.clear()
        account = self.accounts[key]
        account.leased += leased
        account.spent += spent
        account.overdrawn += overdrawn
        self._changed.add(key)
        self._log.append((self._at_us, key[0], key[1], token, event, leased, spent, overdrawn))


def _end_of(lease: Lease) -> Literal["preempted", "expired"]:
    """What a lease that ends by itself has become."""
    is_early = lease.would_expire_at is not None and lease.would_expire_at > lease.expires_at
    return "preempted" if is_early else "expired"
