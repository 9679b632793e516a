"""Leases in the store: read with what they hold, written once, ended once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, or_, select, update

from optimizer.allocation.lease import Grant, Lease
from optimizer.store.ledger_tables import grants, leases

_held = select(leases, *(column for column in grants.c if column.name != "fencing_token"))
_LEASES = _held.join_from(
    leases, grants, leases.c.fencing_token == grants.c.fencing_token
).order_by(leases.c.fencing_token, grants.c.host, grants.c.resource)
_ACTIVE = leases.c.state == "active"

ENDING = _LEASES.where(
    _ACTIVE,
    leases.c.expires_at <= bindparam("soon"),
    or_(leases.c.expires_at <= bindparam("at"), leases.c.principal == bindparam("principal")),
)
"""Active leases that are over at `at`, and those of `principal` that are over by `soon`."""

OWN = _LEASES.where(
    leases.c.allocation_id == bindparam("allocation_id"),
    leases.c.principal == bindparam("principal"),
)
"""The lease of that id, if it is the principal's."""

BY_REQUEST = _LEASES.where(
    leases.c.principal == bindparam("principal"), leases.c.request_id == bindparam("request_id")
)
"""The lease that a principal's request id got."""

HELD_AFTER = _LEASES.where(_ACTIVE, leases.c.expires_at > bindparam("after"))
"""Active leases that end later than `after`."""

_NEWEST = (
    select(leases.c.fencing_token)
    .where(
        _ACTIVE,
        or_(bindparam("everybody"), leases.c.principal == bindparam("principal")),
    )
    .order_by(leases.c.fencing_token.desc())
    .limit(bindparam("most"))
)
NEWEST = _LEASES.where(leases.c.fencing_token.in_(_NEWEST))
"""The newest active leases of a principal, or of everybody."""

HOW_MANY = select(func.count()).where(
    _ACTIVE, or_(bindparam("everybody"), leases.c.principal == bindparam("principal"))
)
"""How many active leases a principal, or everybody, has."""

ENDS = (
    select(
        leases.c.expires_at,
        grants.c.host,
        grants.c.resource,
        func.sum(grants.c.granted).label("granted"),
    )
    .join(grants, grants.c.fencing_token == leases.c.fencing_token)
    .where(_ACTIVE, grants.c.resource.in_(bindparam("resources", expanding=True)))
    .group_by(leases.c.expires_at, grants.c.host, grants.c.resource)
    .order_by(leases.c.expires_at)
)
"""What leases hold of `resources`, by the moment at which they end."""

_INSERT_LEASE = insert(leases).returning(leases.c.fencing_token)
_INSERT_GRANTS = insert(grants)
_UPDATE_LEASE = (
    update(leases)
    .where(leases.c.fencing_token == bindparam("token"))
    .values({name: bindparam(name) for name in ("state", "ttl_s", "expires_at", "ended_at")})
)
_EXPIRE = (
    update(leases)
    .where(_ACTIVE, leases.c.expires_at <= bindparam("at"))
    .values(state="expired", ended_at=leases.c.expires_at)
)
_SETTLE = (
    update(grants)
    .where(
        grants.c.fencing_token == bindparam("token"),
        grants.c.host == bindparam("of_host"),
        grants.c.resource == bindparam("of_resource"),
    )
    .values(used=bindparam("spent"))
)


def load_leases(
    connection: Connection, query: Select[Any], values: Mapping[str, Any]
) -> list[Lease]:
    """Answer one of the queries above, oldest lease first."""
    rows: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query, values):
        rows.setdefault(row.fencing_token, []).append(row)
    return [_lease(of_lease) for of_lease in rows.values()]


def add_lease(connection: Connection, values: Mapping[str, Any], lines: Sequence[Grant]) -> Lease:
    """Write a new lease.

    Args:
        connection: The transaction.
        values: Every field of `Lease` but its token and grants.
        lines: What it holds.

    Returns:
        The lease with its fencing token.
    """
    token = int(connection.execute(_INSERT_LEASE, dict(values)).scalar_one())
    connection.execute(
        _INSERT_GRANTS,
        [
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
        ],
    )
    return Lease(fencing_token=token, grants=tuple(lines), **values)


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


def expire_leases(connection: Connection, at: datetime) -> None:
    """Mark active leases that are over at `at`; each ended when it was due."""
    connection.execute(_EXPIRE, {"at": at})


def settle_grant(connection: Connection, grant: Grant, token: int) -> None:
    """Write what a grant used."""
    connection.execute(
        _SETTLE,
        {
            "token": token,
            "of_host": grant.host,
            "of_resource": grant.resource,
            "spent": grant.used,
        },
    )


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
