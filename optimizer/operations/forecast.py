"""The story of a forecast: the monitor's series, the planner's models, what to scale."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal, Protocol

import anyio
from pydantic import BaseModel, ConfigDict, Field

from optimizer.decisions.recommend import recommend
from optimizer.errors import InvalidRequestError, NotFoundError
from optimizer.forecasting.forecast import Forecast
from optimizer.forecasting.planner import PredictivePlanner
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import METRICS

DEFAULT_METRICS = ("cpu_usage", "memory_usage", "storage_usage", "network_rx_bytes_s")
"""What is forecast when the request does not say."""

KEPT_ANSWERS = 32
"""Forecasts of the present sample that are kept for the next caller."""

HOUR = timedelta(hours=1)


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


class History(Protocol):
    """What a forecast needs of the monitor."""

    @property
    def version(self) -> int:
        """Increases with every sample."""

    def series(self, metric: str, *, step: timedelta) -> Series:
        """The recorded past of a metric."""


class ForecastCache:
    """Forecasts of the present sample, each computed once and shared by concurrent callers.

    Args:
        kept: Answers that are kept; the oldest is dropped first.
    """

    def __init__(self, kept: int = KEPT_ANSWERS) -> None:
        self._kept = kept
        self._answers: dict[tuple[object, ...], Forecast] = {}
        self.turn = anyio.Lock()
        """Held while an answer is computed: the planner has one worker in any case."""

    def get(self, key: tuple[object, ...]) -> Forecast | None:
        """The answer for `key`, if there is one."""
        return self._answers.get(key)

    def put(self, key: tuple[object, ...], forecast: Forecast) -> None:
        """Keep an answer."""
        self._answers[key] = forecast
        while len(self._answers) > self._kept:
            del self._answers[next(iter(self._answers))]


async def forecast_workload(
    request: ForecastRequest,
    *,
    monitor: History,
    planner: PredictivePlanner,
    cache: ForecastCache,
    thresholds: Mapping[str, float],
    models: Sequence[str] | None = None,
    host: str | None = None,
) -> Forecast:
    """Forecast the load of this machine.

    Args:
        request: What is asked.
        monitor: Where the past is.
        planner: Computes.
        cache: Shares one answer among the callers of one sample.
        thresholds: Critical level by metric, for saturation and recommendations.
        models: Names of the models that configuration allows; all when None.
        host: Name of this machine; None accepts any.

    Returns:
        The forecast, with scaling recommendations. `detail` does not change it: a door shows less
        of it.

    Raises:
        InvalidRequestError: An unknown metric.
        NotFoundError: A host that this process does not measure.
    """
    _check(request, host)
    metrics = request.metrics or DEFAULT_METRICS
    key = (monitor.version, request.horizon_hours, metrics, request.host)
    known = cache.get(key)
    if known is not None:
        return known
    async with cache.turn:
        answer = cache.get(key)
        if answer is None:
            history = {metric: monitor.series(metric, step=HOUR) for metric in metrics}
            planned = await planner.plan(
                history,
                horizon_hours=request.horizon_hours,
                models=models,
                limits=thresholds,
                host=request.host or host,
            )
            scaling = recommend(planned.metrics, thresholds, now=planned.generated_at)
            answer = planned.model_copy(update={"scaling_recommendations": tuple(scaling)})
            cache.put(key, answer)
    return answer


def _check(request: ForecastRequest, host: str | None) -> None:
    """Refuse what cannot be forecast, by name."""
    for metric in request.metrics or ():
        if metric not in METRICS:
            raise InvalidRequestError(
                f"unknown metric {metric!r}; known: {', '.join(METRICS)}", field="metrics"
            )
    if request.host is not None and host is not None and request.host != host:
        raise NotFoundError(
            what="host", name=request.host, hint=f"this process measures {host!r} alone"
        )
