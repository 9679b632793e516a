"""The use that no lease covers, with its roll-ups."""

from sqlalchemy import Connection, text

METRICS = ("unmanaged_cpu", "unmanaged_memory", "unmanaged_storage")


def up(connection: Connection) -> None:
    """Add the columns."""
    for metric in METRICS:
        _add(connection, "samples", metric)
        for kind in ("mean", "least", "greatest", "p95"):
            _add(connection, "rollups", f"{metric}_{kind}")


def _add(connection: Connection, table: str, column: str) -> None:
    connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column} DOUBLE PRECISION"))
