"""Served forecasts, and sums of how they did."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

_METADATA = MetaData()

_served = Table(
    "served_forecasts",
    _METADATA,
    Column("host", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("step_s", Integer, primary_key=True),
    Column("origin", BigInteger, primary_key=True),
    Column("horizon", Integer, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("next_due", BigInteger, nullable=False),
    Column("bands", LargeBinary, nullable=False),
)

_tallies = Table(
    "forecast_tallies",
    _METADATA,
    Column("host", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("lead", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("error", Float, nullable=False),
    Column("naive_error", Float, nullable=False),
    Column("inside", Integer, nullable=False),
    Column("own_error", Float, nullable=False),
    Column("own_inside", Integer, nullable=False),
)


def up(connection: Connection) -> None:
    """Make the two tables."""
    _METADATA.create_all(connection, checkfirst=False)
