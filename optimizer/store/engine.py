"""The database: one engine, one writer, numbered migrations.

Keepers hand in plain functions of a connection; this file decides where and when they run. On
SQLite they run on a worker thread, one hop for a whole transaction, and writes that wait for each
other are committed together (one flush for all of them). On PostgreSQL each runs in a transaction
of its own (optimizer/store/postgres.py).
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool
from sqlalchemy.types import BigInteger, TypeDecorator

from optimizer.errors import ConfigurationError, StorageError
from optimizer.store.backup import alone, back_up
from optimizer.store.damage import check, is_damaged, set_aside
from optimizer.store.migrations import SCHEMA, migrate, refuse_newer, version_of
from optimizer.store.postgres import PostgresEngine
from optimizer.store.prepared import Writing
from optimizer.store.unstoppable import finish

logger = logging.getLogger("sequential_resource_optimization.store")

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

MEMORY_URL = "sqlite:///:memory:"

THREADS = 5
"""One writer and four readers at once; a further reader waits for a thread."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WAL_BYTES = 16 * 2**20
"""To which the write-ahead log is cut back when it has been written into the file."""

CHECKPOINT_PAGES = 1000
"""From this many pages on a commit that may wait writes the log back into the file; it is SQLite's
own default."""

BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another process that holds the SQLite file."""

INCREMENTAL = 2
"""What `PRAGMA auto_vacuum` answers for a file that gives free pages back in small steps."""


@dataclass(frozen=True)
class _Manner:
    """How a transaction writes to a SQLite file.

    Attributes:
        synchronous: FULL reaches the disk before the commit returns, NORMAL does not.
        waits: For other processes, and for the disk when the log has grown long.
    """

    synchronous: str
    waits: bool


DURABLE, LASTING = _Manner("FULL", waits=True), _Manner("NORMAL", waits=True)
AT_ONCE = _Manner("NORMAL", waits=False)


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
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """The aware moment, in UTC."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


class _Engine(Protocol):
    """Where transactions run."""

    async def open(self) -> None: ...

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT: ...

    async def write(self, change: Callable[[Connection], ResultT], *, durable: bool) -> ResultT: ...

    def write_at_once(self, writing: Writing) -> bool: ...

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
            _SqliteEngine(self.url) if self.is_sqlite else PostgresEngine(self.url)
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
        return _sqlite_path(self.url) if self.is_sqlite else None

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


@dataclass
class _Pending(Generic[ResultT]):
    """A change that waits for the writer."""

    change: Callable[[Connection], ResultT]
    durable: bool
    done: bool = False
    result: list[ResultT] = field(default_factory=list)
    error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        self.result = [self.change(connection)]

    def outcome(self) -> ResultT:
        if self.error is not None:
            raise self.error
        return self.result[0]


class _SqliteEngine:
    """SQLite on worker threads: readers beside one writer, which commits what waits as a group."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="sqlite")
        self._in_memory = _sqlite_path(url) is None
        self._engine: Engine | None = None
        self._writer: Connection | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sro-store")
        self._write_turn = anyio.Lock(fast_acquire=True)
        self._waiting: list[_Pending[Any]] = []
        self._schema_cookie: int | None = None

    async def open(self) -> None:
        path = _sqlite_path(self._url)
        if path is not None:
            _make_folder(path)
        pool = {"poolclass": StaticPool} if self._in_memory else {}
        arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
        engine = create_engine(self._url, connect_args=arguments, **pool)
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        self._engine = engine
        self._schema_cookie = None
        await self._on_thread(check, engine)

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        async with self._read_turn():
            return await self._on_thread(self._read, query)

    async def write(self, change: Callable[[Connection], ResultT], *, durable: bool) -> ResultT:
        """Wait for a turn; whoever gets it commits every change that waits."""
        pending = _Pending(change, durable)
        self._waiting.append(pending)
        try:
            async with self._write_turn:
                if not pending.done:
                    batch, self._waiting = self._waiting, []
                    await self._on_thread(self._commit, batch)
        finally:
            if pending in self._waiting:
                self._waiting.remove(pending)
        return pending.outcome()

    def write_at_once(self, writing: Writing) -> bool:
        """On the event loop, so that it may neither wait for a lock nor write the log back."""
        if self._writer is None or self._writer.closed or self._schema_cookie is None:
            return False
        try:
            self._write_turn.acquire_nowait()
        except anyio.WouldBlock:
            return False
        try:
            return self._run_at_once(self._writer, writing)
        finally:
            self._write_turn.release()

    def _run_at_once(self, writer: Connection, writing: Writing) -> bool:
        raw: Any = writer.connection.driver_connection
        try:
            _prepare_to_write(writer, AT_ONCE)
            raw.execute("BEGIN IMMEDIATE")
            is_known = self._schema_cookie == _schema_cookie(writer)
            for statement, values in writing if is_known else ():
                raw.execute(*statement.in_words_of(writer.dialect, values))
            raw.execute("COMMIT" if is_known else "ROLLBACK")
            return is_known
        except sqlite3.Error as error:
            logger.debug("nothing was written at once: %s", error)
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            return False

    async def claim(self, name: str) -> bool:
        return True

    async def close(self) -> None:
        async with self._write_turn:
            engine, self._engine = self._engine, None
            if engine is not None:
                await self._on_thread(self._dispose, engine)

    async def _on_thread(
        self, work: Callable[[Unpack[ArgumentsT]], ResultT], *arguments: *ArgumentsT
    ) -> ResultT:
        loop = asyncio.get_running_loop()
        return await finish(loop.run_in_executor(self._threads, work, *arguments))

    def _read_turn(self) -> AbstractAsyncContextManager[object]:
        """In memory there is one connection, so readers take turns with the writer."""
        return self._write_turn if self._in_memory else nullcontext()

    def _read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        with self._opened().connect() as connection, connection.begin():
            return query(connection)

    def _commit(self, batch: list[_Pending[Any]]) -> None:
        try:
            connection = self._writing()
            connection.execution_options(sro_durable=any(p.durable for p in batch))
            with connection.begin():
                self._refuse_changed_schema(connection)
                _run_all(batch, connection)
                self._schema_cookie = _schema_cookie(connection)
        except BaseException as error:
            for pending in batch:
                pending.error = pending.error or error
        finally:
            for pending in batch:
                pending.done = True

    def _refuse_changed_schema(self, connection: Connection) -> None:
        """Refuse to write when a newer program has migrated under us; costs microseconds.

        SQLite counts changes of a schema in its file header. The first write of an engine is the
        migration itself.
        """
        if self._schema_cookie not in (None, _schema_cookie(connection)):
            refuse_newer(connection)

    def _writing(self) -> Connection:
        """The writer's own connection: to fetch one each time would cost as much as a write."""
        if self._writer is None or self._writer.closed:
            self._writer = self._opened().connect()
        return self._writer

    def _dispose(self, engine: Engine) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        engine.dispose()

    def _opened(self) -> Engine:
        if self._engine is None:
            raise OSError("the store is closed")
        return self._engine


def _run_all(batch: list[_Pending[Any]], connection: Connection) -> None:
    """Run each change; among several, one that raises must not undo the others."""
    if len(batch) == 1:
        batch[0].run(connection)
        return
    for pending in batch:
        savepoint = connection.begin_nested()
        try:
            pending.run(connection)
            savepoint.commit()
        except Exception as error:
            pending.error = error
            savepoint.rollback()


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


def _sqlite_path(url: URL) -> Path | None:
    return None if url.database in (None, "", ":memory:") else Path(str(url.database))


def _on_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Leave transactions to us, let readers work beside the writer (WAL), and files shrink."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA auto_vacuum")
    if cursor.fetchone() != (INCREMENTAL,):  # to say it again would write to the file
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _schema_cookie(connection: Connection) -> int:
    raw: Any = connection.connection.driver_connection
    return int(raw.execute("PRAGMA schema_version").fetchone()[0])


def _on_begin(connection: Connection) -> None:
    """A write takes the lock at its start, so that nothing comes between its check and its act."""
    durable = connection.get_execution_options().get("sro_durable")
    if durable is None:
        connection.exec_driver_sql("BEGIN")
        return
    _prepare_to_write(connection, DURABLE if durable else LASTING)
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_to_write(connection: Connection, manner: _Manner) -> None:
    """Say how the next write is to be made, unless the last was made so, too."""
    info = connection.connection.info
    if info.get("manner") == manner:
        return
    raw: Any = connection.connection.driver_connection
    raw.execute(f"PRAGMA synchronous={manner.synchronous}")
    raw.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000) if manner.waits else 0}")
    raw.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES if manner.waits else 0}")
    info["manner"] = manner


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            setting="DATABASE_URL",
            problem=f"the folder {path.parent} cannot be made ({error.strerror})",
            fix="set DATABASE_URL or DATA_DIR to a place that this user may write to",
        ) from error
