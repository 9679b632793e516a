"""PostgreSQL through asyncpg: one transaction for each read and write, tried again when it must be.

Nothing is over-committed by several processes because the ledger locks its rows in one order; what
PostgreSQL still refuses in favour of another transaction is run once more from its beginning.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from optimizer.errors import ConfigurationError
from optimizer.store.migrations import refuse_newer
from optimizer.store.prepared import Writing
from optimizer.store.unstoppable import finish

ResultT = TypeVar("ResultT")

ATTEMPTS = 8
"""How often a transaction is begun before its error is passed on."""

PAUSE_S = 0.005
"""Before the second attempt, on average; twice as long before each further one."""

AGAIN = {
    "40001": "could not serialize",
    "40P01": "deadlock",
    "23505": "another transaction made that row meanwhile; the next attempt sees it",
}
"""SQLSTATEs after which a transaction is run again: PostgreSQL manual, appendix A and 13.5."""

CLAIM = text("SELECT pg_try_advisory_lock(hashtext('sequential-resource-optimization'), :key)")
KEY_OF = text("SELECT hashtext(:name)")


class PostgresEngine:
    """Connections to one PostgreSQL database; the drivers are imported when this is opened.

    Args:
        url: With the driver `postgresql+asyncpg`.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine: Any = None
        self._reading: Any = None
        self._claims = _Claims()
        self._is_migrated = False

    async def open(self) -> None:
        """Make the pool of connections; none is opened yet.

        Raises:
            ConfigurationError: The drivers are not installed.
        """
        try:
            import asyncpg  # noqa: F401
            import greenlet  # noqa: F401
            from sqlalchemy.ext.asyncio import create_async_engine
        except ImportError as error:
            raise ConfigurationError(
                setting="DATABASE_URL",
                problem=f"PostgreSQL needs a driver that is not installed ({error.name})",
                fix="pip install 'sequential-resource-optimization[postgresql]'",
            ) from error
        self._engine = create_async_engine(self._url, pool_pre_ping=True)
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._is_migrated = False

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Answer a query, all of one moment."""
        async with _driver_errors(), self._reading.connect() as connection:
            result: ResultT = await connection.run_sync(query)
            return result

    async def write(self, change: Callable[[Connection], ResultT], *, durable: bool) -> ResultT:
        """Commit a change, or raise and have changed nothing; see `Database.write`."""
        return await finish(asyncio.ensure_future(self._write(change, durable)))

    async def _write(self, change: Callable[[Connection], ResultT], durable: bool) -> ResultT:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._try_to_write(change, durable)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in AGAIN:
                    raise
            await asyncio.sleep(random.uniform(0, PAUSE_S * 2**attempt))
        return await self._try_to_write(change, durable)

    async def _try_to_write(
        self, change: Callable[[Connection], ResultT], durable: bool
    ) -> ResultT:
        """Run a change once; the first one of all is the migration, the others need its schema."""
        async with _driver_errors(), self._engine.begin() as connection:
            if not durable:
                await connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            if self._is_migrated:
                await connection.run_sync(refuse_newer)
            result: ResultT = await connection.run_sync(change)
        self._is_migrated = True
        return result

    def write_at_once(self, writing: Writing) -> bool:
        """Never: on a server every write waits for the network."""
        return False

    def others_wrote(self) -> int | None:
        """Nobody can tell without asking the server."""
        return None

    async def claim(self, name: str) -> bool:
        """Hold an advisory lock of this name until the end of this process or of the connection."""
        async with _driver_errors():
            return await self._claims.claim(name, self._engine)

    async def close(self) -> None:
        """Give every connection back, and with them what was claimed."""
        await self._claims.close()
        if self._engine is not None:
            await self._engine.dispose()
            await asyncio.sleep(0)  # the sockets are closed in the next turn of the event loop


class _Claims:
    """Advisory locks on a connection of their own, which hold as long as it does."""

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._connection: Any = None
        self._held: set[str] = set()

    async def claim(self, name: str, engine: Any) -> bool:
        async with self._turn:
            if self._connection is not None and not await self._is_alive():
                await self._drop()
            if self._connection is None:
                own = engine.execution_options(isolation_level="AUTOCOMMIT")
                self._connection = await own.connect()
            if name not in self._held and await self._lock(name):
                self._held.add(name)
            return name in self._held

    async def close(self) -> None:
        async with self._turn:
            if self._connection is not None:
                await self._drop()

    async def _lock(self, name: str) -> bool:
        key = await self._connection.scalar(KEY_OF, {"name": name})
        return bool(await self._connection.scalar(CLAIM, {"key": key}))

    async def _is_alive(self) -> bool:
        try:
            await self._connection.scalar(text("SELECT 1"))
        except (DBAPIError, OSError):
            return False
        return True

    async def _drop(self) -> None:
        """Close the connection itself: back in the pool it would go on holding the locks."""
        connection, self._connection, self._held = self._connection, None, set()
        await connection.invalidate()
        await connection.close()


@asynccontextmanager
async def _driver_errors() -> AsyncIterator[None]:
    """What asyncpg raises while it connects reaches us unwrapped: pass it on as an OSError."""
    from asyncpg import InterfaceError, PostgresError

    try:
        yield
    except (PostgresError, InterfaceError) as error:
        raise OSError(str(error)) from error
