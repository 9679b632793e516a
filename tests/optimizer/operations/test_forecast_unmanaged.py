from datetime import UTC, datetime, timedelta

import numpy as np

from optimizer.forecasting.planner import BUILT_IN, PredictivePlanner
from optimizer.monitoring.history import Series
from optimizer.operations.forecast import Forecasting
from optimizer.operations.forecast_skill import ForecastSkillRequest, forecast_skill
from optimizer.operations.forecast_unmanaged import forecast_unmanaged
from optimizer.plugins import Registry
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.store.forecasts import ForecastStore

START = datetime(2026, 11, 2, tzinfo=UTC)
STEP = timedelta(minutes=5)


class FakeMonitor:
    """Half a core is in use beside the leases, more by day; nothing is known of storage."""

    host = "this"
    version = 1
    steps = 3 * 288

    def series(self, metric: str, *, step: timedelta) -> Series:
        known = np.nan if metric == "unmanaged_storage" else 1.0
        day = np.sin(np.arange(self.steps) * 2 * np.pi / 288)
        return Series(metric, known * (0.5 + 0.3 * day), step, START)


def forecasting(monitor: FakeMonitor, keeper: ForecastStore | None = None) -> Forecasting:
    def now() -> datetime:
        return START + monitor.steps * STEP

    planner = PredictivePlanner(Registry("forecast model", BUILT_IN), clock=now)
    return Forecasting(monitor, planner, keeper=keeper, clock=now)


async def test_what_no_lease_covers_is_forecast_for_two_hours_in_the_units_of_the_pools() -> None:
    found = await forecast_unmanaged(forecasting(FakeMonitor()))

    assert set(found) == {"cpu", "memory"}
    cpu = found["cpu"]
    assert (cpu.metric, cpu.unit, cpu.step_s, len(cpu.mean)) == ("unmanaged_cpu", "core", 300, 24)
    assert all(
        low <= middle <= high
        for low, middle, high in zip(
            cpu.quantiles["0.1"], cpu.quantiles["0.5"], cpu.quantiles["0.9"], strict=True
        )
    )


async def test_it_is_worked_out_once_for_each_recorded_step() -> None:
    monitor = FakeMonitor()
    of = forecasting(monitor)

    first, again = await forecast_unmanaged(of), await forecast_unmanaged(of)
    monitor.steps += 1
    new = await forecast_unmanaged(of)

    assert again is first
    assert new["cpu"].origin == first["cpu"].origin + STEP


async def test_its_score_is_kept_too() -> None:
    monitor, database = FakeMonitor(), Database(MEMORY_URL)
    of = forecasting(monitor, ForecastStore(database))
    await forecast_unmanaged(of)

    monitor.steps += 24
    skill = await forecast_skill(ForecastSkillRequest(), of=of)

    leads = [(score.lead, score.n) for score in skill.metrics["unmanaged_cpu"]]
    assert leads == [("5-30min", 6), ("35-120min", 18)]
    await database.close()
