"""What runs under a lease: processes, or a control group."""

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text

_METADATA = MetaData()

_lease_bindings = Table(
    "lease_bindings",
    _METADATA,
    Column("allocation_id", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("pid", BigInteger, primary_key=True),
    Column("started_ticks", BigInteger, nullable=False),
    Column("cgroup", Text),
)


def up(connection: Connection) -> None:
    """Make the table of bindings."""
    _METADATA.create_all(connection, checkfirst=False)
