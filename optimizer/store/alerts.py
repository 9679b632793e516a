"""The keeper of alerts: a row each time one is raised, completed when it is over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from optimizer.monitoring.alerts import Change
from optimizer.monitoring.sample import Alert, PastAlert
from optimizer.store.engine import Database, UtcDateTime

ROWS_KEPT = 1000
"""Of each host: months of a machine that is in trouble every day."""

_alerts = Table(
    "alerts",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("host", Text),
    Column("metric", Text),
    Column("level", Text),
    Column("value", Float),
    Column("threshold", Float),
    Column("direction", Text),
    Column("raised_at", UtcDateTime),
    Column("expected_at", UtcDateTime),
    Column("cleared_at", UtcDateTime),
)


class AlertStore:
    """Alerts in the database; fits `AlertKeeper`.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, host: str) -> tuple[Alert, ...]:
        """The alerts of a host that were not cleared; see `AlertKeeper`."""
        query = select(_alerts).where(_alerts.c.host == host, _alerts.c.cleared_at.is_(None))
        return await self._database.read(
            lambda connection: tuple(_alert(row) for row in connection.execute(query))
        )

    async def recent(self, host: str, *, limit: int = 50) -> tuple[PastAlert, ...]:
        """The newest alerts of a host, newest first."""
        query = (
            select(_alerts).where(_alerts.c.host == host).order_by(_alerts.c.id.desc()).limit(limit)
        )
        return await self._database.read(
            lambda connection: tuple(
                PastAlert(alert=_alert(row), cleared_at=row.cleared_at)
                for row in connection.execute(query)
            )
        )

    async def change(self, host: str, changes: Sequence[Change], *, at: datetime) -> None:
        """Keep what was raised and cleared, all or none; see `AlertKeeper`."""

        def write(connection: Connection) -> None:
            for change in changes:
                _clear(connection, host, change.alert, at)
                if change.level != "cleared":
                    row = change.alert.model_dump() | {"host": host}
                    connection.execute(insert(_alerts), row)
            _prune(connection, host)

        await self._database.write(write, durable=False)


def _clear(connection: Connection, host: str, alert: Alert, at: datetime) -> None:
    """End the alert of the same metric and kind; a new level begins a row of its own."""
    is_expected = _alerts.c.expected_at.is_not(None)
    connection.execute(
        update(_alerts)
        .where(
            _alerts.c.host == host,
            _alerts.c.metric == alert.metric,
            _alerts.c.cleared_at.is_(None),
            is_expected if alert.expected_at is not None else ~is_expected,
        )
        .values(cleared_at=at)
    )


def _prune(connection: Connection, host: str) -> None:
    oldest_kept = connection.scalar(
        select(_alerts.c.id)
        .where(_alerts.c.host == host)
        .order_by(_alerts.c.id.desc())
        .offset(ROWS_KEPT - 1)
        .limit(1)
    )
    if oldest_kept is not None:
        connection.execute(
            delete(_alerts).where(_alerts.c.host == host, _alerts.c.id < oldest_kept)
        )


def _alert(row: Row[Any]) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.model_fields})
