"""Leases in the store: read with what they hold, written once, ended once."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from optimizer.allocation.lease import Grant, Lease
from optimizer.store.bindings import bindings
from optimizer.store.engine import to_microseconds
from optimizer.store.ledger_tables import grants, leases
from optimizer.store.prepared import insert_of

_held = select(leases, *(column for column in grants.c if column.name != "fencing_token"))
_LEASES = _held.join_from(
    leases, grants, leases.c.fencing_token == grants.c.fencing_token
).order_by(leases.c.fencing_token, grants.c.host, grants.c.resource)
_ACTIVE = leases.c.state == "active"

_OVER = leases.c.expires_at <= bindparam("at")
_SOON = leases.c.expires_at <= bindparam("soon")
ENDING = _LEASES.where(
    _ACTIVE,
    _SOON,
    or_(_OVER, leases.c.principal.in_(bindparam("principals", expanding=True))),
)
"""Active leases that are over at `at`, and those of `principals` that are over by `soon`."""

ENDING_OF_ONE = _LEASES.where(
    _ACTIVE, _SOON, or_(_OVER, leases.c.principal == bindparam("principal"))
)
"""The same for one principal: its text need not be made anew for each list."""

BY_ID = _LEASES.where(leases.c.allocation_id == bindparam("allocation_id"))
"""The lease of that id, whoever holds it."""

BY_REQUEST = _LEASES.where(
    leases.c.principal == bindparam("principal"), leases.c.request_id == bindparam("request_id")
)
"""The lease that a principal's request id got."""

OF_PRIORITIES = _LEASES.where(
    _ACTIVE, leases.c.priority_level.in_(bindparam("priorities", expanding=True))
)
"""Active leases of some priorities."""

YIELDING = _LEASES.where(_ACTIVE, leases.c.preempted_for == bindparam("to"))
"""Active leases that have to give way to a request."""

HELD_AFTER = _LEASES.where(_ACTIVE, leases.c.expires_at > bindparam("after"))
"""Active leases that end later than `after`."""

_NEWEST = (
    select(leases.c.fencing_token)
    .where(
        _ACTIVE,
        or_(bindparam("everybody", type_=Boolean), leases.c.principal == bindparam("principal")),
    )
    .order_by(leases.c.fencing_token.desc())
    .limit(bindparam("most"))
)
NEWEST = _LEASES.where(leases.c.fencing_token.in_(_NEWEST))
"""The newest active leases of a principal, or of everybody."""

HOW_MANY = select(func.count()).where(
    _ACTIVE,
    or_(bindparam("everybody", type_=Boolean), leases.c.principal == bindparam("principal")),
)
"""How many active leases a principal, or everybody, has."""

_IS_BOUND = exists().where(bindings.c.allocation_id == leases.c.allocation_id)

ENDS = (
    select(
        leases.c.expires_at,
        grants.c.host,
        grants.c.resource,
        grants.c.granted,
        _IS_BOUND.label("is_bound"),
    )
    .join_from(leases, grants, leases.c.fencing_token == grants.c.fencing_token)
    .where(_ACTIVE, grants.c.resource.in_(bindparam("resources", expanding=True)))
    .order_by(leases.c.expires_at)
)
"""What active leases hold of `resources`, in the order in which they end if nobody renews, and
whether processes run under them."""

OWNED = (
    select(grants.c.host, grants.c.resource, func.sum(grants.c.granted).label("granted"))
    .join_from(leases, grants, leases.c.fencing_token == grants.c.fencing_token)
    .where(_ACTIVE, leases.c.principal == bindparam("principal"))
    .group_by(grants.c.host, grants.c.resource)
)
"""What the active leases of a principal hold of each pool."""

SETTLED = (
    select(func.sum(grants.c.used))
    .join_from(leases, grants, leases.c.fencing_token == grants.c.fencing_token)
    .where(
        leases.c.principal == bindparam("principal"),
        leases.c.ended_at >= bindparam("since"),
        grants.c.resource == bindparam("of_resource"),
    )
)
"""What a principal's leases settled of a budget, of those that ended since a moment."""

HOLDERS = (
    select(leases.c.allocation_id, grants.c.granted, grants.c.burst)
    .join_from(leases, grants, leases.c.fencing_token == grants.c.fencing_token)
    .where(
        _ACTIVE,
        grants.c.host == bindparam("of_host"),
        grants.c.resource == bindparam("of_resource"),
    )
    .order_by(leases.c.fencing_token)
)
"""What each active lease holds of one pool."""

LAST_TOKEN = select(func.max(leases.c.fencing_token))
"""The largest fencing token that was ever given."""

_GIVING_WAY = ("yields_to", "preempted_for", "would_expire_at")
_AS_THEY_ARE = (
    "fencing_token",
    "allocation_id",
    "principal",
    "request_id",
    "fingerprint",
    "purpose",
    "priority_level",
    "strategy",
    "strategy_effect",
    "ttl_s",
    "state",
)
_as_they_are = attrgetter(*_AS_THEY_ARE)
_INSERT_LEASES = insert_of(leases, *_AS_THEY_ARE, "granted_at", "expires_at", "min_fraction")
_INSERT_GRANTS = insert_of(grants, *(c.name for c in grants.c if c.name != "used"))
_UPDATE_LEASE = (
    update(leases)
    .where(leases.c.fencing_token == bindparam("token"))
    .values(
        {
            name: bindparam(name)
            for name in ("state", "ttl_s", "expires_at", "ended_at", "would_expire_at")
        }
    )
)
_GIVE_WAY = (
    update(leases)
    .where(leases.c.fencing_token == bindparam("token"))
    .values({name: bindparam(name) for name in ("expires_at", *_GIVING_WAY)})
)
_WITHDRAW = (
    update(leases)
    .where(_ACTIVE, leases.c.preempted_for == bindparam("to"))
    .values(expires_at=leases.c.would_expire_at, **dict.fromkeys(_GIVING_WAY))
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

_RESIZE = (
    update(grants)
    .where(
        grants.c.fencing_token == bindparam("token"),
        grants.c.host == bindparam("of_host"),
        grants.c.resource == bindparam("of_resource"),
    )
    .values(granted=bindparam("parts"), slots=bindparam("at_slots"))
)


def load_leases(
    connection: Connection, query: Select[Any], values: Mapping[str, Any]
) -> list[Lease]:
    """Answer one of the queries above, oldest lease first."""
    rows: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query, values):
        rows.setdefault(row.fencing_token, []).append(row)
    return [_lease(of_lease) for of_lease in rows.values()]


def add_leases(connection: Connection, new: Sequence[Lease]) -> None:
    """Write new leases, which are all active, with what they hold."""
    _INSERT_LEASES.run_all(
        connection,
        [
            (
                *_as_they_are(lease),
                to_microseconds(lease.granted_at),
                to_microseconds(lease.expires_at),
                lease.min_fraction,
            )
            for lease in new
        ],
    )
    _INSERT_GRANTS.run_all(
        connection,
        [
            (
                lease.fencing_token,
                grant.host,
                grant.resource,
                grant.unit,
                grant.requested,
                grant.granted,
                grant.burst,
                _written(grant.slots),
            )
            for lease in new
            for grant in lease.grants
        ],
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
            "would_expire_at": lease.would_expire_at,
        },
    )


def give_way(connection: Connection, lease: Lease, to: str) -> None:
    """Write that a lease has to give way to a request, and when."""
    connection.execute(
        _GIVE_WAY,
        {
            "token": lease.fencing_token,
            "expires_at": lease.expires_at,
            "yields_to": lease.yields_to,
            "preempted_for": to,
            "would_expire_at": lease.would_expire_at,
        },
    )


def withdraw(connection: Connection, to: str) -> None:
    """Let leases that had to give way to a request last as long as they would have."""
    connection.execute(_WITHDRAW, {"to": to})


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


def resize_grant(connection: Connection, grant: Grant, token: int) -> None:
    """Write what a grant holds from now on."""
    connection.execute(
        _RESIZE,
        {
            "token": token,
            "of_host": grant.host,
            "of_resource": grant.resource,
            "parts": grant.granted,
            "at_slots": _written(grant.slots),
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
        state="preempted" if _gave_way(row) else row.state,
        granted_at=row.granted_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        grants=tuple(
            Grant(
                r.resource,
                r.host,
                r.unit,
                r.requested,
                r.granted,
                r.burst,
                r.used,
                slots_of(r.slots),
            )
            for r in rows
        ),
        min_fraction=row.min_fraction,
        yields_to=row.yields_to,
        would_expire_at=row.would_expire_at,
    )


def _gave_way(row: Row[Any]) -> bool:
    """Whether a lease ended earlier than it would have, for a request of higher priority."""
    return (
        row.state == "expired"
        and row.would_expire_at is not None
        and row.would_expire_at > row.expires_at
    )


def _written(slots: Mapping[int, int]) -> str | None:
    return json.dumps(dict(slots)) if slots else None


def slots_of(slots: str | None) -> Mapping[int, int]:
    """Parts by index, as they are written beside a grant."""
    return {int(slot): parts for slot, parts in json.loads(slots).items()} if slots else {}
