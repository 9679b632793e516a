"""The keeper of what runs under leases: one row a process, or one for a control group."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
)

from optimizer.machine.attribution import Binding
from optimizer.machine.processes import ProcessId
from optimizer.quantities import from_parts
from optimizer.store.engine import Database
from optimizer.store.ledger_tables import grants, leases

bindings = Table(
    "lease_bindings",
    MetaData(),
    Column("allocation_id", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("pid", BigInteger, primary_key=True),
    Column("started_ticks", BigInteger),
    Column("cgroup", Text),
)

_ACTIVE_IDS = select(leases.c.allocation_id).where(leases.c.state == "active")
_DROP_ENDED = delete(bindings).where(bindings.c.allocation_id.not_in(_ACTIVE_IDS))
_DROP_OF_LEASE = delete(bindings).where(
    bindings.c.allocation_id == bindparam("of_lease"), bindings.c.host == bindparam("of_host")
)
_IS_HELD = select(leases.c.allocation_id).where(
    leases.c.allocation_id == bindparam("of_lease"),
    leases.c.principal == bindparam("by"),
    leases.c.state == "active",
)


class BindingStore:
    """Bindings in the database.

    Args:
        database: The store.
        host: The machine whose processes they are.
    """

    def __init__(self, database: Database, *, host: str) -> None:
        self._database = database
        self._host = host

    async def bind(
        self,
        allocation_id: str,
        *,
        principal: str,
        processes: Sequence[ProcessId],
        cgroup: str | None,
    ) -> bool:
        """Bind processes or a control group to an active lease, in place of what was bound.

        Returns:
            Whether this principal holds such a lease; else nothing was changed.
        """
        row = {"allocation_id": allocation_id, "host": self._host, "cgroup": cgroup}
        rows = [row | {"pid": one.pid, "started_ticks": one.started_ticks} for one in processes]
        rows = rows or [row | {"pid": 0, "started_ticks": 0}]

        def change(connection: Connection) -> bool:
            held = {"of_lease": allocation_id, "by": principal}
            if connection.scalar(_IS_HELD, held) is None:
                return False
            connection.execute(_DROP_ENDED)
            connection.execute(_DROP_OF_LEASE, {"of_lease": allocation_id, "of_host": self._host})
            connection.execute(insert(bindings), rows)
            return True

        return await self._database.write(change, durable=False)

    async def active(self) -> tuple[Binding, ...]:
        """What runs under the active leases of this machine."""
        return await self._database.read(self._active)

    def _active(self, connection: Connection) -> tuple[Binding, ...]:
        processes: dict[str, list[ProcessId]] = {}
        groups: dict[str, str | None] = {}
        for row in connection.execute(
            select(bindings).where(
                bindings.c.host == self._host, bindings.c.allocation_id.in_(_ACTIVE_IDS)
            )
        ):
            groups[row.allocation_id] = row.cgroup
            if row.pid:
                identity = ProcessId(row.pid, row.started_ticks)
                processes.setdefault(row.allocation_id, []).append(identity)
        return tuple(
            replace(
                binding,
                processes=tuple(processes.get(binding.lease, ())),
                cgroup=groups[binding.lease],
            )
            for binding in _leases(connection, list(groups), self._host)
        )


def _leases(connection: Connection, ids: list[str], host: str) -> tuple[Binding, ...]:
    """Leases with what they hold of a machine, in the units of its pools; nothing is bound yet."""
    found: dict[str, Binding] = {}
    for row in connection.execute(
        select(
            leases.c.allocation_id,
            leases.c.fencing_token,
            leases.c.principal,
            grants.c.resource,
            grants.c.unit,
            grants.c.granted,
            grants.c.burst,
        )
        .join_from(leases, grants, leases.c.fencing_token == grants.c.fencing_token)
        .where(leases.c.allocation_id.in_(ids), grants.c.host == host)
    ):
        lease = found.get(row.allocation_id) or Binding(
            row.allocation_id, number=row.fencing_token, principal=row.principal
        )
        held = from_parts(row.granted, row.unit)
        most = held if row.burst is None else from_parts(max(row.granted, row.burst), row.unit)
        found[row.allocation_id] = replace(
            lease,
            granted=(*lease.granted, (row.resource, held)),
            allowed=(*lease.allowed, (row.resource, most)),
        )
    return tuple(found.values())
