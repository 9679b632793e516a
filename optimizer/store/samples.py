"""The keeper of samples: raw for a while, 5-minute steps for 30 days, hours for a year.

A step is rolled up when the first sample after it arrives, and what is too old is dropped when an
hour ends, a bounded number of rows at a time. Samples are not flushed to the disk one by one: a
crash of this process loses nothing that was committed, one of the machine the last few.
"""

import json
import math
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from optimizer.monitoring.keeper import StoredHistory, stored_figures
from optimizer.monitoring.rollup import FIVE_MINUTES_S, HOUR_S, RollUps, roll_up
from optimizer.monitoring.sample import METRICS, Sample
from optimizer.statistics import FloatArray
from optimizer.store.engine import Database, to_microseconds
from optimizer.store.prepared import Prepared, Row

SCHEMA_VERSION = 1
"""Of the JSON in `hosts.latest`."""

KEPT_S = {FIVE_MINUTES_S: 30 * 86400, HOUR_S: 366 * 86400}
"""How long steps of each width are kept, in seconds."""

ROWS_AT_ONCE = 20_000
"""No deletion takes more rows than this, so that nobody waits long for the writer."""

KINDS = ("mean", "least", "greatest", "p95")

_metadata = MetaData()
_hosts = Table(
    "hosts",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text),
    Column("latest", Text),
)
_samples = Table(
    "samples",
    _metadata,
    Column("host_id", Integer, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    *(Column(metric, Double) for metric in METRICS),
)
_rollups = Table(
    "rollups",
    _metadata,
    Column("host_id", Integer, primary_key=True),
    Column("step_s", Integer, primary_key=True),
    Column("start_s", BigInteger, primary_key=True),
    Column("samples", Integer),
    *(Column(f"{metric}_{kind}", Double) for metric in METRICS for kind in KINDS),
)

_INSERT_SAMPLE = Prepared(insert(_samples))
_SET_LATEST = Prepared(
    update(_hosts).where(_hosts.c.id == bindparam("of_host")).values(latest=bindparam("to"))
)
_DROP_BETWEEN = delete(_samples).where(
    _samples.c.host_id == bindparam("of_host"),
    _samples.c.at > bindparam("after"),
    _samples.c.at <= bindparam("until"),
)


class _Seen(NamedTuple):
    """What this process knows of a host: when samples were taken, in seconds since 1970.

    Attributes:
        host_id: Its number in the store.
        last_s: When this process wrote its last sample; None before the first.
        furthest_s: The latest moment that has a sample; later than the last one after a clock was
            set back.
    """

    host_id: int
    last_s: float | None
    furthest_s: float

    def ends_step(self, now_s: float) -> bool:
        """Whether a step of five minutes lies between the last sample and this moment."""
        return self.last_s is None or self.last_s // FIVE_MINUTES_S != now_s // FIVE_MINUTES_S

    def after(self, now_s: float) -> "_Seen":
        """The same once a sample of this moment is written."""
        return _Seen(self.host_id, now_s, max(now_s, self.furthest_s))


class StoredSamples:
    """Samples in the database; fits `SampleKeeper`.

    Args:
        database: Where they are kept.
        retention: How long single samples are kept; whole hours are dropped at once.
        interval: Time between samples, of which one replaces another that is nearer than half.
        host: The machine that this process measures. Its figures are kept with every sample; the
            whole of it, which others may ask for, with every sample on a server, and once in five
            minutes in a file, which is of this machine alone.
    """

    def __init__(
        self, database: Database, *, retention: timedelta, interval: timedelta, host: str = ""
    ) -> None:
        self._database = database
        self._host = host
        self._retention_s = max(HOUR_S, int(retention.total_seconds()))
        self._half_interval_s = interval.total_seconds() / 2
        self._seen: dict[str, _Seen] = {}

    async def load(self, host: str, *, now: datetime) -> StoredHistory:
        """All that is kept of a host up to now; see `SampleKeeper`."""
        return await self._database.read(lambda connection: _load(connection, host, now))

    async def add(self, sample: Sample) -> None:
        """Keep a sample, and roll up the steps that it ends; see `SampleKeeper`.

        On a server one process of a host keeps them; while another has claimed it, nothing is done.
        """
        seen = self._add_at_once(sample)
        if seen is None:
            if not await self._database.claim(f"sampler of {sample.host}"):
                return
            seen = await self._database.write(
                lambda connection: self._add(connection, sample), durable=False
            )
        self._seen[sample.host] = seen

    async def add_rollups(self, host: str, rollups: RollUps) -> int:
        """Fill steps that have no data yet; steps that were measured here stay as they are.

        Returns:
            How many steps were filled.
        """
        return await self._database.write(lambda connection: _fill(connection, host, rollups))

    def kept_s(self, step_s: int) -> int:
        """How long steps of a width are kept, in seconds."""
        return KEPT_S[step_s]

    async def rollups(self, host: str, *, step_s: int, since: datetime, now: datetime) -> RollUps:
        """Finished steps of a host that began after `since`; none of one that is not known."""
        return await self._database.read(
            lambda connection: _rolled_up(
                connection,
                _find_host(connection, host),
                step_s,
                since_s=int(since.timestamp()),
                now_s=int(now.timestamp()),
            )
        )

    async def latest(self, host: str) -> Sample | None:
        """The last sample of a host; see `SampleKeeper`."""
        text = await self._database.read(
            lambda connection: connection.scalar(
                select(_hosts.c.latest).where(_hosts.c.name == host)
            )
        )
        return None if text is None else Sample.model_validate(json.loads(text)["sample"])

    async def hosts(self) -> tuple[str, ...]:
        """Names of the hosts that have samples; see `SampleKeeper`."""
        return await self._database.read(
            lambda connection: tuple(
                connection.scalars(select(_hosts.c.name).order_by(_hosts.c.name))
            )
        )

    def _add_at_once(self, sample: Sample) -> _Seen | None:
        """Write a sample that only adds a row; None when more is to be done, or nothing was.

        Only a file of this machine is written at once, which nobody else can have claimed.
        """
        seen = self._seen.get(sample.host)
        now_s = sample.timestamp.timestamp()
        if seen is None or seen.ends_step(now_s) or self._is_nearby(seen, now_s):
            return None
        writing = [_row_of(seen.host_id, sample)]
        if sample.host != self._host:
            writing.append(_latest_of(seen.host_id, sample))
        return seen.after(now_s) if self._database.write_at_once(writing) else None

    def _add(self, connection: Connection, sample: Sample) -> _Seen:
        """Write one sample; answers what is known of its host from now on."""
        seen = self._seen.get(sample.host) or _look_for(connection, sample.host)
        now_s = sample.timestamp.timestamp()
        if self._is_nearby(seen, now_s):
            self._drop_nearby(connection, seen.host_id, to_microseconds(sample.timestamp))
        for write in (_row_of, _latest_of):
            statement, row = write(seen.host_id, sample)
            statement.run(connection, row)
        if seen.ends_step(now_s):
            for step_s in KEPT_S:
                _roll_up_finished(connection, seen.host_id, step_s, seen.last_s, now_s)
            self._prune(connection, seen.host_id, now_s)
        return seen.after(now_s)

    def _is_nearby(self, seen: _Seen, now_s: float) -> bool:
        """Whether there may be a sample within half an interval, or later."""
        return now_s - self._half_interval_s < seen.furthest_s

    def _drop_nearby(self, connection: Connection, host_id: int, at_us: int) -> None:
        """Make room for a sample that is taken again, because the clock or a process went back."""
        half_us = int(self._half_interval_s * 1_000_000)
        span = {"of_host": host_id, "after": at_us - half_us, "until": at_us + half_us}
        connection.execute(_DROP_BETWEEN, span)

    def _prune(self, connection: Connection, host_id: int, now_s: float) -> None:
        """Drop whole hours of samples, so that an hour is complete when it is rolled up."""
        oldest_s = int((now_s - self._retention_s) // HOUR_S) * HOUR_S
        _drop_oldest(connection, _samples, _samples.c.at, oldest_s * 1_000_000, host_id)
        for step_s, kept_s in KEPT_S.items():
            width = _rollups.c.step_s == step_s
            _drop_oldest(
                connection, _rollups, _rollups.c.start_s, int(now_s) - kept_s, host_id, width
            )


def _row_of(host_id: int, sample: Sample) -> tuple[Prepared, Row]:
    """A row of figures."""
    return _INSERT_SAMPLE, (host_id, to_microseconds(sample.timestamp), *stored_figures(sample))


def _latest_of(host_id: int, sample: Sample) -> tuple[Prepared, Row]:
    """The whole sample as the latest of its host."""
    text = f'{{"schema_version":{SCHEMA_VERSION},"sample":{sample.model_dump_json()}}}'
    return _SET_LATEST, (text, host_id)


def _look_for(connection: Connection, host: str) -> _Seen:
    """What the store knows of a host, which is made if it is new."""
    host_id = _host_id(connection, host)
    latest_us = connection.scalar(
        select(func.max(_samples.c.at)).where(_samples.c.host_id == host_id)
    )
    furthest_s = -math.inf if latest_us is None else latest_us / 1e6
    return _Seen(host_id, None, furthest_s)


def _host_id(connection: Connection, host: str) -> int:
    found = connection.scalar(select(_hosts.c.id).where(_hosts.c.name == host))
    if found is not None:
        return int(found)
    made = connection.execute(insert(_hosts).values(name=host).returning(_hosts.c.id))
    return int(made.scalar_one())


def _find_host(connection: Connection, host: str) -> int:
    """Number of a host; -1, which no host has, when it is not known."""
    found = connection.scalar(select(_hosts.c.id).where(_hosts.c.name == host))
    return -1 if found is None else int(found)


def _load(connection: Connection, host: str, now: datetime) -> StoredHistory:
    host_id = _find_host(connection, host)
    times_s, values = _raw(connection, host_id, 0, to_microseconds(now) + 1)
    now_s = int(now.timestamp())
    five_minutes, hours = (
        _rolled_up(connection, host_id, step_s, since_s=now_s - kept_s, now_s=now_s)
        for step_s, kept_s in KEPT_S.items()
    )
    return StoredHistory(times_s=times_s, values=values, five_minutes=five_minutes, hours=hours)


def _raw(
    connection: Connection, host_id: int, start_us: int, end_us: int
) -> tuple[FloatArray, FloatArray]:
    """Single samples from `start_us` up to but not at `end_us`, oldest first."""
    columns = [_samples.c.at, *(_samples.c[metric] for metric in METRICS)]
    figures = _array(
        connection.execute(
            select(*columns)
            .where(_samples.c.host_id == host_id, _samples.c.at >= start_us, _samples.c.at < end_us)
            .order_by(_samples.c.at)
        ),
        len(columns),
    )
    return figures[:, 0] / 1e6, figures[:, 1:]


def _rolled_up(
    connection: Connection, host_id: int, step_s: int, *, since_s: int, now_s: int
) -> RollUps:
    """Finished steps with their means; the other kinds stay in the store, NaN here."""
    columns = [_rollups.c.start_s, _rollups.c.samples]
    columns += [_rollups.c[f"{metric}_mean"] for metric in METRICS]
    figures = _array(
        connection.execute(
            select(*columns)
            .where(
                _rollups.c.host_id == host_id,
                _rollups.c.step_s == step_s,
                _rollups.c.start_s <= now_s - step_s,
                _rollups.c.start_s > since_s,
            )
            .order_by(_rollups.c.start_s)
        ),
        len(columns),
    )
    mean = figures[:, 2:]
    absent = np.full_like(mean, np.nan)
    whole = figures[:, :2].astype(np.int64)
    return RollUps(step_s, whole[:, 0], whole[:, 1], mean, absent, absent, absent)


def _array(found: CursorResult[Any], width: int) -> FloatArray:
    """Rows of numbers as an array; NULL becomes NaN.

    As the driver hands them over: SQLAlchemy's own rows cost as much again.
    """
    rows = [] if found.cursor is None else found.cursor.fetchall()
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _roll_up_finished(
    connection: Connection, host_id: int, step_s: int, last_s: float | None, now_s: float
) -> None:
    """Roll up the steps that have ended since the last sample, or since the last roll-up.

    The clock may have been set back: then the step that was left is rolled up, and later those that
    are measured again, each in place of what was there.
    """
    if last_s is None:
        newest = connection.scalar(
            select(func.max(_rollups.c.start_s)).where(
                _rollups.c.host_id == host_id,
                _rollups.c.step_s == step_s,
                _rollups.c.start_s <= int(now_s) - step_s,
            )
        )
        start_s = 0 if newest is None else int(newest) + step_s
        end_s = int(now_s // step_s) * step_s
    else:
        start_s = int(last_s // step_s) * step_s
        end_s = start_s + step_s
        if start_s <= now_s < end_s:
            return
    times_s, values = _raw(connection, host_id, start_s * 1_000_000, end_s * 1_000_000)
    if times_s.size:
        _replace(connection, host_id, roll_up(times_s, values, step_s=step_s))


def _replace(connection: Connection, host_id: int, rollups: RollUps) -> None:
    first, last = int(rollups.starts_s[0]), int(rollups.starts_s[-1])
    connection.execute(
        delete(_rollups).where(
            _rollups.c.host_id == host_id,
            _rollups.c.step_s == rollups.step_s,
            _rollups.c.start_s.between(first, last),
        )
    )
    connection.execute(insert(_rollups), _rows(host_id, rollups))


def _fill(connection: Connection, host: str, rollups: RollUps) -> int:
    if not rollups.starts_s.size:
        return 0
    host_id = _host_id(connection, host)
    present = set(
        connection.scalars(
            select(_rollups.c.start_s).where(
                _rollups.c.host_id == host_id,
                _rollups.c.step_s == rollups.step_s,
                _rollups.c.start_s.between(int(rollups.starts_s[0]), int(rollups.starts_s[-1])),
            )
        )
    )
    rows = [row for row in _rows(host_id, rollups) if row["start_s"] not in present]
    if rows:
        connection.execute(insert(_rollups), rows)
    return len(rows)


def _rows(host_id: int, rollups: RollUps) -> list[dict[str, Any]]:
    """Roll-ups as rows; NaN becomes NULL."""
    names = [f"{metric}_{kind}" for kind in KINDS for metric in METRICS]
    figures = np.hstack([rollups.mean, rollups.least, rollups.greatest, rollups.p95])
    rows = []
    for start_s, samples, row in zip(
        rollups.starts_s.tolist(), rollups.samples.tolist(), figures.tolist(), strict=True
    ):
        values = (None if math.isnan(value) else value for value in row)
        key = {"host_id": host_id, "step_s": rollups.step_s, "start_s": start_s}
        rows.append({**key, "samples": samples, **dict(zip(names, values, strict=True))})
    return rows


def _drop_oldest(
    connection: Connection,
    table: Table,
    moment: Column[int],
    before: int,
    host_id: int,
    *where: ColumnElement[bool],
) -> None:
    """Delete rows before a moment, `ROWS_AT_ONCE` at most."""
    old = (table.c.host_id == host_id, moment < before, *where)
    cut = connection.scalar(
        select(moment).where(*old).order_by(moment).offset(ROWS_AT_ONCE).limit(1)
    )
    connection.execute(delete(table).where(*old, moment < (before if cut is None else cut)))
