"""What a decision changed in fact: before against after, with an interval. Pure.

Load changes by itself within a day, so the hour after is not compared with the hour before alone:
the same two hours of the days before show how much they differ when nothing was carried out.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.monitoring.history import Series
from optimizer.statistics import FloatArray, beta_quantile

WINDOW = timedelta(hours=1)
"""Length of before and of after: twelve steps of the stored history."""

LEAST_AFTER = timedelta(minutes=15)
"""An effect is told from three steps of five minutes on."""

LEAST_DAYS = 3
"""Days whose two hours say how much they differ by themselves; with fewer, the steps of the two
hours do."""

CONFIDENCE = 0.95
"""Of the interval of a change."""

DAY = timedelta(days=1)

METRICS: Mapping[str, str] = {
    "cpu_usage": "%",
    "memory_usage": "%",
    "storage_usage": "%",
    "response_time_ms": "ms",
    "error_rate": "share",
}
"""What effects are told of, and their units."""

Verdict = Literal["rose", "fell", "no measurable effect"]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricChange(_Noun):
    """One metric before and after."""

    metric: str
    unit: str
    before: float = Field(description="Mean of the window before.")
    after: float = Field(description="Mean since.")
    change: float = Field(description="After less before, less what those hours differ by anyway.")
    interval: tuple[float, float] = Field(description="Of the change, with 95 % confidence.")
    verdict: Verdict
    compared_with: str = Field(description="What the interval rests on.")


class Effect(_Noun):
    """What a decision changed."""

    measured_at: AwareDatetime
    changes: tuple[MetricChange, ...]
    statement: str


def measure(series: Sequence[Series], applied_at: datetime, now: datetime) -> Effect | None:
    """Compare the window before a moment with the one since.

    Args:
        series: Metrics in steps of five minutes, at most up to `now`.
        applied_at: When the first step of a plan began.
        now: When it is measured.

    Returns:
        The changes of every metric that was recorded in both windows; None when there is none, or
        too little time has passed.
    """
    if now - applied_at < LEAST_AFTER:
        return None
    changes = tuple(
        change for one in series if (change := _change(one, applied_at, now)) is not None
    )
    if not changes:
        return None
    return Effect(measured_at=now, changes=changes, statement=_statement(changes))


def _change(series: Series, applied_at: datetime, now: datetime) -> MetricChange | None:
    length = min(WINDOW, now - applied_at)
    before = _between(series, applied_at - WINDOW, applied_at)
    after = _between(series, applied_at, applied_at + length)
    if before.size < 2 or after.size < 2:
        return None
    change = float(after.mean() - before.mean())
    usual = _usual_changes(series, applied_at, length)
    if usual.size >= LEAST_DAYS:
        spread = float(usual.std(ddof=1)) * math.sqrt(1 + 1 / usual.size)
        change -= float(usual.mean())
        half = student_quantile(usual.size - 1) * spread
        compared = f"the same hours of {usual.size} days before"
    else:
        half = _half_width(before, after)
        compared = "the hour before alone: the day's own rhythm is in it"
    interval = (change - half, change + half)
    return MetricChange(
        metric=series.metric,
        unit=METRICS[series.metric],
        before=float(before.mean()),
        after=float(after.mean()),
        change=change,
        interval=interval,
        verdict=_verdict(interval),
        compared_with=compared,
    )


def _between(series: Series, start: datetime, end: datetime) -> FloatArray:
    """The recorded steps that lie wholly between two moments."""
    first = math.ceil((start - series.start) / series.step - 1e-9)
    last = math.floor((end - series.start) / series.step + 1e-9)
    if first < 0 or last > series.values.size or last <= first:
        return np.empty(0)
    values = series.values[first:last]
    return values[np.isfinite(values)]


def _usual_changes(series: Series, applied_at: datetime, length: timedelta) -> FloatArray:
    """How much the two windows differ on the days before, oldest last."""
    found, day = [], 1
    while (moment := applied_at - day * DAY) - WINDOW >= series.start:
        before = _between(series, moment - WINDOW, moment)
        after = _between(series, moment, moment + length)
        if before.size >= 2 and after.size >= 2:
            found.append(after.mean() - before.mean())
        day += 1
    return np.array(found)


def _half_width(before: FloatArray, after: FloatArray) -> float:
    """Half of Welch's interval of the difference of two means, for steps that follow each other.

    Source: Welch, Biometrika 34 (1947) 28-35; the number of independent steps by Bartlett's formula
    for a first-order autoregression, n (1 - r) / (1 + r).
    """
    sizes = [_effective(before), _effective(after)]
    parts = [before.var(ddof=1) / sizes[0], after.var(ddof=1) / sizes[1]]
    variance = float(sum(parts))
    if variance <= 0:
        return 0.0
    shares = (part**2 / max(1.0, size - 1) for part, size in zip(parts, sizes, strict=True))
    freedom = variance**2 / float(sum(shares))
    return student_quantile(freedom) * math.sqrt(variance)


def _effective(values: FloatArray) -> float:
    """How many independent values as many steps are worth, at least 2."""
    centred = values - values.mean()
    power = float(centred @ centred)
    lag = float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0
    kept = min(max(lag, 0.0), 0.9)
    return max(2.0, values.size * (1 - kept) / (1 + kept))


def student_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """The half-width of a two-sided interval of Student's t, in standard errors.

    By its relation to the Beta distribution: x = freedom / (freedom + t^2) is Beta(freedom/2, 1/2).
    """
    x = beta_quantile(1 - confidence, freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - x) / x)


def _verdict(interval: tuple[float, float]) -> Verdict:
    low, high = interval
    if low <= 0 <= high:
        return "no measurable effect"
    return "rose" if low > 0 else "fell"


def _statement(changes: Sequence[MetricChange]) -> str:
    moved = [
        f"{c.metric} {c.verdict} by {abs(c.change):.3g} {c.unit} "
        f"({c.interval[0]:.3g} to {c.interval[1]:.3g})"
        for c in changes
        if c.verdict != "no measurable effect"
    ]
    if moved:
        return "; ".join(moved)
    return f"no measurable effect on {', '.join(c.metric for c in changes)}"
