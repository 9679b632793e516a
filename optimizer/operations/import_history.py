"""History from elsewhere into the roll-ups, so that a forecast need not wait a week."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

import anyio.to_thread
import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.clock import Clock, utc_now
from optimizer.monitoring.imports import ImportedHistory, parse_csv
from optimizer.monitoring.imports_sysstat import parse_sysstat
from optimizer.monitoring.rollup import FIVE_MINUTES_S, HOUR_S, RollUps, roll_up

STEPS_AT_ONCE = 500
"""Steps written in one transaction: samples get their turn in between."""

Parse = Callable[[Iterable[str], datetime], ImportedHistory]
"""Reads lines, none of which may be later than the moment."""

OnProgress = Callable[[int, int], None]
"""Hears how many steps are done, and of how many."""


def read_csv(lines: Iterable[str], now: datetime) -> ImportedHistory:
    """A CSV table; see `parse_csv`."""
    return parse_csv(lines, now=now)


def read_sysstat(lines: Iterable[str], now: datetime) -> ImportedHistory:
    """What `sadf -j` printed; see `parse_sysstat`."""
    return parse_sysstat(lines, now=now)


class HistoryKeeper(Protocol):
    """What an import needs of the store."""

    async def add_rollups(self, host: str, rollups: RollUps) -> int:
        """Fill steps that have no data yet; answers how many were filled.

        Raises:
            StorageError: The store cannot be written.
        """

    def kept_s(self, step_s: int) -> int:
        """How long steps of a width are kept, in seconds."""


class ImportReport(BaseModel):
    """What an import did."""

    model_config = ConfigDict(frozen=True)

    host: str
    metrics: tuple[str, ...] = Field(description="Metrics that the file has.")
    rows: int = Field(description="Lines of figures read.")
    first: AwareDatetime = Field(description="The earliest line, UTC.")
    last: AwareDatetime = Field(description="The latest line, UTC.")
    hours_filled: int = Field(description="Hours that had no data before.")
    five_minutes_filled: int = Field(description="Steps of 5 minutes that had no data before.")
    kept: int = Field(description="Steps that stayed as they were, because they had data.")
    too_old: int = Field(
        description="Steps of an hour left out, because they are not kept so long."
    )


async def import_history(
    lines: Iterable[str],
    *,
    host: str,
    keeper: HistoryKeeper,
    clock: Clock = utc_now,
    on_progress: OnProgress | None = None,
    parse: Parse = read_csv,
) -> ImportReport:
    """Fill the steps of 5 minutes and of an hour that have no data yet.

    Steps that were measured, or imported before, stay as they are, so a file can be imported again.
    A monitor that runs sees the new past after `PerformanceMonitor.reload`.

    Args:
        lines: The table; see `parse_csv`.
        host: Machine that it was measured on.
        keeper: Where it goes.
        clock: Says what is too old, and what is not finished yet.
        on_progress: Hears of every batch.
        parse: Understands the lines.

    Raises:
        InvalidRequestError: A line is bad; nothing was imported.
        StorageError: The store cannot be written; what was filled before stays.
    """
    now = clock()
    imported = await anyio.to_thread.run_sync(lambda: parse(lines, now))
    return await fill_history(imported, host=host, keeper=keeper, now=now, on_progress=on_progress)


async def fill_history(
    imported: ImportedHistory,
    *,
    host: str,
    keeper: HistoryKeeper,
    now: datetime,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Fill the steps that have no data yet from measurements that were read before.

    Args:
        imported: The measurements.
        host: Machine that they are of.
        keeper: Where they go.
        now: Says what is too old, and what is not finished yet.
        on_progress: Hears of every batch.

    Raises:
        StorageError: The store cannot be written; what was filled before stays.
    """
    steps = {
        step_s: await anyio.to_thread.run_sync(_finished, imported, step_s, now)
        for step_s in (HOUR_S, FIVE_MINUTES_S)
    }
    wanted = {
        step_s: _since(rollups, now.timestamp() - keeper.kept_s(step_s))
        for step_s, rollups in steps.items()
    }
    total = sum(rollups.starts_s.size for rollups in wanted.values())
    filled = dict.fromkeys(wanted, 0)
    done = 0
    for step_s, rollups in wanted.items():
        for batch in _batches(rollups):
            filled[step_s] += await keeper.add_rollups(host, batch)
            done += batch.starts_s.size
            if on_progress is not None:
                on_progress(done, total)
    return ImportReport(
        host=host,
        metrics=imported.metrics,
        rows=imported.rows,
        first=datetime.fromtimestamp(float(imported.times_s[0]), now.tzinfo),
        last=datetime.fromtimestamp(float(imported.times_s[-1]), now.tzinfo),
        hours_filled=filled[HOUR_S],
        five_minutes_filled=filled[FIVE_MINUTES_S],
        kept=total - sum(filled.values()),
        too_old=steps[HOUR_S].starts_s.size - wanted[HOUR_S].starts_s.size,
    )


def _finished(imported: ImportedHistory, step_s: int, now: datetime) -> RollUps:
    rollups = roll_up(imported.times_s, imported.values, step_s=step_s)
    return _cut(rollups, rollups.starts_s + step_s <= now.timestamp())


def _since(rollups: RollUps, start_s: float) -> RollUps:
    return _cut(rollups, rollups.starts_s > start_s)


def _batches(rollups: RollUps) -> Iterable[RollUps]:
    numbers = np.arange(rollups.starts_s.size)
    for first in range(0, rollups.starts_s.size, STEPS_AT_ONCE):
        yield _cut(rollups, (numbers >= first) & (numbers < first + STEPS_AT_ONCE))


def _cut(rollups: RollUps, chosen: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> RollUps:
    return RollUps(
        rollups.step_s,
        rollups.starts_s[chosen],
        rollups.samples[chosen],
        rollups.mean[chosen],
        rollups.least[chosen],
        rollups.greatest[chosen],
        rollups.p95[chosen],
    )
