"""Past runs of commands, from which the next lease of each is guessed."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

_METADATA = MetaData()

_runs = Table(
    "runs",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("principal", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("directory", Text, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("cpu_s", Float, nullable=False),
    Column("peak_bytes", BigInteger, nullable=False),
    Column("exit_code", Integer, nullable=False),
    Index("runs_of_command", "principal", "command"),
)


def up(connection: Connection) -> None:
    """Make the table of runs."""
    _METADATA.create_all(connection, checkfirst=False)
