"""Profiled MCP servers."""

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, Text


def up(connection: Connection) -> None:
    """Make the table."""
    Table(
        "catalog",
        MetaData(),
        Column("mcp", String(200), primary_key=True),
        Column("profiled_at", BigInteger, nullable=False),
        Column("entry", Text, nullable=False),
    ).create(connection)
