from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import numpy as np
import pytest
from pydantic import ValidationError

from optimizer.errors import InvalidRequestError, NotFoundError, StorageError
from optimizer.forecasting.forecast import Forecast
from optimizer.forecasting.planner import BUILT_IN, PredictivePlanner
from optimizer.forecasting.served import Served
from optimizer.monitoring.history import Series
from optimizer.monitoring.rollup import RollUps
from optimizer.monitoring.sample import METRICS
from optimizer.operations.forecast import (
    DEFAULT_METRICS,
    Forecasting,
    ForecastRequest,
    forecast_workload,
)
from optimizer.operations.forecast_skill import ForecastSkillRequest, forecast_skill
from optimizer.plugins import Registry
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.store.forecasts import ForecastStore

START = datetime(2026, 11, 2, tzinfo=UTC)
LIMITS = {"cpu_usage": 85.0, "memory_usage": 90.0}


class FakeMonitor:
    """A past of ten days whose memory fills up."""

    host = "this"

    def __init__(self) -> None:
        self.version = 1
        self.hours = 240

    def series(self, metric: str, *, step: timedelta) -> Series:
        hours = np.arange(self.hours)
        values = 60 + hours * 0.15 if metric == "memory_usage" else np.full(self.hours, 20.0)
        return Series(metric, values.astype(np.float64), step, START)


class OtherMachines:
    """A store in which one other machine has a busy past."""

    async def hosts(self) -> tuple[str, ...]:
        return ("other",)

    async def rollups(self, host: str, *, step_s: int, since: datetime, now: datetime) -> RollUps:
        starts = int(START.timestamp()) + step_s * np.arange(240)
        figures = np.full((240, len(METRICS)), 70.0)
        return RollUps(step_s, starts, np.full(240, 120), figures, figures, figures, figures)


def forecasting(monitor: FakeMonitor | None = None, **more: Any) -> Forecasting:
    now = START + timedelta(hours=240)
    planner = PredictivePlanner(Registry("forecast model", BUILT_IN), clock=lambda: now)
    return Forecasting(monitor or FakeMonitor(), planner, clock=lambda: now, **more)


async def ask(of: Forecasting, *, models: Sequence[str] | None = None, **asked: Any) -> Forecast:
    request = ForecastRequest.model_validate(asked)
    return await forecast_workload(request, of=of, thresholds=LIMITS, models=models)


async def test_memory_that_fills_up_is_forecast_with_a_recommendation() -> None:
    forecast = await ask(forecasting())

    assert set(forecast.metrics) == set(DEFAULT_METRICS)
    assert forecast.scaling_recommendations[0].type == "scale_memory_resources"
    assert forecast.saturation[0].metric == "memory_usage"
    assert forecast.host == "this"


async def test_concurrent_callers_share_one_computation() -> None:
    of = forecasting()
    answers: list[Forecast] = []

    async def one() -> None:
        answers.append(await ask(of))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)

    assert all(answer is answers[0] for answer in answers)


async def test_a_sample_makes_no_new_forecast_and_an_hour_does() -> None:
    monitor = FakeMonitor()
    of = forecasting(monitor)

    first = await ask(of, horizon_hours=2)
    monitor.version += 1
    same = await ask(of, horizon_hours=2)
    monitor.version, monitor.hours = 3, 241
    new = await ask(of, horizon_hours=2)

    assert same is first
    assert new.origin == START + timedelta(hours=241)


async def test_another_machine_is_forecast_from_the_store() -> None:
    of = forecasting(elsewhere=OtherMachines())

    forecast = await ask(of, host="other", metrics=["cpu_usage"])

    assert forecast.host == "other"
    assert forecast.metrics["cpu_usage"].last == 70.0


async def test_what_was_served_is_compared_and_stands_in_the_next_answer() -> None:
    monitor, database = FakeMonitor(), Database(MEMORY_URL)
    keeper = ForecastStore(database)
    first = forecasting(monitor, keeper=keeper)
    await ask(first, horizon_hours=6, metrics=["memory_usage"])

    monitor.version, monitor.hours = 2, 246
    later = replace(first, clock=lambda: START + timedelta(hours=246))
    forecast = await ask(later, horizon_hours=6, metrics=["memory_usage"])

    score = forecast.metrics["memory_usage"].served
    assert {lead: each.n for lead, each in score.items()} == {"1h": 1, "2-6h": 5}
    assert score["2-6h"].skill is not None
    await database.close()


async def test_the_record_is_answered_by_metric_and_lead() -> None:
    monitor, database = FakeMonitor(), Database(MEMORY_URL)
    first = forecasting(monitor, keeper=ForecastStore(database))
    empty = await forecast_skill(ForecastSkillRequest(), of=first)
    await ask(first, horizon_hours=24, metrics=["memory_usage", "cpu_usage"])

    monitor.version, monitor.hours = 2, 264
    later = replace(first, clock=lambda: START + timedelta(hours=264))
    skill = await forecast_skill(ForecastSkillRequest(), of=later)

    assert empty.metrics == {}
    assert "no served forecast has been compared yet" in empty.notes[0]
    assert [(each.lead, each.n) for each in skill.metrics["memory_usage"]] == [
        ("1h", 1),
        ("2-6h", 5),
        ("7-24h", 18),
    ]
    assert skill.metrics["cpu_usage"][0].skill is None
    assert skill.metrics["cpu_usage"][0].coverage == 1.0
    await database.close()


class FullDisk(ForecastStore):
    """A store that cannot be read or written."""

    async def serve(self, forecasts: Sequence[Served]) -> None:
        raise StorageError("the disk is full")

    async def unsettled(self, host: str, *, due: datetime) -> Sequence[Served]:
        raise StorageError("the disk is full")


async def test_a_store_that_fails_costs_the_record_and_not_the_forecast() -> None:
    forecast = await ask(forecasting(keeper=FullDisk(Database(MEMORY_URL))))

    assert forecast.forecast_available
    assert any("record of served forecasts is not known" in each for each in forecast.warnings)


async def test_only_the_allowed_models_are_computed() -> None:
    forecast = await ask(forecasting(), metrics=["cpu_usage"], models=["linear_trend"])

    assert list(forecast.model_forecasts) == ["linear_trend"]


async def test_unknown_metrics_and_hosts_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match="unknown metric 'gpu'; known: cpu_usage"):
        await ask(forecasting(), metrics=["gpu"])
    with pytest.raises(NotFoundError, match=r"no host 'other'.*machines with samples: this"):
        await ask(forecasting(), host="other")


@pytest.mark.parametrize(
    "fields", [{"horizon_hours": 0}, {"horizon_hours": 169}, {"metrics": []}, {"hours": 3}]
)
def test_a_request_that_is_not_allowed_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ForecastRequest.model_validate(fields)
