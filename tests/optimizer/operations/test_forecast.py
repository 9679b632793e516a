from datetime import UTC, datetime, timedelta

import anyio
import numpy as np
import pytest
from pydantic import ValidationError

from optimizer.errors import InvalidRequestError, NotFoundError
from optimizer.forecasting.forecast import Forecast
from optimizer.forecasting.planner import BUILT_IN, PredictivePlanner
from optimizer.monitoring.history import Series
from optimizer.operations.forecast import (
    DEFAULT_METRICS,
    ForecastCache,
    ForecastRequest,
    forecast_workload,
)
from optimizer.plugins import Registry

START = datetime(2026, 11, 2, tzinfo=UTC)
LIMITS = {"cpu_usage": 85.0, "memory_usage": 90.0}


class FakeMonitor:
    """A past of ten days whose memory fills up."""

    def __init__(self) -> None:
        self.version = 1
        self.asked: list[str] = []

    def series(self, metric: str, *, step: timedelta) -> Series:
        self.asked.append(metric)
        hours = np.arange(240)
        values = 60 + hours * 0.15 if metric == "memory_usage" else np.full(240, 20.0)
        return Series(metric, values.astype(np.float64), step, START)


def planner() -> PredictivePlanner:
    now = START + timedelta(hours=240)
    return PredictivePlanner(Registry("forecast model", BUILT_IN), clock=lambda: now)


async def ask(
    request: ForecastRequest, monitor: FakeMonitor, cache: ForecastCache, **more: object
) -> Forecast:
    return await forecast_workload(
        request,
        monitor=monitor,
        planner=planner(),
        cache=cache,
        thresholds=LIMITS,
        **more,  # type: ignore[arg-type]
    )


async def test_memory_that_fills_up_is_forecast_with_a_recommendation() -> None:
    forecast = await ask(ForecastRequest(), FakeMonitor(), ForecastCache())

    assert set(forecast.metrics) == set(DEFAULT_METRICS)
    assert forecast.scaling_recommendations[0].type == "scale_memory_resources"
    assert forecast.saturation[0].metric == "memory_usage"


async def test_concurrent_callers_share_one_computation() -> None:
    monitor, cache = FakeMonitor(), ForecastCache()
    answers: list[Forecast] = []

    async def one() -> None:
        answers.append(await ask(ForecastRequest(), monitor, cache))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)

    assert len(monitor.asked) == len(DEFAULT_METRICS)
    assert all(answer is answers[0] for answer in answers)


async def test_a_new_sample_makes_a_new_forecast() -> None:
    monitor, cache = FakeMonitor(), ForecastCache()

    first = await ask(ForecastRequest(horizon_hours=2), monitor, cache)
    monitor.version += 1
    second = await ask(ForecastRequest(horizon_hours=2), monitor, cache)

    assert first is not second
    assert first.metrics == second.metrics


async def test_the_oldest_answer_is_dropped_first() -> None:
    monitor, cache = FakeMonitor(), ForecastCache(kept=1)
    brief = ForecastRequest(horizon_hours=1, metrics=("cpu_usage",))
    long = ForecastRequest(horizon_hours=2, metrics=("cpu_usage",))

    for request in (brief, long, brief):
        await ask(request, monitor, cache)

    assert len(monitor.asked) == 3


async def test_only_the_allowed_models_are_computed() -> None:
    forecast = await ask(
        ForecastRequest(metrics=("cpu_usage",)),
        FakeMonitor(),
        ForecastCache(),
        models=["linear_trend"],
    )

    assert list(forecast.model_forecasts) == ["linear_trend"]


async def test_unknown_metrics_and_hosts_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match="unknown metric 'gpu'; known: cpu_usage"):
        await ask(ForecastRequest(metrics=("gpu",)), FakeMonitor(), ForecastCache())
    with pytest.raises(NotFoundError, match="no host 'other'"):
        await ask(ForecastRequest(host="other"), FakeMonitor(), ForecastCache(), host="this")


@pytest.mark.parametrize(
    "fields", [{"horizon_hours": 0}, {"horizon_hours": 169}, {"metrics": []}, {"hours": 3}]
)
def test_a_request_that_is_not_allowed_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ForecastRequest.model_validate(fields)
