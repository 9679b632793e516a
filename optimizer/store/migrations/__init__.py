"""Numbered migrations: what changed in the schema, in order, each applied once.

To change the schema add a module `m0005_what.py` with `up(connection)` and append it to
`MIGRATIONS`. A migration states its tables itself and never imports a keeper: keepers change, a
migration that has run does not.
"""

import logging
from collections.abc import Callable

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    func,
    insert,
    inspect,
    select,
    text,
)

from optimizer.errors import StorageError
from optimizer.store.migrations import (
    m0001_samples,
    m0002_ledger,
    m0003_decisions,
    m0004_outcomes,
    m0005_lease_bindings,
    m0006_alerts,
    m0007_unmanaged,
    m0008_served_forecasts,
    m0009_applications,
    m0010_catalog,
    m0011_runs,
    m0012_giving_way,
)

logger = logging.getLogger("sequential_resource_optimization.store")

Migration = Callable[[Connection], None]

MIGRATIONS: tuple[Migration, ...] = (
    m0001_samples.up,
    m0002_ledger.up,
    m0003_decisions.up,
    m0004_outcomes.up,
    m0005_lease_bindings.up,
    m0006_alerts.up,
    m0007_unmanaged.up,
    m0008_served_forecasts.up,
    m0009_applications.up,
    m0010_catalog.up,
    m0011_runs.up,
    m0012_giving_way.up,
)

_versions = Table("schema_version", MetaData(), Column("version", Integer, primary_key=True))

_NEWEST = select(func.max(_versions.c.version))

_POSTGRES_LOCK = 0x53524F  # "SRO": one migrating process at a time


SCHEMA = len(MIGRATIONS)
"""The version that this program knows."""


def version_of(connection: Connection) -> int:
    """The schema version of a database; 0 for an empty one."""
    if not inspect(connection).has_table(_versions.name):
        return 0
    return connection.scalar(select(func.max(_versions.c.version))) or 0


def refuse_newer(connection: Connection) -> None:
    """Refuse to write to what a newer program has migrated since.

    Raises:
        StorageError: It did.
    """
    current = connection.scalar(_NEWEST) or 0
    if current > SCHEMA:
        raise StorageError(
            f"the database has schema {current}, this program knows {SCHEMA}: a newer version "
            "migrated it. Restart this program with that version; nothing was changed"
        )


def migrate(connection: Connection) -> None:
    """Apply what is missing, inside the caller's transaction, which holds the write lock.

    Raises:
        StorageError: The database was made by a newer version of this program.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
    _versions.create(connection, checkfirst=True)
    refuse_newer(connection)
    current = connection.scalar(_NEWEST) or 0
    for version, up in enumerate(MIGRATIONS[current:], start=current + 1):
        up(connection)
        connection.execute(insert(_versions).values(version=version))
    if current < SCHEMA:
        logger.info("schema migrated from version %d to %d", current, SCHEMA)
