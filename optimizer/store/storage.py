"""What is written stays below a limit: the oldest of what can be spared goes first. I/O."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection, text

from optimizer.errors import StorageError
from optimizer.store.backup import copies
from optimizer.store.engine import Database

logger = logging.getLogger("sequential_resource_optimization.store")

NEAR_LIMIT = "storage_near_limit"

EVERY = timedelta(minutes=10)

NEAR = 0.9
"""Share of the limit from which the oldest data is dropped; health warns if that is not enough."""

OLDEST = 0.25
"""Share of the time that a kind of data covers, which is dropped at once."""

SPARED = (
    ("samples", "at", "raw samples"),
    ("rollups", "start_s", "means of samples"),
    ("served_forecasts", "origin", "served forecasts"),
    ("outcomes", "at", "recorded calls"),
    ("decisions", "created_at", "decisions"),
)
"""Table, column of time, and name of what may be dropped, in this order. Leases never are: they
end, and are forgotten a week later."""


@dataclass(frozen=True)
class StorageUse:
    """What is written, in bytes.

    Attributes:
        database: Pages in use of the SQLite file, or the size of our tables on a server.
        beside: Copies made before migrations, and the log file.
        slack: Free pages and the write-ahead log, which are used again and cut back by themselves.
        limit: The most that the database and what is beside it may be.
        dropped: Names of what was dropped to stay below.
    """

    database: int
    beside: int
    slack: int
    limit: int
    dropped: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Everything."""
        return self.database + self.beside + self.slack

    @property
    def is_near(self) -> bool:
        """Whether it is time to drop something."""
        return self.database + self.beside >= NEAR * self.limit


class StorageKeeper:
    """Measures what is written, and drops the oldest of it near the limit.

    On a database server nothing is dropped: its size is its operator's, and deleting frees none.

    Args:
        database: The store.
        limit: The most bytes.
        log: The log file, whose older file counts too; None when none is written.

    Attributes:
        limit: The same; it may be replaced at any time.
        latest: The last measurement; None before the first.
    """

    def __init__(self, database: Database, *, limit: int, log: Path | None) -> None:
        self.limit = limit
        self.latest: StorageUse | None = None
        self._database = database
        self._log = log

    async def run(self) -> None:
        """Keep it below until cancelled."""
        while True:
            try:
                await self.keep_below()
            except StorageError as error:
                logger.warning("what is written could not be measured: %s", error)
            await asyncio.sleep(EVERY.total_seconds())

    async def keep_below(self) -> StorageUse:
        """Drop the oldest data, kind by kind, until it is not near the limit any more.

        Raises:
            StorageError: The store cannot be read or written.
        """
        use = await self.measure()
        dropped: list[str] = []
        for table, column, name in SPARED:
            while use.is_near and self._database.is_sqlite:
                gone = await self._database.write(partial(_drop, table=table, column=column))
                if not gone:
                    break
                dropped += [] if name in dropped else [name]
                use = await self.measure()
        if dropped:
            logger.warning("dropped the oldest %s to stay below %d bytes", dropped, self.limit)
        self.latest = replace(use, dropped=tuple(dropped))
        return self.latest

    async def measure(self) -> StorageUse:
        """How much is written now.

        Raises:
            StorageError: The store cannot be read.
        """
        database = await self._database.read(_bytes_in_use)
        path = self._database.path
        log = [] if self._log is None else [self._log, Path(f"{self._log}.1")]
        beside = await anyio.to_thread.run_sync(
            _size, [*([] if path is None else copies(path)), *log]
        )
        if path is None:
            return StorageUse(database, beside, 0, self.limit)
        files = await anyio.to_thread.run_sync(_size, [path, Path(f"{path}-wal")])
        return StorageUse(database, beside, max(0, files - database), self.limit)


def _bytes_in_use(connection: Connection) -> int:
    if connection.dialect.name != "sqlite":
        tables = "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables"
        return int(connection.scalar(text(tables)) or 0)
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file())


def _drop(connection: Connection, *, table: str, column: str) -> int:
    """Delete the oldest part of a table and give its pages back; answers how many rows."""
    ends = text(f"SELECT min({column}), max({column}) FROM {table}")
    oldest, newest = connection.execute(ends).one()
    if oldest is None:
        return 0
    until = oldest + int((newest - oldest) * OLDEST)
    deleted = connection.execute(
        text(f"DELETE FROM {table} WHERE {column} <= :until"), {"until": until}
    ).rowcount
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA incremental_vacuum").fetchall()
    return deleted


def problems(latest: StorageUse | None) -> dict[str, str]:
    """The word and the sentence for the health; empty while there is room."""
    if latest is None or not latest.is_near:
        return {}
    kept, limit = (latest.database + latest.beside) / 1e6, latest.limit / 1e6
    said = (
        f"{kept:.0f} MB are kept, the limit is {limit:.0f} MB. What to do: raise STORAGE_LIMIT, "
        "remove copies (sro.db.schema-*), or lower HISTORY_RETENTION"
    )
    return {NEAR_LIMIT: said}
