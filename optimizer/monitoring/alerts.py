"""Alerts as a state machine: values in, alerts raised and cleared, once each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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


@dataclass(frozen=True)
class Change:
    """An alert was raised, moved to another level, or cleared."""

    metric: str
    level: Literal["warning", "critical", "cleared"]
    alert: Alert


def advance(
    state: AlertState,
    values: Mapping[str, float | None],
    thresholds: Mapping[str, Threshold],
    *,
    at: datetime,
    now_s: float,
) -> tuple[AlertState, tuple[Change, ...]]:
    """Look at the values once.

    A metric that is not known any more ends its alert: nothing says that it still stands.

    Args:
        state: What the last look left.
        values: Metrics by name; None where unknown.
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
        value = values.get(metric)
        before = state.raised.get(metric)
        alert = None
        if value is not None:
            due = _due_levels(metric, value, threshold, state, since, now_s)
            alert = _next_alert(metric, value, threshold, before, due, at)
        if alert is not None:
            raised[metric] = alert
        changes += _changes(metric, before, alert)
    return AlertState(raised=raised, broken_since=since), tuple(changes)


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
