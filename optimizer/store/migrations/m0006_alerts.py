"""Alerts: when each was raised, and when it was over."""

from sqlalchemy import BigInteger, Column, Connection, Float, Index, Integer, MetaData, Table, Text

_METADATA = MetaData()

_alerts = Table(
    "alerts",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("host", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("direction", Text, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("expected_at", BigInteger),
    Column("cleared_at", BigInteger),
)
Index("alerts_standing", _alerts.c.host, _alerts.c.cleared_at)


def up(connection: Connection) -> None:
    """Make the table of alerts."""
    _METADATA.create_all(connection, checkfirst=False)
