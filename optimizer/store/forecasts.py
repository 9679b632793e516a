"""The keeper of served forecasts, until what they said has come, and of sums of how they did."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    and_,
    delete,
    func,
    select,
    update,
)

from optimizer.forecasting.served import RECORD_DAYS, Served, Settlement, Tally
from optimizer.statistics import FloatArray
from optimizer.store.engine import Database, UtcDateTime
from optimizer.store.rows import insert_into

KEPT_UNSETTLED = timedelta(days=RECORD_DAYS)
"""A forecast that nobody could settle in this time, for want of a record, is dropped."""

BANDS = np.dtype("<f4")
"""Bands are kept in single precision: 24 bytes a step."""

_METADATA = MetaData()

_served = Table(
    "served_forecasts",
    _METADATA,
    Column("host", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("step_s", Integer, primary_key=True),
    Column("origin", UtcDateTime, primary_key=True),
    Column("horizon", Integer),
    Column("settled", Integer),
    Column("next_due", UtcDateTime),
    Column("bands", LargeBinary),
)

_tallies = Table(
    "forecast_tallies",
    _METADATA,
    Column("host", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("lead", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("n", Integer),
    Column("error", Float),
    Column("naive_error", Float),
    Column("inside", Integer),
    Column("own_error", Float),
    Column("own_inside", Integer),
)

_SUMS = tuple(field.name for field in fields(Tally))


class ForecastStore:
    """Served forecasts in the database; fits `ForecastKeeper`.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def serve(self, forecasts: Sequence[Served]) -> None:
        """Keep forecasts; see `ForecastKeeper`."""

        def write(connection: Connection) -> None:
            for served in forecasts:
                _keep_longest(connection, served)
            for host in {served.host for served in forecasts}:
                newest = max(served.origin for served in forecasts if served.host == host)
                _forget(connection, host, newest)

        if forecasts:
            await self._database.write(write, durable=False)

    async def unsettled(self, host: str, *, due: datetime) -> Sequence[Served]:
        """The kept forecasts of a host with a step to compare; see `ForecastKeeper`."""
        query = select(_served).where(_served.c.host == host, _served.c.next_due <= due)
        return await self._database.read(
            lambda connection: [_read(row) for row in connection.execute(query)]
        )

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Add tallies and remember what is settled; see `ForecastKeeper`."""

        def write(connection: Connection) -> None:
            sums: dict[tuple[str, str, str, int], Tally] = {}
            for settlement in settlements:
                served = settlement.before
                if not _settle(connection, settlement):
                    continue
                for lead, tally in settlement.tallies.items():
                    key = (served.host, served.metric, lead, _day(served.origin))
                    sums[key] = sums.get(key, Tally()) + tally
            for key, tally in sums.items():
                _add(connection, key, tally)

        await self._database.write(write, durable=False)

    async def tallies(self, host: str) -> Mapping[tuple[str, str], Tally]:
        """The sums of a host by metric and lead; see `ForecastKeeper`."""
        sums = [func.sum(_tallies.c[name]) for name in _SUMS]
        query = (
            select(_tallies.c.metric, _tallies.c.lead, *sums)
            .where(_tallies.c.host == host)
            .group_by(_tallies.c.metric, _tallies.c.lead)
            .order_by(_tallies.c.metric, _tallies.c.lead)
        )
        return await self._database.read(
            lambda connection: {
                (metric, lead): _tally(figures)
                for metric, lead, *figures in connection.execute(query)
            }
        )


def _key(served: Served) -> ColumnElement[bool]:
    return and_(
        _served.c.host == served.host,
        _served.c.metric == served.metric,
        _served.c.step_s == round(served.step.total_seconds()),
        _served.c.origin == served.origin,
    )


def _keep_longest(connection: Connection, served: Served) -> None:
    """Keep a forecast unless one as long is kept; what is settled stays settled."""
    row = {
        "host": served.host,
        "metric": served.metric,
        "step_s": round(served.step.total_seconds()),
        "origin": served.origin,
        "horizon": served.horizon,
        "settled": served.settled,
        "next_due": served.next_due,
        "bands": np.concatenate([served.band, served.own]).astype(BANDS).tobytes(),
    }
    connection.execute(insert_into(connection, _served).values(row).on_conflict_do_nothing())
    connection.execute(
        update(_served)
        .where(_key(served), _served.c.horizon < served.horizon)
        .values(horizon=row["horizon"], bands=row["bands"])
    )


def _settle(connection: Connection, settlement: Settlement) -> bool:
    """Whether nobody has settled it since it was read; from now on it is."""
    before, after = settlement.before, settlement.after
    unchanged = and_(_key(before), _served.c.settled == before.settled)
    change = (
        delete(_served).where(unchanged, _served.c.horizon <= after.settled)
        if after.is_settled
        else update(_served).where(unchanged).values(settled=after.settled, next_due=after.next_due)
    )
    return connection.execute(change).rowcount > 0


def _add(connection: Connection, key: tuple[str, str, str, int], tally: Tally) -> None:
    """Add to a day's sums, and drop those that are too old."""
    host, metric, lead, day = key
    row = {"host": host, "metric": metric, "lead": lead, "day": day}
    added = insert_into(connection, _tallies).values(**row, **asdict(tally))
    sums = {name: _tallies.c[name] + added.excluded[name] for name in _SUMS}
    connection.execute(added.on_conflict_do_update(index_elements=list(row), set_=sums))
    connection.execute(
        delete(_tallies).where(_tallies.c.host == host, _tallies.c.day <= day - RECORD_DAYS)
    )


def _forget(connection: Connection, host: str, newest: datetime) -> None:
    too_old = _served.c.origin < newest - KEPT_UNSETTLED
    connection.execute(delete(_served).where(_served.c.host == host, too_old))


def _read(row: Row[Any]) -> Served:
    bands: FloatArray = np.frombuffer(row.bands, dtype=BANDS).astype(np.float64)
    band, own = bands.reshape(2, 3, row.horizon)
    step = timedelta(seconds=row.step_s)
    return Served(row.host, row.metric, step, row.origin, band, own, settled=row.settled)


def _tally(figures: Sequence[Any]) -> Tally:
    n, error, naive_error, inside, own_error, own_inside = figures
    return Tally(
        n=int(n),
        error=float(error),
        naive_error=float(naive_error),
        inside=int(inside),
        own_error=float(own_error),
        own_inside=int(own_inside),
    )


def _day(moment: datetime) -> int:
    """Days since 1970."""
    return int(moment.timestamp() // 86400)
