"""Past decisions held against what came: how often their bands held, and what they changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

import numpy as np

from optimizer.decisions.application import Application
from optimizer.decisions.decision import Decision
from optimizer.decisions.request import Scope
from optimizer.decisions.snapshot import PastRecord, Remembered, Snapshot
from optimizer.monitoring.history import Series

STATED = (0.1, 0.9)
"""Quantiles of the demand that a decision states as its band."""

LEAST_RECORDED = 0.5
"""Share of a decision's hours that must be on record before it is settled."""

REMEMBERED = 5
"""Decisions of a scope that a new one is told of."""


@dataclass(frozen=True)
class Known:
    """What a decision is told of those before it.

    Attributes:
        record: How their stated bands did; None while none is settled.
        remembered: The last ones of every scope.
        durations: Seconds that their steps took, by action.
    """

    record: PastRecord | None = None
    remembered: tuple[Remembered, ...] = ()
    durations: Mapping[str, float] = field(default_factory=dict)


def settled(
    past: Iterable[Snapshot], series: Mapping[str, Series], now: datetime
) -> PastRecord | None:
    """Hold the bands that past decisions stated against what came.

    Decisions of one hour rest on one forecast, so they count once.

    Args:
        past: What past decisions started from.
        series: The recorded hours by resource, as a share of capacity in %.
        now: Only decisions whose horizon is over are settled.

    Returns:
        How many are settled, and of their bands the share that held what came; None when none is.
    """
    shares: dict[datetime, float] = {}
    for snapshot in past:
        hour = snapshot.computed_at.replace(minute=0, second=0, microsecond=0)
        if hour not in shares and snapshot.computed_at + _horizon(snapshot) <= now:
            held = [h for r, one in series.items() if (h := _held(snapshot, r, one)) is not None]
            if held:
                shares[hour] = sum(held) / len(held)
    if not shares:
        return None
    return PastRecord(settled=len(shares), held=sum(shares.values()))


def _held(snapshot: Snapshot, resource: str, series: Series) -> bool | None:
    """Whether the greatest hour lay in the stated band; None when that is not known."""
    state = snapshot.state(resource)
    if state is None or not state.capacity:
        return None
    band = [q.amount for q in state.outlook if q.probability in STATED]
    first = round((snapshot.computed_at - series.start) / series.step)
    hours = series.values[max(0, first) : first + snapshot.horizon_hours]
    known = hours[np.isfinite(hours)]
    if len(band) < 2 or known.size < LEAST_RECORDED * snapshot.horizon_hours:
        return None
    greatest = float(known.max()) / 100 * state.capacity
    return band[0] <= greatest <= band[-1]


def _horizon(snapshot: Snapshot) -> timedelta:
    return timedelta(hours=snapshot.horizon_hours)


def remember(
    decisions: Sequence[Decision], applications: Iterable[Application]
) -> tuple[Remembered, ...]:
    """The last decisions of every scope in words, with what they changed in fact.

    Args:
        decisions: Newest first.
        applications: What became of those that were carried out.
    """
    outcomes = {one.decision_id: one for one in applications}
    found: dict[str, list[Remembered]] = {}
    for decision in decisions:
        of_scope = found.setdefault(decision.scope, [])
        if len(of_scope) < REMEMBERED:
            sentence = _sentence(decision, outcomes.get(decision.decision_id))
            of_scope.append(Remembered(scope=decision.scope, sentence=sentence))
    return tuple(one for of_scope in found.values() for one in of_scope)


def _sentence(decision: Decision, outcome: Application | None) -> str:
    when = f"{decision.created_at:%Y-%m-%d %H:%M}"
    what = f"{when} {decision.strategy} chose {decision.candidate_id or 'nothing'}"
    if outcome is None:
        return f"{what}; not carried out here"
    if outcome.state == "rolled_back":
        return f"{what}; taken back: {outcome.because}"
    if outcome.state == "rollback_failed":
        return f"{what}; not wholly taken back: {outcome.because}"
    if outcome.effect is None:
        return f"{what}; carried out, its effect is not measured yet"
    return f"{what}; carried out: {outcome.effect.statement}"


def durations(applications: Iterable[Application]) -> dict[str, float]:
    """How long steps of each action took that were carried out, the median in seconds."""
    took: dict[str, list[float]] = {}
    for application in applications:
        for outcome in application.steps:
            if outcome.seconds is not None:
                took.setdefault(outcome.action, []).append(outcome.seconds)
    return {action: median(seconds) for action, seconds in sorted(took.items())}


def told(remembered: Iterable[Remembered], scope: Scope) -> tuple[str, ...]:
    """What a decision of a scope is told of those before it, newest first, for whoever thinks."""
    return tuple(f"{one.sentence.rstrip('.')}." for one in remembered if one.scope == scope)
