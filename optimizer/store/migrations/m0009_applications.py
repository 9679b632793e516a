"""What became of decisions that were carried out."""

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, Text

_METADATA = MetaData()

Table(
    "applications",
    _METADATA,
    Column("decision_id", String(64), primary_key=True),
    Column("applied_at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("application", Text, nullable=False),
)


def up(connection: Connection) -> None:
    """Make the table of applications."""
    _METADATA.create_all(connection, checkfirst=False)
