"""Score keeping: forecasts that were served, against what came.

A back-test judges a model on a past that it was fitted to. The only honest record is what was said
before it happened: every served forecast is kept compactly, compared hour by hour with what was
recorded, and added up per metric and lead. Sums add up, so that no served forecast is kept for
longer than its horizon.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Protocol

import numpy as np

from optimizer.forecasting.day_blocks import IntArray
from optimizer.forecasting.forecast import Forecast
from optimizer.forecasting.saturation import quantile_rows
from optimizer.monitoring.history import Series
from optimizer.statistics import FloatArray, wilson_interval

LEADS: Mapping[str, tuple[int, int]] = {
    "1h": (1, 1),
    "2-6h": (2, 6),
    "7-24h": (7, 24),
    "25-168h": (25, 168),
}
"""Leads that are judged together: name to first and last hour."""

BAND = 0.8
"""Probability of the band between the 0.1 and the 0.9 quantile."""

TRUSTED_ACTUALS = 200
"""Compared values at which the record moves the width of a band half of the way."""

WIDEST_CHANGE = 2.0
"""The record never changes a width by more than this factor, up or down."""


@dataclass(frozen=True)
class Served:
    """One metric's forecast as it was served.

    Attributes:
        host: Whose load it is.
        metric: Name of the metric.
        origin: End of the last hour that was known, UTC.
        quantiles: One row for each of `QUANTILES`, one column for each hour, shape (q, h).
        settled: Hours that have been compared already.
    """

    host: str
    metric: str
    origin: datetime
    quantiles: FloatArray
    settled: int = 0

    @property
    def ends(self) -> datetime:
        """End of the last hour that was forecast."""
        return self.origin + timedelta(hours=self.quantiles.shape[1])


@dataclass(frozen=True)
class Tally:
    """Sums over compared hours; two of them add up.

    Attributes:
        n: Hours that were compared.
        error: Sum of absolute errors of the 0.5 quantile, in the metric's unit.
        naive_error: The same for repeating the last day.
        inside: Hours whose actual value lay in the 80 % band.
    """

    n: int = 0
    error: float = 0.0
    naive_error: float = 0.0
    inside: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.n + other.n,
            self.error + other.error,
            self.naive_error + other.naive_error,
            self.inside + other.inside,
        )


@dataclass(frozen=True)
class Settlement:
    """What became known of one served forecast.

    Attributes:
        served: The forecast, with the hours that are settled now.
        tallies: What these hours add, by lead.
    """

    served: Served
    tallies: Mapping[str, Tally]


@dataclass(frozen=True)
class Skill:
    """A record of served forecasts.

    Attributes:
        n: Hours that were compared; hours of one forecast are alike, so they tell less than as many
            independent ones.
        skill: 1 - error / error of repeating the last day; None when that made no error, or n is 0.
        coverage: Share of hours inside the 80 % band; None when n is 0.
        coverage_interval: Where the true share lies, with 95 % confidence, if hours were
            independent.
        verdict: The same in words.
    """

    n: int
    skill: float | None
    coverage: float | None
    coverage_interval: tuple[float, float]
    verdict: str


class ForecastKeeper(Protocol):
    """Where served forecasts and their tallies are kept."""

    async def serve(self, forecasts: Sequence[Served]) -> None:
        """Keep forecasts.

        Of one host, metric and origin only the longest is kept, and of equals the first.
        """

    async def unsettled(self, host: str) -> Sequence[Served]:
        """Every kept forecast of a host."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Add tallies, remember what is settled, and drop forecasts whose last hour is settled."""

    async def tallies(self, host: str) -> Mapping[tuple[str, str], Tally]:
        """All sums of a host, by metric and lead."""


def served_from(forecast: Forecast, *, host: str) -> tuple[Served, ...]:
    """What to keep of a forecast that is served."""
    return tuple(
        Served(host, name, metric.origin, quantile_rows(metric))
        for name, metric in forecast.metrics.items()
        if metric.step_s == 3600
    )


def settle(served: Iterable[Served], history: Mapping[str, Series]) -> tuple[Settlement, ...]:
    """Compare served forecasts with the hours that were recorded since.

    Args:
        served: Forecasts of one host.
        history: Hourly series by metric, reaching at least a day before their origins.

    Returns:
        One settlement for each forecast of which more hours have passed. Hours without a record, or
        without one a day before the origin, are passed over.
    """
    settled = (_settle(one, history[one.metric]) for one in served if one.metric in history)
    return tuple(settlement for settlement in settled if settlement is not None)


def _settle(served: Served, past: Series) -> Settlement | None:
    hour = timedelta(hours=1)
    horizon = served.quantiles.shape[1]
    origin = round((served.origin - past.start) / hour)
    passed = min(horizon, past.values.size - origin)
    if passed <= served.settled:
        return None
    steps = np.arange(served.settled, passed)
    actual = _at(past.values, origin + steps)
    naive = _at(past.values, origin - 24 + steps % 24)
    low, middle, high, _ = served.quantiles[:, steps]
    known = np.isfinite(actual) & np.isfinite(naive)
    inside = (actual >= low) & (actual <= high)
    tallies = {}
    for name, (first, last) in LEADS.items():
        here = known & (steps + 1 >= first) & (steps + 1 <= last)
        if here.any():
            tallies[name] = Tally(
                n=int(here.sum()),
                error=float(np.abs(actual - middle)[here].sum()),
                naive_error=float(np.abs(actual - naive)[here].sum()),
                inside=int(inside[here].sum()),
            )
    done = Served(served.host, served.metric, served.origin, served.quantiles, int(passed))
    return Settlement(done, tallies)


def _at(values: FloatArray, index: IntArray) -> FloatArray:
    """Values at indices; NaN where there is none."""
    there = (index >= 0) & (index < values.size)
    return np.where(there, values[np.clip(index, 0, values.size - 1)], np.nan)


def skill_of(tally: Tally) -> Skill:
    """What a record says."""
    if tally.n == 0:
        return Skill(0, None, None, (0.0, 1.0), "no served forecast has been compared yet")
    skill = None if tally.naive_error <= 0 else 1 - tally.error / tally.naive_error
    return Skill(
        n=tally.n,
        skill=skill,
        coverage=tally.inside / tally.n,
        coverage_interval=wilson_interval(tally.inside, tally.n),
        verdict=_verdict(skill, tally.n),
    )


def _verdict(skill: float | None, n: int) -> str:
    if skill is None:
        return f"repeating yesterday made no error in {n} hours, so nothing can be better"
    if skill <= 0:
        return f"no better than repeating yesterday, over {n} hours"
    return f"errors {100 * skill:.0f} % smaller than repeating yesterday, over {n} hours"


def width_factor(tally: Tally) -> float:
    """By how much a band should be wider (above 1) or narrower, given its record.

    A band of normal errors that held with probability c instead of 0.8 was z(0.8) / z(c) times too
    narrow. The less was compared, the less of that is believed.

    Args:
        tally: The record of a metric.

    Returns:
        A factor between 1 / `WIDEST_CHANGE` and `WIDEST_CHANGE`; 1 without a record.
    """
    if tally.n == 0:
        return 1.0
    held = (tally.inside + 1) / (tally.n + 2)
    needed = _half_width(BAND) / _half_width(held)
    belief = tally.n / (tally.n + TRUSTED_ACTUALS)
    return float(np.clip(needed**belief, 1 / WIDEST_CHANGE, WIDEST_CHANGE))


def _half_width(probability: float) -> float:
    """Half the width of the central band of a normal distribution, in standard deviations."""
    return NormalDist().inv_cdf(0.5 + probability / 2)


@dataclass(frozen=True)
class Record:
    """All tallies of a host.

    Attributes:
        tallies: By metric and lead.
    """

    tallies: Mapping[tuple[str, str], Tally] = field(default_factory=dict)

    def of(self, metric: str) -> Tally:
        """Every lead of a metric together."""
        own = (tally for (name, _), tally in self.tallies.items() if name == metric)
        return sum(own, Tally())

    def widths(self) -> dict[str, float]:
        """The factor for the bands of each metric with a record."""
        return {metric: width_factor(self.of(metric)) for metric, _ in self.tallies}


async def keep_score(keeper: ForecastKeeper, history: Mapping[str, Series], *, host: str) -> Record:
    """Settle what has come since, and answer the record.

    Args:
        keeper: Where served forecasts are.
        history: Hourly series by metric.
        host: Whose forecasts.
    """
    settlements = settle(await keeper.unsettled(host), history)
    if settlements:
        await keeper.settle(settlements)
    return Record(await keeper.tallies(host))
