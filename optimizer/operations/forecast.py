"""The story of a forecast: the recorded past, the planner's models, what to scale, the score."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from optimizer.clock import Clock, utc_now
from optimizer.decisions.recommend import recommend
from optimizer.errors import InvalidRequestError, StorageError
from optimizer.forecasting.forecast import Forecast
from optimizer.forecasting.planner import NO_RECORD, PredictivePlanner
from optimizer.forecasting.served import HOUR, ForecastKeeper, RecordedPast, Served
from optimizer.forecasting.skill import Record, keep_score
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import METRICS
from optimizer.operations.past import KnowsPasts, past_of
from optimizer.shared import Shared

DEFAULT_METRICS = ("cpu_usage", "memory_usage", "storage_usage", "network_rx_bytes_s")
"""What is forecast when the request does not say."""


class ForecastRequest(BaseModel):
    """What to forecast."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon_hours: Annotated[int, Field(ge=1, le=168)] = Field(
        24, description="Hours ahead, 1 to 168."
    )
    metrics: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        max_length=len(METRICS),
        description="Stored metrics to forecast; by default cpu_usage, memory_usage, "
        "storage_usage and network_rx_bytes_s.",
    )
    detail: Literal["summary", "hourly"] = Field(
        "summary", description="summary: peaks, quiet windows, warnings; hourly: every hour too."
    )
    host: str | None = Field(None, description="Host to forecast; by default this machine.")
    use_sequential_thinking: StrictBool = Field(
        False, description="Whether it is thought over which model's forecast to act on."
    )


class Monitor(Protocol):
    """What a forecast needs of the monitor."""

    @property
    def host(self) -> str:
        """The machine that it measures."""

    @property
    def version(self) -> int:
        """Grows with every sample and import."""

    def series(self, metric: str, *, step: timedelta) -> Series:
        """The recorded past of a metric."""


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a machine, to forecast from.

    Attributes:
        past: Answers the past of any metric.
        hours: That of the metrics to forecast, in hours.
    """

    past: RecordedPast
    hours: Mapping[str, Series]

    @cached_property
    def state(self) -> Hashable:
        """Tells one past from another."""
        return recorded_state(self.hours)


@dataclass(frozen=True)
class Forecasting:
    """What forecasts are made of.

    Attributes:
        monitor: The past of this machine.
        planner: Computes.
        keeper: Where served forecasts are kept; None keeps no score.
        elsewhere: The pasts of other machines; None knows none.
        shared: Shares an answer among all who ask for the same hours.
        clock: Says what is due.
    """

    monitor: Monitor
    planner: PredictivePlanner
    keeper: ForecastKeeper | None = None
    elsewhere: KnowsPasts | None = None
    shared: Shared = field(default_factory=Shared)
    clock: Clock = utc_now

    async def recorded(self, host: str, metrics: Sequence[str]) -> Recorded:
        """What was recorded of a host; looked up once for each sample, of other hosts each hour.

        Raises:
            NotFoundError: No machine of that name has samples.
            StorageError: The store cannot be read.
        """
        now = self.clock()

        async def look() -> Recorded:
            past = await past_of(host, monitor=self.monitor, elsewhere=self.elsewhere, now=now)
            hours = {metric: past(metric, HOUR) for metric in metrics}
            return Recorded(past, {name: each for name, each in hours.items() if each is not None})

        version = self.monitor.version if host == self.monitor.host else None
        moment = (version, now.replace(minute=0, second=0, microsecond=0))
        return await self.shared.answer(("recorded", host, *metrics), moment, look)

    async def record(self, past: RecordedPast, host: str) -> tuple[Record, str]:
        """How the forecasts of a host did that were served so far; or none, and why."""
        if self.keeper is None:
            return NO_RECORD, ""
        try:
            return await keep_score(self.keeper, past, host=host, now=self.clock()), ""
        except StorageError as error:
            return NO_RECORD, f"the record of served forecasts is not known: {error}"

    async def keep(self, served: Sequence[Served]) -> str:
        """Keep what is served, to compare it with what comes; says why it cannot be."""
        if self.keeper is None:
            return ""
        try:
            await self.keeper.serve(served)
        except StorageError as error:
            return f"this forecast will not be compared with what comes: {error}"
        return ""


async def forecast_workload(
    request: ForecastRequest,
    *,
    of: Forecasting,
    thresholds: Mapping[str, float],
    models: Sequence[str] | None = None,
) -> Forecast:
    """Forecast the load of a machine.

    It is worked out once for each recorded hour, since nothing that it is made of changes between.

    Args:
        request: What is asked.
        of: What it is made of.
        thresholds: Critical level by metric, for saturation and recommendations.
        models: Names of the models that configuration allows; all when None.

    Returns:
        The forecast, with scaling recommendations and the record of those served before. `detail`
        does not change it: a door shows less of it.

    Raises:
        InvalidRequestError: An unknown metric.
        NotFoundError: No machine of that name has samples.
    """
    metrics = request.metrics or DEFAULT_METRICS
    _check(metrics)
    host = request.host or of.monitor.host
    recorded = await of.recorded(host, metrics)

    async def make() -> Forecast:
        record, trouble = await of.record(recorded.past, host)
        planned = await of.planner.plan(
            recorded.hours,
            horizon_hours=request.horizon_hours,
            host=host,
            models=models,
            limits=thresholds,
            record=record,
        )
        forecast = planned.forecast
        scaling = recommend(forecast.metrics, thresholds, now=forecast.generated_at)
        trouble = trouble or await of.keep(planned.served)
        return forecast.model_copy(
            update={
                "scaling_recommendations": tuple(scaling),
                "warnings": (*forecast.warnings, *([trouble] if trouble else [])),
            }
        )

    kind = ("forecast", host, request.horizon_hours, *metrics)
    state = (recorded.state, tuple(sorted(thresholds.items())), models and tuple(models))
    return await of.shared.answer(kind, state, make)


def recorded_state(history: Mapping[str, Series]) -> Hashable:
    """Tells one past from another: a step is added, or an import fills older ones."""
    return tuple(
        (series.end, series.values.size, float(np.nansum(series.values)))
        for series in history.values()
    )


def _check(metrics: Sequence[str]) -> None:
    """Refuse what cannot be forecast, by name."""
    for metric in metrics:
        if metric not in METRICS:
            raise InvalidRequestError(
                f"unknown metric {metric!r}; known: {', '.join(METRICS)}", field="metrics"
            )
