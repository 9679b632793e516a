"""Keeps what profiles found of MCP servers: one row a server, the newest profile."""

from sqlalchemy import Column, Connection, MetaData, String, Table, Text, delete, insert, select

from optimizer.catalog.entry import CatalogEntry
from optimizer.store.engine import Database, UtcDateTime
from optimizer.store.outcomes import forget

_catalog = Table(
    "catalog",
    MetaData(),
    Column("mcp", String(200), primary_key=True),
    Column("profiled_at", UtcDateTime),
    Column("entry", Text),
)


class CatalogStore:
    """The catalog in the database.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(self) -> dict[str, CatalogEntry]:
        """Every entry by id, in the order of the ids."""

        def query(connection: Connection) -> dict[str, CatalogEntry]:
            rows = connection.execute(select(_catalog).order_by(_catalog.c.mcp))
            return {row.mcp: CatalogEntry.model_validate_json(row.entry) for row in rows}

        return await self._database.read(query)

    async def entry(self, identifier: str) -> CatalogEntry | None:
        """One entry; None when there is none."""

        def query(connection: Connection) -> str | None:
            found = select(_catalog.c.entry).where(_catalog.c.mcp == identifier)
            return connection.execute(found).scalar_one_or_none()

        text = await self._database.read(query)
        return None if text is None else CatalogEntry.model_validate_json(text)

    async def keep(self, entry: CatalogEntry, *, forget_calls: bool) -> None:
        """Store an entry in place of the one with its id.

        Args:
            entry: The newest profile.
            forget_calls: Whether the recorded calls of the server are dropped, because it is
                another one now.

        Raises:
            StorageError: Nothing was stored.
        """
        row = {
            "mcp": entry.id,
            "profiled_at": entry.profiled_at,
            "entry": entry.model_dump_json(),
        }

        def change(connection: Connection) -> None:
            connection.execute(delete(_catalog).where(_catalog.c.mcp == entry.id))
            connection.execute(insert(_catalog), row)
            if forget_calls:
                forget(connection, entry.id)

        await self._database.write(change, durable=True)
