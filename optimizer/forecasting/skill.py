"""What the record of served forecasts says, and what it changes: how wide, and how much yesterday.

The record is honest where a back-test flatters: it holds only what was said before it happened.
Bands that held too seldom are widened, and a forecast that did no better than repeating yesterday
gives way to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import NormalDist

import anyio.to_thread
import numpy as np

from optimizer.forecasting.forecast import ServedScore
from optimizer.forecasting.protocol import Outlook
from optimizer.forecasting.served import (
    HOUR,
    LEADS,
    ForecastKeeper,
    Lead,
    RecordedPast,
    Tally,
    histories,
    settle,
)
from optimizer.statistics import FloatArray, wilson_interval

BAND = 0.8
"""Probability of the band between the 0.1 and the 0.9 quantile."""

TRUSTED_STEPS = 48
"""Recorded steps at which the record is believed by half: two days of hours."""

WIDEST_CHANGE = 2.0
"""The record never changes a width by more than this factor, up or down."""

STEEPNESS = 12.0
"""Exponent p in odds of yesterday = (error / error of yesterday)^p: at equal errors it is one half,
and at three quarters of them 3 %."""

DECIMALS = 4


def score_of(tally: Tally) -> ServedScore:
    """What a record says, as a noun."""
    if tally.n == 0:
        return ServedScore(
            n=0,
            skill=None,
            coverage=None,
            coverage_interval=(0.0, 1.0),
            verdict="no served forecast has been compared yet",
        )
    skill = None if tally.naive_error <= 0 else 1 - tally.error / tally.naive_error
    low, high = wilson_interval(tally.inside, tally.n)
    return ServedScore(
        n=tally.n,
        skill=None if skill is None else round(skill, DECIMALS),
        coverage=round(tally.inside / tally.n, DECIMALS),
        coverage_interval=(round(low, DECIMALS), round(high, DECIMALS)),
        verdict=_verdict(skill, tally.n),
    )


def _verdict(skill: float | None, n: int) -> str:
    if skill is None:
        return f"repeating yesterday made no error in {n} comparisons, so nothing can be better"
    if skill <= 0:
        return f"no better than repeating yesterday, over {n} comparisons"
    return f"errors {100 * skill:.0f} % smaller than repeating yesterday, over {n} comparisons"


def belief(tally: Tally, lead: Lead) -> float:
    """How far a record is believed, 0 to 1.

    Forecasts that are served every hour compare one recorded hour many times, so that comparisons
    are counted as the recorded steps that they can at least be of.
    """
    steps = tally.n / lead.steps
    return steps / (steps + TRUSTED_STEPS)


def width_factor(tally: Tally, lead: Lead) -> float:
    """By how much a band should be wider (above 1) or narrower, given its record.

    A band of normal errors that held with probability c instead of 0.8 was z(0.8) / z(c) times too
    narrow.

    Returns:
        A factor between 1 / `WIDEST_CHANGE` and `WIDEST_CHANGE`; 1 without a record.
    """
    if tally.n == 0:
        return 1.0
    held = (tally.own_inside + 1) / (tally.n + 2)
    needed = _half_width(BAND) / _half_width(held)
    return float(np.clip(needed ** belief(tally, lead), 1 / WIDEST_CHANGE, WIDEST_CHANGE))


def yesterday_share(tally: Tally, lead: Lead) -> float:
    """How much of the point forecast should be yesterday, given its record, 0 to 1."""
    if tally.n == 0 or tally.naive_error <= 0:
        return 0.0
    odds: float = min(tally.own_error / tally.naive_error, 10.0) ** STEEPNESS
    return belief(tally, lead) * odds / (1 + odds)


def _half_width(probability: float) -> float:
    """Half the width of the central band of a normal distribution, in standard deviations."""
    return NormalDist().inv_cdf(0.5 + probability / 2)


@dataclass(frozen=True)
class Record:
    """All tallies of a host.

    Attributes:
        tallies: By metric and name of the lead.
    """

    tallies: Mapping[tuple[str, str], Tally] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that something was compared of."""
        return tuple(dict.fromkeys(metric for metric, _ in self.tallies))

    def scores(self, metric: str, *, step: timedelta | None = None) -> dict[str, ServedScore]:
        """The scores of a metric by lead, of one step or of every one."""
        found = {
            lead.name: self.tallies[metric, lead.name]
            for lead in LEADS
            if step in (None, lead.step) and (metric, lead.name) in self.tallies
        }
        return {name: score_of(tally) for name, tally in found.items()}

    def overall(self, metric: str, *, step: timedelta = HOUR) -> Tally:
        """Every lead of one step together."""
        own = (self.tallies.get((metric, lead.name)) for lead in LEADS if lead.step == step)
        return sum((tally for tally in own if tally is not None), Tally())

    def corrected(
        self, outlook: Outlook, yesterday: FloatArray | None, *, metric: str, step: timedelta
    ) -> Outlook:
        """An outlook as the record says that it should be.

        Args:
            outlook: What the model expects.
            yesterday: The last day repeated over the horizon, shape (h,); None without one.
            metric: Of which metric.
            step: Width of a step.
        """
        horizon = outlook.mean.size
        wider = self._along(metric, step, horizon, width_factor)
        share = self._along(metric, step, horizon, yesterday_share)
        if wider is None or share is None:
            return outlook
        moved = outlook if yesterday is None else outlook.moved(share * (yesterday - outlook.mean))
        return moved.widened(wider)

    def _along(
        self,
        metric: str,
        step: timedelta,
        horizon: int,
        figure: Callable[[Tally, Lead], float],
    ) -> FloatArray | None:
        """A figure of each lead, run through the steps of a horizon; None without a record."""
        leads = [lead for lead in LEADS if lead.step == step]
        if not any((metric, lead.name) in self.tallies for lead in leads):
            return None
        middles = [np.log((lead.first + lead.last) / 2) for lead in leads]
        figures = [figure(self.tallies.get((metric, lead.name), Tally()), lead) for lead in leads]
        return np.interp(np.log(np.arange(1, horizon + 1)), middles, figures)


async def keep_score(
    keeper: ForecastKeeper, past: RecordedPast, *, host: str, now: datetime
) -> Record:
    """Settle what has come since, on a worker thread, and answer the record.

    Args:
        keeper: Where served forecasts are.
        past: What was recorded of the host.
        host: Whose forecasts.
        now: The present moment.

    Raises:
        StorageError: The store cannot be read or written.
    """
    due = await keeper.unsettled(host, due=now)
    if due:
        settlements = await anyio.to_thread.run_sync(settle, due, histories(due, past))
        await keeper.settle(settlements)
    return Record(await keeper.tallies(host))
