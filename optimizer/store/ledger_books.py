"""The ledger's tables, and the books: its pools as one transaction sees and changes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from optimizer.allocation.lease import Grant, Lease
from optimizer.allocation.pool import Balance
from optimizer.allocation.window import Window
from optimizer.store.engine import UtcDateTime

_metadata = MetaData()

PoolKey = tuple[str, str]
"""Host and resource."""

pools = Table(
    "pools",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("unit", Text),
    Column("kind", Text),
    Column("ceiling", BigInteger),
    Column("leased", BigInteger),
    Column("spent", BigInteger),
    Column("overdrawn", BigInteger),
    Column("resets_at", UtcDateTime),
)

leases = Table(
    "leases",
    _metadata,
    Column("fencing_token", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("allocation_id", Text),
    Column("principal", Text),
    Column("request_id", Text),
    Column("fingerprint", Text),
    Column("purpose", Text),
    Column("priority_level", Text),
    Column("strategy", Text),
    Column("strategy_effect", Text),
    Column("ttl_s", Integer),
    Column("state", Text),
    Column("granted_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
)

grants = Table(
    "grants",
    _metadata,
    Column("fencing_token", BigInteger, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("unit", Text),
    Column("requested", BigInteger),
    Column("granted", BigInteger),
    Column("burst", BigInteger),
    Column("used", BigInteger),
)

grant_log = Table(
    "grant_log",
    _metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcDateTime),
    Column("host", Text),
    Column("resource", Text),
    Column("fencing_token", BigInteger),
    Column("event", Text),
    Column("leased", BigInteger),
    Column("spent", BigInteger),
    Column("overdrawn", BigInteger),
)

ledger_watch = Table(
    "ledger_watch",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("seen_at", UtcDateTime),
)

_LOCK_POOLS = select(pools).order_by(pools.c.host, pools.c.resource).with_for_update()
_SAVE_POOL = (
    update(pools)
    .where(pools.c.host == bindparam("of_host"), pools.c.resource == bindparam("of_resource"))
    .values({name: bindparam(name) for name in ("leased", "spent", "overdrawn", "resets_at")})
)
_LEASES = (
    select(leases, grants)
    .join(grants, grants.c.fencing_token == leases.c.fencing_token)
    .order_by(leases.c.fencing_token, grants.c.host, grants.c.resource)
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
    def left(self) -> int | None:
        """What may still be spent or leased; None without a ceiling."""
        return None if self.ceiling is None else self.ceiling - self.leased - self.spent


@dataclass
class Books:
    """Every pool, locked for one transaction, with the changes that it makes.

    Pools are locked in one order, so that transactions on PostgreSQL cannot wait for each other in
    a circle; on SQLite the transaction holds the only write lock.
    """

    connection: Connection
    at: datetime
    windows: Mapping[PoolKey, Window]
    accounts: dict[PoolKey, Account] = field(init=False)
    _log: list[dict[str, Any]] = field(default_factory=list)
    _changed: set[PoolKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.accounts = {
            (row.host, row.resource): Account(
                row.kind, row.ceiling, row.leased, row.spent, row.overdrawn, row.resets_at
            )
            for row in self.connection.execute(_LOCK_POOLS)
        }

    def pass_time(self) -> tuple[str, ...]:
        """End leases and refill budgets up to now, in the order in which it came about.

        Returns:
            Ids of the leases that ended.
        """
        over = (leases.c.state == "active") & (leases.c.expires_at <= self.at)
        due = sorted(load_leases(self.connection, over), key=lambda lease: lease.expires_at)
        for lease in due:
            self._refill(lease.expires_at)
            for grant in lease.grants:
                self.give_back(grant, lease.fencing_token, "expired")
        self._refill(self.at)
        if due:
            self.connection.execute(
                update(leases).where(over).values(state="expired", ended_at=leases.c.expires_at)
            )
        return tuple(lease.allocation_id for lease in due)

    def take(self, grant: Grant, token: int) -> None:
        """Lease what is granted."""
        self._post((grant.host, grant.resource), "granted", token, leased=grant.granted)

    def give_back(self, grant: Grant, token: int, event: str, used: int | None = None) -> int:
        """End a grant; what a budget used, by default all that was reserved, stays spent.

        Returns:
            Whole parts that were used beyond what the pool had left.
        """
        key = (grant.host, grant.resource)
        account = self.accounts[key]
        if account.kind != "budget":
            self._post(key, event, token, leased=-grant.granted)
            return 0
        used = grant.granted if used is None else used
        left = account.left
        spent = used if left is None else min(used, left + grant.granted)
        overdrawn = used - spent
        self._post(key, event, token, leased=-grant.granted, spent=spent, overdrawn=overdrawn)
        return overdrawn

    def save(self) -> None:
        """Write what changed."""
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
            self.connection.execute(insert(grant_log), self._log)

    def _refill(self, until: datetime) -> None:
        for key, window in self.windows.items():
            account = self.accounts[key]
            if account.resets_at is not None and account.resets_at <= until:
                account.resets_at = window.next_reset(until)
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
        account = self.accounts[key]
        account.leased += leased
        account.spent += spent
        account.overdrawn += overdrawn
        self._changed.add(key)
        self._log.append(
            {
                "at": self.at,
                "host": key[0],
                "resource": key[1],
                "fencing_token": token,
                "event": event,
                "leased": leased,
                "spent": spent,
                "overdrawn": overdrawn,
            }
        )


def load_leases(connection: Connection, *where: ColumnElement[bool]) -> list[Lease]:
    """Leases with what they hold, oldest first."""
    rows: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(_LEASES.where(*where)):
        rows.setdefault(row.fencing_token, []).append(row)
    return [_lease(of_lease) for of_lease in rows.values()]


_UPDATE_LEASE = (
    update(leases)
    .where(leases.c.fencing_token == bindparam("token"))
    .values({name: bindparam(name) for name in ("state", "ttl_s", "expires_at", "ended_at")})
)


def update_lease(connection: Connection, lease: Lease) -> None:
    """Write what may change of a lease: its state, length and end."""
    connection.execute(
        _UPDATE_LEASE,
        {
            "token": lease.fencing_token,
            "state": lease.state,
            "ttl_s": lease.ttl_s,
            "expires_at": lease.expires_at,
            "ended_at": lease.ended_at,
        },
    )


def grant_rows(lines: Iterable[Grant], token: int) -> list[dict[str, Any]]:
    """Rows of the grants of one lease."""
    return [
        {
            "fencing_token": token,
            "host": grant.host,
            "resource": grant.resource,
            "unit": grant.unit,
            "requested": grant.requested,
            "granted": grant.granted,
            "burst": grant.burst,
        }
        for grant in lines
    ]


def _lease(rows: Sequence[Row[Any]]) -> Lease:
    row = rows[0]
    return Lease(
        allocation_id=row.allocation_id,
        fencing_token=row.fencing_token,
        principal=row.principal,
        request_id=row.request_id,
        fingerprint=row.fingerprint,
        purpose=row.purpose,
        priority_level=row.priority_level,
        strategy=row.strategy,
        strategy_effect=row.strategy_effect,
        ttl_s=row.ttl_s,
        state=row.state,
        granted_at=row.granted_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        grants=tuple(
            Grant(r.resource, r.host, r.unit, r.requested, r.granted, r.burst, r.used) for r in rows
        ),
    )
