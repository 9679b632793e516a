"""The demand that no lease will cover, kept at hand for admission: looked at every five minutes."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from optimizer.allocation.headroom import Ahead
from optimizer.due import Due
from optimizer.events import Event, SampleTaken
from optimizer.forecasting.forecast import MetricForecast

logger = logging.getLogger("sequential_resource_optimization.allocation")

QUANTILE = 0.95
"""Of the demand without a lease: what is granted has room with this probability, 1 - eps."""

EVERY_S = 300
"""The forecast of the next two hours changes with each recorded step of five minutes."""


class Headroom:
    """Knows what is foreseen, without waiting for it.

    Args:
        look: Forecasts the demand that no lease covers, by resource.
    """

    def __init__(self, look: Callable[[], Awaitable[Mapping[str, MetricForecast]]]) -> None:
        self._look = look
        self._due = Due()
        self._step: int | None = None
        self._ahead: Mapping[str, Ahead] = {}

    def __call__(self) -> Mapping[str, Ahead]:
        """By resource, as last looked at; a resource without a forecast is missing."""
        return self._ahead

    def hear(self, event: Event) -> None:
        """Look again when a step has begun."""
        if isinstance(event, SampleTaken):
            step = _step_of(event.at)
            if step != self._step:
                self._step = step
                self._due.set()

    async def refresh(self) -> None:
        """Look now.

        Raises:
            DependencyError: The machine or the store cannot be read.
        """
        self._ahead = {name: _ahead(found) for name, found in (await self._look()).items()}

    async def run(self) -> None:
        """Look whenever it is due, until cancelled."""
        await self._due.keep_looking(
            self.refresh, logger=logger, trouble="demand without a lease cannot be foreseen"
        )


def _ahead(forecast: MetricForecast) -> Ahead:
    amounts = forecast.quantiles["0.95"]
    ends = [
        forecast.origin + timedelta(seconds=forecast.step_s * (step + 1))
        for step in range(len(amounts))
    ]
    return Ahead(ends, amounts, QUANTILE)


def _step_of(moment: datetime) -> int:
    return int(moment.timestamp()) // EVERY_S
