"""Alerts as a state machine: values in, alerts raised and cleared, once each. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from optimizer.monitoring.sample import Alert, AlertLevel, Threshold

INSIDE = 0.05
"""Share of a level by which a value must improve before its alert ends, so that it cannot flap."""


@dataclass(frozen=True)
class AlertState:
    """What is raised, and what is broken but not yet for long enough.

    Attributes:
        raised: Alerts by metric.
        broken_since: Monotonic seconds by metric and level.
    """

    raised: Mapping[str, Alert] = field(default_factory=dict)
    broken_since: Mapping[tuple[str, AlertLevel], float] = field(default_factory=dict)


CALM = AlertState()


@dataclass(frozen=True)
class Change:
    """An alert was raised, moved to another level, or cleared."""

    metric: str
    level: Literal["warning", "critical", "cleared"]
    alert: Alert


@dataclass(frozen=True)
class Crossing:
    """A forecast expects a metric to reach its critical level.

    Attributes:
        metric: Which.
        limit: The level.
        peak: The highest value that is expected, in the metric's unit.
        at: When the level is reached first.
    """

    metric: str
    limit: float
    peak: float
    at: datetime


PASSED = timedelta(hours=1)
"""An expectation whose hour is over is no alert any more: it has come true, or it has not."""


def foresee(
    standing: Mapping[str, Alert],
    crossings: Iterable[Crossing],
    *,
    covered: Collection[str],
    until: datetime,
    at: datetime,
) -> tuple[dict[str, Alert], tuple[Change, ...]]:
    """Take over what a forecast says.

    Args:
        standing: Expected alerts by metric.
        crossings: What the forecast expects to be broken; critical levels, so the alert is critical
            once it comes true and a warning until then.
        covered: Metrics that the forecast looked at; the alerts of others stay.
        until: How far it looked; an alert beyond that stays.
        at: Now.

    Returns:
        The alerts that stand then, and what changed.
    """
    found = {
        each.metric: Alert(
            metric=each.metric,
            level="warning",
            value=each.peak,
            threshold=each.limit,
            direction="above",
            raised_at=standing[each.metric].raised_at if each.metric in standing else at,
            expected_at=each.at,
        )
        for each in crossings
        if each.at + PASSED > at
    }
    left = {
        metric: alert
        for metric, alert in standing.items()
        if metric not in found and not _is_over(alert, covered=covered, until=until, at=at)
    }
    new = [Change(a.key, "warning", a) for metric, a in found.items() if metric not in standing]
    gone = [
        Change(alert.key, "cleared", alert)
        for metric, alert in standing.items()
        if metric not in found and metric not in left
    ]
    return left | found, (*new, *gone)


def _is_over(alert: Alert, *, covered: Collection[str], until: datetime, at: datetime) -> bool:
    if alert.expected_at is None or alert.expected_at + PASSED <= at:
        return True
    return alert.metric in covered and alert.expected_at <= until


def advance(
    state: AlertState,
    value_of: Callable[[str], float | None],
    thresholds: Mapping[str, Threshold],
    *,
    at: datetime,
    now_s: float,
) -> tuple[AlertState, tuple[Change, ...]]:
    """Look at the values once.

    A metric that is not known any more ends its alert: nothing says that it still stands.

    Args:
        state: What the last look left.
        value_of: Answers a metric by its name; None where it is unknown.
        thresholds: By metric.
        at: When the values were measured.
        now_s: The same moment on the monotonic clock, which durations are counted on.

    Returns:
        The next state, and what changed.
    """
    raised: dict[str, Alert] = {}
    since: dict[tuple[str, AlertLevel], float] = {}
    changes: list[Change] = []
    for metric, threshold in thresholds.items():
        value = value_of(metric)
        before = state.raised.get(metric)
        if before is None and (value is None or not _is_broken(value, threshold)):
            continue
        alert = None
        if value is not None:
            due = _due_levels(metric, value, threshold, state, since, now_s)
            alert = _next_alert(metric, value, threshold, before, due, at)
        if alert is not None:
            raised[metric] = alert
        changes += _changes(metric, before, alert)
    return (AlertState(raised, since) if raised or since else CALM), tuple(changes)


def _is_broken(value: float, threshold: Threshold) -> bool:
    """Whether a value is beyond the mildest level."""
    mildest = threshold.critical if threshold.warn is None else threshold.warn
    return mildest is not None and _beyond(value, mildest, threshold)


def _levels(threshold: Threshold) -> list[tuple[AlertLevel, float]]:
    """The levels that are set, worst first."""
    pairs: list[tuple[AlertLevel, float | None]] = [
        ("critical", threshold.critical),
        ("warning", threshold.warn),
    ]
    return [(level, limit) for level, limit in pairs if limit is not None]


def _due_levels(
    metric: str,
    value: float,
    threshold: Threshold,
    state: AlertState,
    since: dict[tuple[str, AlertLevel], float],
    now_s: float,
) -> list[AlertLevel]:
    """Levels that have been broken for long enough; fills `since` for the next look."""
    due: list[AlertLevel] = []
    for level, limit in _levels(threshold):
        if _beyond(value, limit, threshold):
            start = since[metric, level] = state.broken_since.get((metric, level), now_s)
            if now_s - start >= threshold.for_s:
                due.append(level)
    return due


def _next_alert(
    metric: str,
    value: float,
    threshold: Threshold,
    before: Alert | None,
    due: list[AlertLevel],
    at: datetime,
) -> Alert | None:
    """The worst level that is due, or that was raised and has not yet improved enough."""
    for level, limit in _levels(threshold):
        held = before is not None and _at_least(before.level, level)
        stands = held and _beyond(value, _clears_at(level, limit, threshold), threshold)
        if level in due or stands:
            same = before is not None and before.level == level
            return Alert(
                metric=metric,
                level=level,
                value=value,
                threshold=limit,
                direction=threshold.direction,
                raised_at=before.raised_at if before is not None and same else at,
            )
    return None


def _at_least(level: AlertLevel, other: AlertLevel) -> bool:
    return level == "critical" or other == "warning"


def _beyond(value: float, limit: float, threshold: Threshold) -> bool:
    return value >= limit if threshold.direction == "above" else value <= limit


def _clears_at(level: AlertLevel, limit: float, threshold: Threshold) -> float:
    """The configured clear value ends the mildest level; otherwise 5 % inside the level."""
    is_mildest = level == "warning" or threshold.warn is None
    if threshold.clear is not None and is_mildest:
        return threshold.clear
    if threshold.direction == "above":
        return limit * (1 - INSIDE)
    improved = limit * (1 + INSIDE)
    return min(improved, (1 + limit) / 2) if limit < 1 else improved


def _changes(metric: str, before: Alert | None, after: Alert | None) -> list[Change]:
    if after is None:
        return [] if before is None else [Change(metric, "cleared", before)]
    if before is None or before.level != after.level:
        return [Change(metric, after.level, after)]
    return []
