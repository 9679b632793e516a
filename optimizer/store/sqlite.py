"""SQLite on worker threads: readers beside one writer, which commits what waits as a group."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from optimizer.errors import ConfigurationError
from optimizer.store.damage import check
from optimizer.store.migrations import refuse_newer
from optimizer.store.prepared import Writing
from optimizer.store.unstoppable import finish

logger = logging.getLogger("sequential_resource_optimization.store")

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

THREADS = 5
"""One writer and four readers at once; a further reader waits for a thread."""

WAL_BYTES = 16 * 2**20
"""To which the write-ahead log is cut back when it has been written into the file."""

CHECKPOINT_PAGES = 1000
"""From this many pages on a commit that may wait writes the log back into the file; it is SQLite's
own default."""

CACHE_KIB = 512
"""Of pages that each connection holds; SQLite's own 2 MiB fill over weeks, once a connection, with
what the system's cache holds as well."""

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


@dataclass(frozen=True)
class _Writer:
    """The connection that writes, with what a small write needs of it at hand."""

    connection: Connection
    raw: Any
    info: dict[Any, Any]
    dialect: Dialect

    @classmethod
    def of(cls, connection: Connection) -> "_Writer":
        pooled = connection.connection
        return cls(connection, pooled.driver_connection, pooled.info, connection.dialect)


class SqliteEngine:
    """Where transactions on a SQLite file, or in memory, run.

    Args:
        url: Of SQLite; without a path the data stays in memory.
    """

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="sqlite")
        self._in_memory = sqlite_path(url) is None
        self._engine: Engine | None = None
        self._writer: _Writer | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sro-store")
        self._write_turn = anyio.Lock(fast_acquire=True)
        self._waiting: list[_Pending[Any]] = []
        self._schema_cookie: int | None = None

    async def open(self) -> None:
        """Make the folder, connect, and look whether the file is whole."""
        path = sqlite_path(self._url)
        if path is not None:
            _make_folder(path)
        pool = {"poolclass": StaticPool} if self._in_memory else {}
        arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
        engine = create_engine(self._url, connect_args=arguments, **pool)
        event.listen(engine, "connect", _on_connect)
        self._engine = engine
        self._schema_cookie = None
        await self._on_thread(check, engine)

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Read on a worker, beside the writer."""
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
        writer = self._writer
        if writer is None or self._schema_cookie is None or self._write_turn.locked():
            return False
        raw = writer.raw
        try:
            _prepare_to_write(raw, writer.info, AT_ONCE)
            raw.execute("BEGIN IMMEDIATE")
            is_known = self._schema_cookie == _schema_cookie(raw)
            for statement, row in writing if is_known else ():
                raw.execute(statement.in_words_of(writer.dialect), row)
            raw.execute("COMMIT" if is_known else "ROLLBACK")
            return is_known
        except sqlite3.Error as error:
            logger.debug("nothing was written at once: %s", error)
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            return False

    def others_wrote(self) -> int | None:
        """A number that changes when another process has written to the file; see `Database`."""
        if self._in_memory:
            return 0
        writer = self._writer
        if writer is None or self._write_turn.locked():
            return None
        try:
            _prepare_to_write(writer.raw, writer.info, AT_ONCE)
            return int(writer.raw.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    async def claim(self, name: str) -> bool:
        """Always: whose file it is, a lock beside it says."""
        return True

    async def close(self) -> None:
        """Close every connection, when the writer is done."""
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
            connection.exec_driver_sql("BEGIN")
            return query(connection)

    def _commit(self, batch: list[_Pending[Any]]) -> None:
        try:
            connection = self._writing()
            manner = DURABLE if any(p.durable for p in batch) else LASTING
            with connection.begin():
                _begin_to_write(connection, manner)
                self._refuse_changed_schema(connection)
                _run_all(batch, connection)
                self._schema_cookie = _schema_cookie(_raw(connection))
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
        if self._schema_cookie not in (None, _schema_cookie(_raw(connection))):
            refuse_newer(connection)

    def _writing(self) -> Connection:
        """The writer's own connection: to fetch one each time would cost as much as a write."""
        if self._writer is None or self._writer.connection.closed:
            self._writer = _Writer.of(self._opened().connect())
        return self._writer.connection

    def _dispose(self, engine: Engine) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.connection.close()
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


def sqlite_path(url: URL) -> Path | None:
    """Where the file lies; None in memory."""
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
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _raw(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection


def _schema_cookie(raw: Any) -> int:
    return int(raw.execute("PRAGMA schema_version").fetchone()[0])


def _begin_to_write(connection: Connection, manner: _Manner) -> None:
    """Take the lock at the start, so that nothing comes between a check and its act.

    An event of the engine could do so, too, but with one each statement looks for all of them.
    """
    _prepare_to_write(_raw(connection), connection.connection.info, manner)
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_to_write(raw: Any, info: dict[Any, Any], manner: _Manner) -> None:
    """Say how the next write is to be made, unless the last was made so, too."""
    if info.get("manner") is manner:
        return
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
