"""Leases that give way, the least share that they can use, and indices of devices and slots."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

_METADATA = MetaData()

_slots = Table(
    "slots",
    _METADATA,
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    CheckConstraint("held >= 0 AND held <= size", name="slots_never_twice"),
)

_COLUMNS = (
    "ALTER TABLE leases ADD COLUMN min_fraction DOUBLE PRECISION NOT NULL DEFAULT 1",
    "ALTER TABLE leases ADD COLUMN yields_to TEXT",
    "ALTER TABLE leases ADD COLUMN preempted_for TEXT",
    "ALTER TABLE leases ADD COLUMN would_expire_at BIGINT",
    "ALTER TABLE grants ADD COLUMN slots TEXT",
)


def up(connection: Connection) -> None:
    """Add the columns and the table."""
    for column in _COLUMNS:
        connection.execute(text(column))
    _METADATA.create_all(connection, checkfirst=False)
