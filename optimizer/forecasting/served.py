"""Forecasts that were served, against what came.

A back-test judges a model on a past that it was fitted to. The only honest record is what was said
before it happened: every served forecast is kept compactly, compared step by step with what was
recorded, and added up per metric and lead. Sums add up, so that no served forecast is kept for
longer than its horizon.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from optimizer.forecasting.day_blocks import IntArray
from optimizer.monitoring.history import Series
from optimizer.statistics import FloatArray

FIVE_MINUTES, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)

RECORD_DAYS = 30
"""How far back the record reaches: loads change, and so does what a model is good for."""


@dataclass(frozen=True)
class Lead:
    """Steps ahead that are judged together.

    Attributes:
        name: What it is called.
        step: Width of a step.
        first: Its first step, counted from 1.
        last: Its last step.
    """

    name: str
    step: timedelta
    first: int
    last: int

    @property
    def steps(self) -> int:
        """How many steps it has: so often one recorded step may be compared, origin by origin."""
        return self.last - self.first + 1


LEADS: tuple[Lead, ...] = (
    Lead("1h", HOUR, 1, 1),
    Lead("2-6h", HOUR, 2, 6),
    Lead("7-24h", HOUR, 7, 24),
    Lead("25-168h", HOUR, 25, 168),
    Lead("5-30min", FIVE_MINUTES, 1, 6),
    Lead("35-120min", FIVE_MINUTES, 7, 24),
)


@dataclass(frozen=True)
class Served:
    """One metric's forecast as it was served.

    Attributes:
        host: Whose load it is.
        metric: Name of the metric.
        step: Width of a step.
        origin: End of the last step that was known, UTC.
        band: The 0.1, 0.5 and 0.9 quantile of each step as they were served, shape (3, h).
        own: The same before the record changed them, shape (3, h).
        settled: Steps that have been compared already.
    """

    host: str
    metric: str
    step: timedelta
    origin: datetime
    band: FloatArray
    own: FloatArray
    settled: int = 0

    @property
    def horizon(self) -> int:
        """Steps that were forecast."""
        return int(self.band.shape[1])

    @property
    def is_settled(self) -> bool:
        """Whether every step has been compared."""
        return self.settled >= self.horizon

    @property
    def next_due(self) -> datetime:
        """When it is worth looking again: at the end of a lead, of a day, or of the forecast."""
        day = round(DAY / self.step)
        ends = [lead.last for lead in LEADS if lead.step == self.step and lead.last > self.settled]
        stop = min(*ends, self.horizon, (self.settled // day + 1) * day)
        return self.origin + stop * self.step


@dataclass(frozen=True)
class Tally:
    """Sums over compared steps; two of them add up.

    Attributes:
        n: Steps that were compared.
        error: Sum of absolute errors of the 0.5 quantile, in the metric's unit.
        naive_error: The same for repeating the last day.
        inside: Steps whose actual value lay in the 80 % band.
        own_error: As `error`, of the forecast before the record changed it.
        own_inside: As `inside`, of the band before the record changed it. What the record teaches
            follows from these two, or a lesson would be forgotten once it is heeded.
    """

    n: int = 0
    error: float = 0.0
    naive_error: float = 0.0
    inside: int = 0
    own_error: float = 0.0
    own_inside: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        sums = (getattr(self, one.name) + getattr(other, one.name) for one in fields(Tally))
        return Tally(*sums)


@dataclass(frozen=True)
class Settlement:
    """What became known of one served forecast.

    Attributes:
        before: The forecast as it was kept.
        settled: Steps that are compared now.
        tallies: What the new ones add, by name of the lead.
    """

    before: Served
    settled: int
    tallies: Mapping[str, Tally]

    @property
    def after(self) -> Served:
        """The forecast as it is to be kept."""
        return replace(self.before, settled=self.settled)


class ForecastKeeper(Protocol):
    """Where served forecasts and their tallies are kept."""

    async def serve(self, forecasts: Sequence[Served]) -> None:
        """Keep forecasts.

        Of one host, metric, step and origin only the longest is kept, and of equals the first.

        Raises:
            StorageError: The store cannot be written.
        """

    async def unsettled(self, host: str, *, due: datetime) -> Sequence[Served]:
        """The kept forecasts of a host whose next step ended by `due`.

        Raises:
            StorageError: The store cannot be read.
        """

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Add tallies, remember what is settled, and drop forecasts whose last step is settled.

        A settlement of what another process has settled meanwhile changes nothing.

        Raises:
            StorageError: The store cannot be written.
        """

    async def tallies(self, host: str) -> Mapping[tuple[str, str], Tally]:
        """The sums of a host over the last `RECORD_DAYS`, by metric and name of the lead.

        Raises:
            StorageError: The store cannot be read.
        """


RecordedPast = Callable[[str, timedelta], Series | None]
"""Answers the recorded past of a metric in steps of a width; None where there is none."""


def histories(served: Iterable[Served], past: RecordedPast) -> dict[tuple[str, timedelta], Series]:
    """What is needed to settle these forecasts, by metric and step."""
    found = {key: past(*key) for key in {(one.metric, one.step) for one in served}}
    return {key: series for key, series in found.items() if series is not None}


def settle(
    served: Iterable[Served], history: Mapping[tuple[str, timedelta], Series]
) -> tuple[Settlement, ...]:
    """Compare served forecasts with the steps that were recorded since.

    Args:
        served: Forecasts of one host.
        history: Series by metric and step, reaching at least a day before their origins.

    Returns:
        One settlement for each forecast of which more steps have passed. Steps without a record, or
        without one a day before the origin, are passed over.
    """
    settled = (
        _settle(one, history[one.metric, one.step])
        for one in served
        if (one.metric, one.step) in history
    )
    return tuple(settlement for settlement in settled if settlement is not None)


def _settle(served: Served, past: Series) -> Settlement | None:
    day = round(DAY / served.step)
    origin = round((served.origin - past.start) / served.step)
    passed = min(served.horizon, past.values.size - origin)
    if passed <= served.settled:
        return None
    steps = np.arange(served.settled, passed)
    actual = _at(past.values, origin + steps)
    naive = _at(past.values, origin - day + steps % day)
    known = np.isfinite(actual) & np.isfinite(naive)
    tallies = {}
    for lead in LEADS:
        here = known & (steps + 1 >= lead.first) & (steps + 1 <= lead.last)
        if lead.step == served.step and here.any():
            shown, own = served.band[:, steps[here]], served.own[:, steps[here]]
            tallies[lead.name] = _tally(actual[here], naive[here], shown, own)
    return Settlement(served, int(passed), tallies)


def _tally(actual: FloatArray, naive: FloatArray, shown: FloatArray, own: FloatArray) -> Tally:
    return Tally(
        n=actual.size,
        error=float(np.abs(actual - shown[1]).sum()),
        naive_error=float(np.abs(actual - naive).sum()),
        inside=_inside(actual, shown),
        own_error=float(np.abs(actual - own[1]).sum()),
        own_inside=_inside(actual, own),
    )


def _inside(actual: FloatArray, band: FloatArray) -> int:
    return int(((actual >= band[0]) & (actual <= band[2])).sum())


def _at(values: FloatArray, index: IntArray) -> FloatArray:
    """Values at indices; NaN where there is none."""
    there = (index >= 0) & (index < values.size)
    return np.where(there, values[np.clip(index, 0, values.size - 1)], np.nan)
