"""What the ledger does before its first use: pools brought up to date, lost time given back."""

from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from optimizer.allocation.pool import ResourcePool
from optimizer.errors import ConfigurationError
from optimizer.quantities import PARTS
from optimizer.store.ledger_books import PoolKey
from optimizer.store.ledger_leases import HELD_AFTER, load_leases, update_lease
from optimizer.store.ledger_tables import ledger_watch, pools, slots
from optimizer.store.rows import insert_into

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

GRACE = timedelta(seconds=60)
"""The most that a lease is lengthened because nobody kept the ledger."""


def write_pools(
    connection: Connection, keys: Mapping[PoolKey, ResourcePool], now: datetime
) -> None:
    """Bring the pools up to date with what the machine and the operator say now.

    Raises:
        ConfigurationError: A pool changed its unit while some of it is out.
    """
    for host, resource in sorted(keys):
        pool = keys[host, resource]
        unused = {
            "host": host,
            "resource": resource,
            "unit": pool.unit,
            "kind": pool.kind,
            "leased": 0,
            "spent": 0,
            "overdrawn": 0,
        }
        connection.execute(_insert_new(connection, pools, unused))
    known = select(pools).order_by(pools.c.host, pools.c.resource).with_for_update()
    for row in connection.execute(known).all():
        pool_now = keys.get((row.host, row.resource))
        if pool_now is None:
            continue
        out = row.leased + row.spent
        if row.unit != pool_now.unit and out:
            raise ConfigurationError(
                setting=f"sro.toml: pools.{row.resource}.capacity",
                problem=f"its unit was {row.unit}, and leases or spending are counted in it",
                fix=f"write it in {row.unit}s, or give the new pool another name",
            )
        capacity = pool_now.capacity_parts
        window = pool_now.window
        resets_at = row.resets_at if window and row.resets_at else None
        connection.execute(
            update(pools)
            .where(pools.c.host == row.host, pools.c.resource == row.resource)
            .values(
                unit=pool_now.unit,
                kind=pool_now.kind,
                ceiling=None if capacity is None else max(capacity, out),
                resets_at=_first_reset(pool_now, resets_at, now),
            )
        )


def write_slots(connection: Connection, keys: Mapping[PoolKey, ResourcePool]) -> None:
    """Bring the indices of pools up to date; one that is held stays until it is given back."""
    for (host, resource), pool in sorted(keys.items()):
        size = PARTS[pool.unit]
        for slot in range(pool.slots or 0):
            row = {"host": host, "resource": resource, "slot": slot, "size": size, "held": 0}
            connection.execute(_insert_new(connection, slots, row))
        gone = (
            slots.c.host == host,
            slots.c.resource == resource,
            slots.c.slot >= (pool.slots or 0),
            slots.c.held == 0,
        )
        connection.execute(delete(slots).where(*gone))


def _first_reset(pool: ResourcePool, recorded: datetime | None, now: datetime) -> datetime | None:
    """A reset that is recorded and due stays due; one of another window is replaced."""
    if pool.window is None:
        return None
    upcoming = pool.window.next_reset(now)
    return upcoming if recorded is None else min(recorded, upcoming)


def _insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> Any:
    """An insert that leaves a row which is already there as it is."""
    return insert_into(connection, table).values(values).on_conflict_do_nothing()


def forgive_downtime(connection: Connection, now: datetime, alive: Set[str]) -> None:
    """Lengthen leases by the time for which nobody kept the ledger, at most min(TTL, GRACE).

    A silence no longer than GRACE is not counted: another process may be keeping the ledger. A
    lease whose processes still run (`alive`) lasts its whole TTL from now.
    """
    keep_alive(connection, now, alive)
    seen_at = connection.scalar(select(ledger_watch.c.seen_at))
    if seen_at is None or now - seen_at <= GRACE:
        return
    silence = now - seen_at
    held = load_leases(connection, HELD_AFTER, {"after": seen_at})
    for lease in held:
        grace = min(timedelta(seconds=lease.ttl_s), GRACE)
        lengthened = max(lease.expires_at, min(lease.expires_at + silence, now + grace))
        update_lease(connection, replace(lease, expires_at=lengthened))


def keep_alive(connection: Connection, now: datetime, alive: Set[str]) -> None:
    """Let active leases whose processes run last at least their TTL from now."""
    if not alive:
        return
    for lease in load_leases(connection, HELD_AFTER, {"after": LONG_AGO}):
        end = now + timedelta(seconds=lease.ttl_s)
        if lease.allocation_id in alive and lease.yields_to is None and lease.expires_at < end:
            update_lease(connection, replace(lease, expires_at=end))


def note_watch(connection: Connection, now: datetime) -> None:
    """Remember that the ledger was kept at this moment."""
    connection.execute(_insert_new(connection, ledger_watch, {"id": 1, "seen_at": now}))
    connection.execute(update(ledger_watch).values(seen_at=now))


def shorten(connection: Connection, now: datetime) -> None:
    """No lease lasts longer than its TTL from now, whatever a clock that was set back says."""
    for lease in load_leases(connection, HELD_AFTER, {"after": now}):
        latest = now + timedelta(seconds=lease.ttl_s)
        if lease.expires_at > latest:
            update_lease(connection, replace(lease, expires_at=latest))
