"""The recorded past of a machine: this one from memory, others from the store."""

from datetime import datetime, timedelta
from typing import Protocol

from optimizer.errors import NotFoundError
from optimizer.forecasting.served import HOUR, RecordedPast
from optimizer.monitoring.history import Series
from optimizer.monitoring.keeper import COLUMNS
from optimizer.monitoring.rollup import HOUR_S, RollUps
from optimizer.monitoring.window import BinRing

HOURS_LOOKED_AT = 31 * 24
"""Of another machine: what forecasts use, and what their record reaches back to."""


class Remembers(Protocol):
    """A monitor, as far as its past goes."""

    @property
    def host(self) -> str:
        """The machine that it measures."""

    def series(self, metric: str, *, step: timedelta) -> Series:
        """The recorded past of a metric."""


class KnowsPasts(Protocol):
    """A store of samples, as far as other machines go."""

    async def hosts(self) -> tuple[str, ...]:
        """Names of the machines that have samples."""

    async def rollups(self, host: str, *, step_s: int, since: datetime, now: datetime) -> RollUps:
        """Finished steps of a machine."""


async def past_of(
    host: str, *, monitor: Remembers, elsewhere: KnowsPasts | None, now: datetime
) -> RecordedPast:
    """The past of a machine.

    Args:
        host: Its name.
        monitor: Remembers this machine.
        elsewhere: Knows the others; None when there is no store.
        now: The present moment.

    Returns:
        What answers a metric in steps of a width; of other machines there are hours alone.

    Raises:
        NotFoundError: No machine of that name has samples.
        StorageError: The store cannot be read.
    """
    if host == monitor.host:
        return lambda metric, step: monitor.series(metric, step=step) if metric in COLUMNS else None
    known = await elsewhere.hosts() if elsewhere is not None else ()
    if elsewhere is None or host not in known:
        there = ", ".join(sorted({monitor.host, *known}))
        raise NotFoundError(what="host", name=host, hint=f"machines with samples: {there}")
    since = now - timedelta(hours=HOURS_LOOKED_AT)
    rollups = await elsewhere.rollups(host, step_s=HOUR_S, since=since, now=now)
    ring = BinRing(step_s=HOUR_S, size=HOURS_LOOKED_AT, metrics=len(COLUMNS))
    ring.put(rollups.starts_s, rollups.mean)

    def past(metric: str, step: timedelta) -> Series | None:
        known = step == HOUR and metric in COLUMNS
        return ring.series(COLUMNS[metric], metric, now) if known else None

    return past
