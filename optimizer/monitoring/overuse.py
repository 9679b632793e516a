"""Leases that use more than they hold: raised and cleared once each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from optimizer.machine.attribution import LeaseUse
from optimizer.monitoring.alerts import Change
from optimizer.monitoring.sample import LEASE_PREFIX, Alert

MARGIN = 0.05
"""Share beyond what is allowed that counts as measured inexactly: CPU time moves in ticks."""


@dataclass(frozen=True)
class OveruseState:
    """What was seen until now.

    Attributes:
        raised: Alerts by metric, for example `lease_memory:17` of the lease with that number.
        suspected: Metrics that were beyond what is allowed in the last sample alone.
    """

    raised: Mapping[str, Alert] = field(default_factory=dict)
    suspected: frozenset[str] = frozenset()


def look_for_overuse(
    state: OveruseState, uses: Mapping[str, LeaseUse], *, at: datetime
) -> tuple[OveruseState, tuple[Change, ...]]:
    """Look at one sample.

    An alert is raised at the second sample in a row that is beyond what a lease may use, and
    cleared at the first that is not, or when nothing runs under the lease any more.

    Args:
        state: What the last look left.
        uses: What each lease used that processes are bound to.
        at: When it was measured.
    """
    raised: dict[str, Alert] = {}
    suspected: set[str] = set()
    changes: list[Change] = []
    for metric, used, allowed in _pairs(uses):
        before = state.raised.get(metric)
        if used <= allowed or (before is None and used <= allowed * (1 + MARGIN)):
            continue
        if before is None and metric not in state.suspected:
            suspected.add(metric)
            continue
        raised[metric] = Alert(
            metric=metric,
            level="warning",
            value=used,
            threshold=allowed,
            direction="above",
            raised_at=at if before is None else before.raised_at,
        )
        if before is None:
            changes.append(Change(metric, "warning", raised[metric]))
    changes += [
        Change(metric, "cleared", alert)
        for metric, alert in state.raised.items()
        if metric not in raised
    ]
    return OveruseState(raised, frozenset(suspected)), tuple(changes)


def _pairs(uses: Mapping[str, LeaseUse]) -> list[tuple[str, float, float]]:
    """Metric, use and allowance of everything that leases hold and that is measured."""
    return [
        (f"{LEASE_PREFIX}{resource}:{use.number}", used, use.allowed[resource])
        for use in uses.values()
        for resource, used in use.used.items()
        if resource in use.allowed
    ]
