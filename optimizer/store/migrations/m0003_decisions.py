"""Decisions with what they were computed from."""

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, String, Table, Text

_metadata = MetaData()

_decisions = Table(
    "decisions",
    _metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("decision_id", String(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("decision", Text, nullable=False),
    Column("inputs", Text, nullable=False),
)

Index("decisions_by_time", _decisions.c.created_at, _decisions.c.sequence)


def up(connection: Connection) -> None:
    """Create the table of decisions; `created_at` is microseconds since 1970, UTC."""
    _metadata.create_all(connection, checkfirst=False)
