"""The database: one engine, one writer, numbered migrations.

Keepers hand in plain functions of a connection; this file decides where and when they run. On
SQLite they run on a worker thread, one hop for a whole transaction, and writes that wait for each
other are committed together (optimizer/store/sqlite.py). On PostgreSQL each runs in a transaction
of its own (optimizer/store/postgres.py).
"""

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Dialect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError
from sqlalchemy.types import BigInteger, TypeDecorator

from optimizer.errors import ConfigurationError, StorageError
from optimizer.store.backup import alone, back_up
from optimizer.store.damage import is_damaged, set_aside
from optimizer.store.migrations import SCHEMA, migrate, version_of
from optimizer.store.postgres import PostgresEngine
from optimizer.store.prepared import Writing
from optimizer.store.sqlite import SqliteEngine, sqlite_path

logger = logging.getLogger("sequential_resource_optimization.store")

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

MEMORY_URL = "sqlite:///:memory:"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC, kept as whole microseconds since 1970, safe from reinterpretation."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Write a moment as microseconds."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read microseconds as a moment."""
        return None if value is None else from_microseconds(value)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC.

    Raises:
        TypeError: The moment has no time zone.
    """
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_microseconds(microseconds: int) -> datetime:
    """The aware moment, in UTC."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


class _Engine(Protocol):
    """Where transactions run."""

    async def open(self) -> None: ...

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT: ...

    async def write(self, change: Callable[[Connection], ResultT], *, durable: bool) -> ResultT: ...

    def write_at_once(self, writing: Writing) -> bool: ...

    def others_wrote(self) -> int | None: ...

    async def claim(self, name: str) -> bool: ...

    async def close(self) -> None: ...


class Database:
    """The store, opened on first use.

    Args:
        url: An SQLAlchemy URL: `sqlite:///PATH`, `sqlite:///:memory:` or `postgresql+asyncpg://…`.

    Attributes:
        set_aside: Where a damaged SQLite file was moved when the store was opened; else None.

    Raises:
        ConfigurationError: The URL names neither.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self._engine: _Engine = (
            SqliteEngine(self.url) if self.is_sqlite else PostgresEngine(self.url)
        )
        self.set_aside: Path | None = None
        self._opening = anyio.Lock()
        self._is_open = False

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file; None in memory and on a server."""
        return sqlite_path(self.url) if self.is_sqlite else None

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    async def open(self) -> None:
        """Create what is missing and bring the schema up to date; again, it does nothing.

        Raises:
            StorageError: The database cannot be opened, or is newer than this program.
            ConfigurationError: The folder of the SQLite file cannot be made.
        """
        if self._is_open:
            return
        async with self._opening:
            if self._is_open:
                return
            try:
                await self._open()
            except (SQLAlchemyError, OSError) as error:
                raise self._storage_error("open", error) from error
            self._is_open = True

    async def _open(self) -> None:
        """Open and migrate; a SQLite file that is damaged is set aside, and a new one begun."""
        try:
            await self._try_to_open()
        except DatabaseError as error:
            if self.path is None or not is_damaged(error):
                raise
            self.set_aside = set_aside(self.path)
            logger.error("%s is damaged; it was moved to %s", self.path, self.set_aside)
            await self._try_to_open()

    async def _try_to_open(self) -> None:
        try:
            await self._engine.open()
            await self._migrate()
        except BaseException:
            await self._engine.close()
            raise

    async def _migrate(self) -> None:
        """Bring the schema up to date; a SQLite file with an older one is copied before."""
        path = self.path
        if path is None or not 0 < await self._engine.read(version_of) < SCHEMA:
            await self._engine.write(migrate, durable=True)
            return
        async with AsyncExitStack() as stack:
            lock = alone(path)
            await anyio.to_thread.run_sync(lock.__enter__)
            stack.callback(lock.__exit__, None, None, None)
            version = await self._engine.read(version_of)
            if version < SCHEMA:
                await anyio.to_thread.run_sync(partial(back_up, path, version=version))
            await self._engine.write(migrate, durable=True)

    async def close(self) -> None:
        """Close every connection; the next use opens them again."""
        async with self._opening:
            if self._is_open:
                self._is_open = False
                await self._engine.close()

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Answer what `query` returns; all that it reads is of one moment.

        Raises:
            StorageError: The database cannot be read.
        """
        await self.open()
        try:
            return await self._engine.read(query)
        except (SQLAlchemyError, OSError) as error:
            raise self._storage_error("read", error) from error

    async def write(
        self, change: Callable[[Connection], ResultT], *, durable: bool = True
    ) -> ResultT:
        """Run `change` in a transaction that nothing can come between, and answer its result.

        The transaction is committed when this returns, and undone when `change` raises. Once begun
        it is finished even when the caller is cancelled.

        Args:
            change: Reads and writes through the connection; it must not commit.
            durable: Whether the commit reaches the disk before this returns. Samples, which may be
                lost with the power, need not wait for it.

        Raises:
            StorageError: The database cannot be written; nothing was changed.
        """
        await self.open()
        try:
            return await self._engine.write(change, durable=durable)
        except (SQLAlchemyError, OSError) as error:
            raise self._storage_error("write", error) from error

    def write_at_once(self, writing: Writing) -> bool:
        """Run a few statements in one transaction here and now, if nothing stands in the way.

        To hand a small write to a worker costs more than the write. This one waits for nobody: it
        does not reach the disk before it returns, as those of `write` that are not durable.

        Returns:
            Whether it is committed. If not, for whatever reason, nothing was changed: use `write`.
        """
        return self._is_open and self._engine.write_at_once(writing)

    def others_wrote(self) -> int | None:
        """A number that is another one when another process has written; costs microseconds.

        Returns:
            None where it cannot be told without waiting: on a server, while a change is being
            made, and before the first. Then there may be something new.
        """
        return self._engine.others_wrote() if self._is_open else None

    async def claim(self, name: str) -> bool:
        """Try to be the only one with this name on the store, from now until it is closed.

        A SQLite file is of one machine, whose processes have lock files; there it is always ours.

        Returns:
            Whether it is ours, from now or before.

        Raises:
            StorageError: The database cannot be reached.
        """
        await self.open()
        try:
            return await self._engine.claim(name)
        except (SQLAlchemyError, OSError) as error:
            raise self._storage_error("read", error) from error

    def _storage_error(self, action: str, error: Exception) -> StorageError:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        logger.debug("cannot %s %s: %s", action, self.shown_url, cause)
        return StorageError(
            f"cannot {action} the store ({cause}); nothing was changed. "
            "Check free disk space, permissions and DATABASE_URL"
        )


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None and parsed.drivername in ("sqlite", "sqlite+aiosqlite"):
        return parsed.set(drivername="sqlite")
    if parsed is not None and parsed.drivername in ("postgresql", "postgresql+asyncpg"):
        return parsed.set(drivername="postgresql+asyncpg")
    raise ConfigurationError(
        setting="DATABASE_URL",
        problem="it is not the URL of a database that this program can use",
        fix="write sqlite:////absolute/path.db or postgresql+asyncpg://USER@HOST/NAME",
    )
