"""The audit: every pool of the store, added up in ways that do not know of each other."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from optimizer.allocation.ledger import PoolAudit
from optimizer.store.ledger_books import PoolKey
from optimizer.store.ledger_leases import slots_of
from optimizer.store.ledger_tables import grant_log, grants, leases, pools, slots


def audit(connection: Connection) -> tuple[PoolAudit, ...]:
    """Count leases and spending by the counters, by the log, and by the active leases."""
    log = _from_log(connection)
    held, at_slots = _from_leases(connection)
    known = _slots(connection)
    found = []
    for row in connection.execute(select(pools).order_by(pools.c.host, pools.c.resource)):
        key = (row.host, row.resource)
        indices = known.get(key, {})
        found.append(
            PoolAudit(
                resource=row.resource,
                host=row.host,
                unit=row.unit,
                ceiling=row.ceiling,
                counted=row.leased,
                from_log=log.get(key, (0, 0))[0],
                from_leases=held[key],
                spent=row.spent,
                spent_from_log=log.get(key, (0, 0))[1],
                slots_hold=_agree(indices, at_slots.get(key, Counter())),
            )
        )
    return tuple(found)


def _from_log(connection: Connection) -> dict[PoolKey, tuple[int, int]]:
    sums = select(
        grant_log.c.host,
        grant_log.c.resource,
        func.sum(grant_log.c.leased).label("leased"),
        func.sum(grant_log.c.spent).label("spent"),
    ).group_by(grant_log.c.host, grant_log.c.resource)
    return {
        (row.host, row.resource): (int(row.leased), int(row.spent))
        for row in connection.execute(sums)
    }


def _from_leases(
    connection: Connection,
) -> tuple["Counter[PoolKey]", dict[PoolKey, "Counter[int]"]]:
    """Parts of each pool, and of each of its indices."""
    active = (
        select(grants.c.host, grants.c.resource, grants.c.granted, grants.c.slots)
        .join(leases, leases.c.fencing_token == grants.c.fencing_token)
        .where(leases.c.state == "active")
    )
    held: Counter[PoolKey] = Counter()
    at_slots: dict[PoolKey, Counter[int]] = {}
    for row in connection.execute(active):
        key = (row.host, row.resource)
        held[key] += row.granted
        if row.slots:
            at_slots.setdefault(key, Counter()).update(slots_of(row.slots))
    return held, at_slots


def _slots(connection: Connection) -> dict[PoolKey, dict[int, tuple[int, int]]]:
    """Of each index how many parts it has, and how many are held."""
    found: dict[PoolKey, dict[int, tuple[int, int]]] = {}
    for row in connection.execute(select(slots)):
        found.setdefault((row.host, row.resource), {})[row.slot] = (row.size, row.held)
    return found


def _agree(indices: Mapping[int, tuple[int, int]], held: Mapping[int, int]) -> bool:
    return held.keys() <= indices.keys() and all(
        counted == held.get(slot, 0) and counted <= size
        for slot, (size, counted) in indices.items()
    )
