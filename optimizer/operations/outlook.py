"""The outlook: what is coming is looked at by itself, so that it counts though nobody asks."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from optimizer.decisions.figures import REQUIRED_OUTLOOKS
from optimizer.decisions.risk import error_bounds, observed_error_rate, reliability
from optimizer.decisions.snapshot import Snapshot
from optimizer.decisions.today import exhaustion_of
from optimizer.due import Due
from optimizer.errors import DependencyError
from optimizer.events import Event, SampleTaken
from optimizer.monitoring.sample import Reliability
from optimizer.monitoring.workload import MINIMUM_REQUESTS

logger = logging.getLogger("sequential_resource_optimization.forecasting")

NOT_YET = (
    "no forecast was looked at yet: while monitoring runs that is done every 5 minutes until there "
    "is one, then once an hour"
)

FIRST_MINUTES = 5
"""Until there is a forecast it is looked for this often, at next to no cost."""


class Outlook:
    """Knows how probable it is that something runs out if nothing is changed.

    Hourly means change once an hour, and the forecast with them; so the first sample of an hour is
    when to look again, and until there is a forecast the first of five minutes.

    Args:
        look: Forecasts, and answers what a decision would start from, or why there is no forecast.
    """

    def __init__(self, look: Callable[[], Awaitable[Snapshot | str]]) -> None:
        self._look = look
        self._due = Due()
        self._looked_for: datetime | None = None
        self._exhaustion: tuple[float, float] | None = None
        self._reason = NOT_YET

    def reliability(self, failures: int, requests: int) -> Reliability | str:
        """The reliability of changing nothing, as a decision computes it; or why it is unknown.

        What was seen is told beside the cautious bound, which a decision limits: of few requests
        the bound is low though none has failed.

        Args:
            failures: Requests of the last hour that failed.
            requests: All requests of the last hour.
        """
        if self._exhaustion is None:
            return self._reason
        p_exhaustion = self._exhaustion[1]
        seen = observed_error_rate(failures, requests)
        _, at_most = error_bounds(seen, requests)
        return Reliability(
            at_least=reliability(p_exhaustion, at_most),
            seen=reliability(p_exhaustion, seen or 0.0),
            basis=f"{_failing(failures, requests, at_most)}; that cpu, memory or storage runs out "
            f"in the next day has a probability of {100 * p_exhaustion:.3g} % at most",
        )

    def hear(self, event: Event) -> None:
        """Look again when an hour has begun; every five minutes until there is a forecast."""
        if not isinstance(event, SampleTaken):
            return
        minutes = 60 if self._exhaustion is not None else FIRST_MINUTES
        step = event.at.replace(
            minute=event.at.minute // minutes * minutes, second=0, microsecond=0
        )
        if step != self._looked_for:
            self._looked_for = step
            self._due.set()

    def forget(self) -> None:
        """Look again at the next sample: the past is another now."""
        self._looked_for = None

    async def refresh(self) -> None:
        """Look now.

        Raises:
            DependencyError: The machine or the store cannot be read.
        """
        snapshot = await self._look()
        if isinstance(snapshot, str):
            self._exhaustion, self._reason = None, snapshot
            return
        self._exhaustion = exhaustion_of(snapshot)
        self._reason = next(
            (
                state.unknown["outlook"]
                for state in snapshot.resources
                if state.resource in REQUIRED_OUTLOOKS and not state.outlook
            ),
            NOT_YET,
        )

    async def run(self) -> None:
        """Look whenever it is due, until cancelled."""
        await self._due.keep_looking(
            self._refresh_or_soon_again, logger=logger, trouble="what is coming cannot be looked at"
        )

    async def _refresh_or_soon_again(self) -> None:
        try:
            await self.refresh()
        except DependencyError:
            self.forget()
            raise


def _failing(failures: int, requests: int, at_most: float) -> str:
    if requests < MINIMUM_REQUESTS:
        return (
            f"{requests} requests in the last hour are too few to say how often one fails "
            f"({MINIMUM_REQUESTS} needed), so failures are left out"
        )
    return (
        f"{failures} of {requests} requests of the last hour failed, from which at most "
        f"{100 * at_most:.3g} % fail (95 % confidence; more requests show more)"
    )
