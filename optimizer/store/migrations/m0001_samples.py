"""Samples and their roll-ups."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
)

METRICS = (
    "cpu_usage",
    "memory_usage",
    "storage_usage",
    "swap_usage",
    "load_1m",
    "load_5m",
    "load_15m",
    "cpu_pressure",
    "memory_pressure",
    "io_pressure",
    "network_rx_bytes_s",
    "network_tx_bytes_s",
    "disk_read_bytes_s",
    "disk_write_bytes_s",
    "error_rate",
    "throughput",
    "response_time_ms",
    "network_latency_primary_ms",
    "network_latency_secondary_ms",
)


def up(connection: Connection) -> None:
    """Make the tables."""
    metadata = MetaData()
    Table(
        "hosts",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("latest", Text),
    )
    Table(
        "samples",
        metadata,
        Column("host_id", ForeignKey("hosts.id"), primary_key=True),
        Column("at", BigInteger, primary_key=True),
        *(Column(metric, Double) for metric in METRICS),
        sqlite_with_rowid=False,
    )
    Table(
        "rollups",
        metadata,
        Column("host_id", ForeignKey("hosts.id"), primary_key=True),
        Column("step_s", Integer, primary_key=True),
        Column("start_s", BigInteger, primary_key=True),
        Column("samples", Integer, nullable=False),
        *(
            Column(f"{metric}_{kind}", Double)
            for metric in METRICS
            for kind in ("mean", "least", "greatest", "p95")
        ),
        sqlite_with_rowid=False,
    )
    metadata.create_all(connection, checkfirst=False)
