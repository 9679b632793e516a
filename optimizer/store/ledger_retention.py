"""Forgetting: leases that ended long ago go; of the log of them one carried entry stays."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from optimizer.store.ledger_tables import grant_log, grants, leases

_SUMMED = ("leased", "spent", "overdrawn")


def forget(connection: Connection, *, before: datetime, now: datetime) -> int:
    """Drop what ended before a moment; what pools hold and the sum of the log stay as they are.

    The newest lease is kept in any case, so that fencing tokens go on growing. A request id whose
    lease is forgotten may be used again.

    Args:
        connection: The transaction.
        before: What ended earlier is dropped.
        now: Written into the carried entries.

    Returns:
        How many leases were dropped.
    """
    old = select(leases.c.fencing_token).where(
        leases.c.state != "active",
        leases.c.ended_at < before,
        leases.c.fencing_token < select(func.max(leases.c.fencing_token)).scalar_subquery(),
    )
    connection.execute(delete(grants).where(grants.c.fencing_token.in_(old)))
    dropped = connection.execute(
        delete(leases).where(leases.c.fencing_token.in_(old.subquery().select()))
    )
    _carry(connection, before, now)
    return dropped.rowcount


def _carry(connection: Connection, before: datetime, now: datetime) -> None:
    """Replace the old part of the log by its sum in each pool."""
    is_old = grant_log.c.at < before
    sums = connection.execute(
        select(
            grant_log.c.host,
            grant_log.c.resource,
            *(func.sum(grant_log.c[name]).label(name) for name in _SUMMED),
        )
        .where(is_old)
        .group_by(grant_log.c.host, grant_log.c.resource)
    ).all()
    if not sums:
        return
    connection.execute(delete(grant_log).where(is_old))
    connection.execute(
        insert(grant_log),
        [
            {
                "at": now,
                "host": row.host,
                "resource": row.resource,
                "event": "carried",
                **{name: int(getattr(row, name)) for name in _SUMMED},
            }
            for row in sums
        ],
    )
