"""The keeper of past runs of commands: what each used, for the next lease."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
)

from optimizer.enforcement.usual import PastRun
from optimizer.store.engine import Database, UtcDateTime

RUNS_KEPT = 200
"""Of each command of a principal, wherever it ran."""

_runs = Table(
    "runs",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("principal", Text),
    Column("command", Text),
    Column("directory", Text),
    Column("ended_at", UtcDateTime),
    Column("wall_s", Float),
    Column("cpu_s", Float),
    Column("peak_bytes", BigInteger),
    Column("exit_code", Integer),
)


class RunStore:
    """Runs in the database; fits `RunKeeper`.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def past(
        self, command: str, *, directory: str, principal: str, limit: int
    ) -> tuple[PastRun, ...]:
        """Newest runs of a command in a directory; of the same elsewhere, where it had none."""
        of_command = (
            select(_runs)
            .where(_runs.c.principal == principal, _runs.c.command == command)
            .order_by(_runs.c.id.desc())
            .limit(limit)
        )
        here = of_command.where(_runs.c.directory == directory)

        def query(connection: Connection) -> tuple[PastRun, ...]:
            rows = connection.execute(here).all() or connection.execute(of_command).all()
            return tuple(_past(row) for row in rows)

        return await self._database.read(query)

    async def record(self, run: PastRun, *, principal: str) -> None:
        """Keep a run.

        Raises:
            StorageError: It cannot be kept.
        """
        row = {
            "principal": principal,
            "command": run.command,
            "directory": run.directory,
            "ended_at": run.ended_at,
            "wall_s": run.wall_s,
            "cpu_s": run.cpu_s,
            "peak_bytes": run.peak_bytes,
            "exit_code": run.exit_code,
        }
        same = (_runs.c.principal == principal, _runs.c.command == run.command)

        def change(connection: Connection) -> None:
            connection.execute(insert(_runs).values(row))
            oldest = connection.scalar(
                select(_runs.c.id)
                .where(*same)
                .order_by(_runs.c.id.desc())
                .offset(RUNS_KEPT - 1)
                .limit(1)
            )
            if oldest is not None:
                connection.execute(delete(_runs).where(*same, _runs.c.id < oldest))

        await self._database.write(change, durable=False)


def _past(row: Row[Any]) -> PastRun:
    return PastRun(
        command=row.command,
        directory=row.directory,
        ended_at=row.ended_at,
        wall_s=row.wall_s,
        cpu_s=row.cpu_s,
        peak_bytes=row.peak_bytes,
        exit_code=row.exit_code,
    )
