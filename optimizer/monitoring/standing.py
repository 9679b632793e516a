"""StandingAlerts: the alerts of one host, each told, kept and cleared once."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from optimizer.events import AlertChanged, EventBus
from optimizer.machine.attribution import LeaseUse
from optimizer.monitoring.alerts import CALM, AlertState, Change, Crossing, advance, foresee
from optimizer.monitoring.health import explain
from optimizer.monitoring.keeper import AlertKeeper
from optimizer.monitoring.overuse import OveruseState, look_for_overuse
from optimizer.monitoring.sample import LEASE_PREFIX, Alert, Threshold

logger = logging.getLogger("sequential_resource_optimization.monitoring")


class StandingAlerts:
    """What stands now: thresholds that are broken, leases that use too much, what is foreseen.

    Args:
        host: Whose alerts they are.
        keeper: Where they last; None keeps them in memory only.
        events: Where changes are told.
    """

    def __init__(self, host: str, *, keeper: AlertKeeper | None, events: EventBus) -> None:
        self._host = host
        self._keeper = keeper
        self._events = events
        self._broken = CALM
        self._overuse = OveruseState()
        self._expected: dict[str, Alert] = {}

    @property
    def standing(self) -> tuple[Alert, ...]:
        """All of them, those of the forecast last."""
        return (
            *self._broken.raised.values(),
            *self._overuse.raised.values(),
            *self._expected.values(),
        )

    async def recall(self) -> None:
        """Take over what stood when the last monitor ended.

        Raises:
            StorageError: The store cannot be read.
        """
        if self._keeper is None:
            return
        standing = await self._keeper.standing(self._host)
        now = {alert.metric: alert for alert in standing if alert.expected_at is None}
        of_leases = {metric for metric in now if metric.startswith(LEASE_PREFIX)}
        self._broken = AlertState(raised={m: a for m, a in now.items() if m not in of_leases})
        self._overuse = OveruseState(raised={metric: now[metric] for metric in of_leases})
        self._expected = {each.metric: each for each in standing if each.expected_at is not None}

    def look(
        self,
        value_of: Callable[[str], float | None],
        uses: Mapping[str, LeaseUse],
        thresholds: Mapping[str, Threshold],
        *,
        at: datetime,
        now_s: float,
    ) -> tuple[Change, ...]:
        """Look at one sample; answers what changed.

        Args:
            value_of: Answers a watched metric by its name; None where it is unknown.
            uses: What each lease used that processes are bound to.
            thresholds: By metric.
            at: When it was measured.
            now_s: The same moment on the monotonic clock.
        """
        self._broken, changes = advance(self._broken, value_of, thresholds, at=at, now_s=now_s)
        if uses or self._overuse.raised or self._overuse.suspected:
            self._overuse, over = look_for_overuse(self._overuse, uses, at=at)
            changes = (*changes, *over)
        if self._expected:
            changes = (*changes, *self.foresee((), covered=(), until=at, at=at))
        return changes

    def foresee(
        self,
        crossings: Iterable[Crossing],
        *,
        covered: Collection[str],
        until: datetime,
        at: datetime,
    ) -> tuple[Change, ...]:
        """Look at a forecast; answers what changed. See `alerts.foresee`."""
        self._expected, changes = foresee(
            self._expected, crossings, covered=covered, until=until, at=at
        )
        return changes

    async def announce(
        self, changes: Sequence[Change], at: datetime, *, may_write: Callable[[], bool]
    ) -> None:
        """Log, keep and publish what changed; nothing changed is the usual case.

        Args:
            changes: What changed.
            at: When.
            may_write: Answers whether the store is ours to write.

        Raises:
            StorageError: They cannot be kept; they are told all the same.
        """
        if not changes:
            return
        for change in changes:
            if change.level == "cleared":
                logger.info("alert over: %s", change.alert.word)
            else:
                logger.warning("alert: %s", explain(change.alert))
        try:
            if self._keeper is not None and may_write():
                await self._keeper.change(self._host, changes, at=at)
        finally:
            for change in changes:
                self._events.publish(AlertChanged(at, change.metric, change.level))
