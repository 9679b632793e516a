"""Recorded calls of MCP servers."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

_METADATA = MetaData()

_outcomes = Table(
    "outcomes",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mcp", String(200), nullable=False),
    Column("tool", String(200)),
    Column("outcome", String(16), nullable=False),
    Column("latency_ms", Float),
    Column("tokens", Float),
    Column("usd", Float),
    Column("n", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("witness", String(16), nullable=False),
    Column("principal", String(200), nullable=False),
)
Index("outcomes_by_mcp", _outcomes.c.mcp, _outcomes.c.id)


def up(connection: Connection) -> None:
    """Make the table of recorded calls."""
    _METADATA.create_all(connection, checkfirst=False)
