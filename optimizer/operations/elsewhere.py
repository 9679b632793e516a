"""The other machines in the store, as a global decision sees them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

import anyio

from optimizer.clock import Clock
from optimizer.decisions.observe import states_elsewhere
from optimizer.decisions.snapshot import ResourceState
from optimizer.monitoring.sample import Sample
from optimizer.operations.forecast import Forecasting, ForecastRequest, forecast_workload
from optimizer.operations.optimize import Policy
from optimizer.prices import PriceTable

LOOK_EVERY = timedelta(minutes=5)
"""Their forecasts change once an hour; a step of the stored history is enough for the rest."""

STALE = timedelta(hours=1)
"""A machine whose last sample is older is left out: nobody measures it."""

MOST_HOSTS = 32
"""Machines that are looked at."""


class Samples(Protocol):
    """What is needed of the store."""

    async def hosts(self) -> tuple[str, ...]:
        """Names of the hosts that have samples."""

    async def latest(self, host: str) -> Sample | None:
        """The last sample of a host; None when there is none."""


class Elsewhere:
    """Looks at the machines that share the store.

    Args:
        host: This machine, which is not among them.
        samples: Their last samples.
        forecasting: Their forecasts.
        clock: The present moment.
    """

    def __init__(
        self, host: str, *, samples: Samples, forecasting: Forecasting, clock: Clock
    ) -> None:
        self._host = host
        self._samples = samples
        self._forecasting = forecasting
        self._clock = clock
        self._turn = anyio.Lock()
        self._looked_at: datetime | None = None
        self._seen: tuple[tuple[ResourceState, ...], Mapping[str, str]] = ((), {})

    async def look(
        self, prices: PriceTable, policy: Policy
    ) -> tuple[tuple[ResourceState, ...], Mapping[str, str]]:
        """Their resources, and why some are left out, by name.

        Raises:
            StorageError: The store cannot be read.
        """
        now = self._clock()
        async with self._turn:
            if self._looked_at is None or now - self._looked_at >= LOOK_EVERY:
                self._seen, self._looked_at = await self._look(prices, policy, now), now
        return self._seen

    async def _look(
        self, prices: PriceTable, policy: Policy, now: datetime
    ) -> tuple[tuple[ResourceState, ...], Mapping[str, str]]:
        states: list[ResourceState] = []
        unseen: dict[str, str] = {}
        for host in sorted(await self._samples.hosts())[:MOST_HOSTS]:
            sample = None if host == self._host else await self._samples.latest(host)
            if sample is None:
                continue
            if now - sample.timestamp > STALE:
                unseen[f"hosts.{host}"] = f"its last sample is of {sample.timestamp:%Y-%m-%d %H:%M}"
                continue
            forecast = await forecast_workload(
                ForecastRequest(host=host, horizon_hours=policy.horizon_hours),
                of=self._forecasting,
                thresholds=policy.thresholds,
                models=policy.models,
            )
            states.extend(states_elsewhere(sample, forecast, prices))
        return tuple(states), unseen
