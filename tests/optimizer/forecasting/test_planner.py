import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import get_ident

import anyio
import numpy as np
import pytest

from optimizer.errors import InvalidRequestError
from optimizer.forecasting.planner import (
    BUILT_IN,
    PredictivePlanner,
    forecast_series,
)
from optimizer.forecasting.protocol import ForecastModel, Outlook
from optimizer.monitoring.history import Series
from optimizer.plugins import Registry
from optimizer.statistics import FloatArray

START = datetime(2026, 11, 2, tzinfo=UTC)
NAB = Path(__file__).parents[2] / "data" / "nab" / "hourly.csv"


def series(metric: str, hours: int, *, seed: int = 0, missing: slice | None = None) -> Series:
    rhythm = 50 + 20 * np.sin(np.arange(hours) * 2 * np.pi / 24)
    values = rhythm + np.random.default_rng(seed).normal(0, 2, hours)
    if missing is not None:
        values[missing] = np.nan
    return Series(metric, values, timedelta(hours=1), START)


def planner(now: datetime, *models: ForecastModel) -> PredictivePlanner:
    return PredictivePlanner(Registry("forecast model", models or BUILT_IN), clock=lambda: now)


def pair(hours: int) -> dict[str, Series]:
    return {name: series(name, hours) for name in ("cpu_usage", "memory_usage")}


class Failing:
    name = "failing"
    least_hours = 1

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        raise ZeroDivisionError("a plug-in's own mistake")


class Endless:
    name = "endless"
    least_hours = 1

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        return Outlook(np.full(horizon, np.inf), np.full((4, horizon), np.inf))


class Watched:
    name = "watched"
    least_hours = 1

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        self.threads.add(get_ident())
        return Outlook(np.zeros(horizon), np.zeros((4, horizon)))


def test_every_model_answers_every_hour_in_the_shape_of_the_reference() -> None:
    history = pair(24 * 10)
    end = history["cpu_usage"].end

    forecast = planner(end).forecast(history, horizon_hours=12)

    assert forecast.forecast_available
    assert forecast.forecast_horizon_hours == 12
    assert list(forecast.model_forecasts) == [model.name for model in BUILT_IN]
    for answer in forecast.model_forecasts.values():
        assert [p.hour_offset for p in answer.predictions] == list(range(1, 13))
        assert answer.predictions[0].timestamp == end + timedelta(hours=1)
        assert all(0 <= p.confidence <= 1 for p in answer.predictions if p.confidence is not None)
        assert set(answer.backtest) == {"cpu_usage", "memory_usage"}


def test_bands_are_of_the_hybrid_within_the_metrics_bounds_and_in_order() -> None:
    history = {
        "cpu_usage": Series(
            "cpu_usage", 60 + 5 * series("x", 240).values, timedelta(hours=1), START
        )
    }
    history["cpu_usage"].values.clip(0, 100, out=history["cpu_usage"].values)

    cpu = planner(START).forecast(history, horizon_hours=168).metrics["cpu_usage"]

    assert cpu.model == "ml_hybrid"
    rows = np.array([cpu.quantiles[q] for q in ("0.1", "0.5", "0.9", "0.95")])
    assert (np.diff(rows, axis=0) >= 0).all()
    assert rows.max() <= 100
    assert rows.min() >= 0
    assert len(cpu.mean) == 168


def test_too_little_history_is_not_available_and_says_what_is_missing() -> None:
    forecast = planner(START).forecast(pair(2), horizon_hours=24)

    assert not forecast.forecast_available
    assert (forecast.have_hours, forecast.need_hours) == (2, 3)
    assert forecast.reason is not None
    assert forecast.reason.startswith("2 hours of history recorded, 3 needed")
    assert forecast.metrics == {}


def test_no_history_at_all_is_not_available() -> None:
    nothing = {"cpu_usage": Series("cpu_usage", np.array([]), timedelta(hours=1), START)}

    forecast = planner(START).forecast(nothing, horizon_hours=24)

    assert not forecast.forecast_available
    assert forecast.have_hours == 0
    assert "metrics.cpu_usage" in forecast.unknown


def test_hours_of_history_give_a_wide_first_answer_and_say_that_it_is_untried() -> None:
    forecast = planner(START).forecast(pair(5), horizon_hours=24)

    assert forecast.forecast_available
    assert list(forecast.model_forecasts) == ["linear_trend", "ml_hybrid"]
    assert "24 needed" in forecast.unknown["model_forecasts.seasonal_patterns.cpu_usage"]
    assert forecast.metrics["cpu_usage"].backtest is None
    assert any("could not be back-tested" in warning for warning in forecast.warnings)


def test_a_metric_without_records_is_unknown_and_the_others_are_forecast() -> None:
    history = pair(100) | {"swap_usage": series("swap_usage", 100, missing=slice(None))}

    forecast = planner(START).forecast(history, horizon_hours=6)

    assert set(forecast.metrics) == {"cpu_usage", "memory_usage"}
    assert forecast.unknown["metrics.swap_usage"].startswith("0 finished hours recorded")


def test_a_gappy_history_is_forecast() -> None:
    history = {"cpu_usage": series("cpu_usage", 200, missing=slice(60, 90))}

    cpu = planner(START).forecast(history, horizon_hours=24).metrics["cpu_usage"]

    assert np.isfinite(cpu.mean).all()


def test_no_better_than_repeating_yesterday_is_said_aloud() -> None:
    random = np.random.default_rng(5).random(24 * 6)
    noise = Series("cpu_usage", np.tile(random[:24], 6) + 1e-3 * random, timedelta(hours=1), START)

    class Naive(Watched):
        def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
            outlook = BUILT_IN[3].forecast(values, steps_per_day=steps_per_day, horizon=horizon)
            assert outlook.score is not None
            worse = type(outlook.score)(2.0, 1.0, 0.8, 100)
            return Outlook(outlook.mean, outlook.quantiles, worse)

    forecast = planner(START, Naive()).forecast({"cpu_usage": noise}, horizon_hours=6)

    assert "cpu_usage: no better than repeating yesterday, in the back-test" in forecast.warnings


def test_old_history_is_said_to_be_old() -> None:
    history = pair(100)
    later = history["cpu_usage"].end + timedelta(hours=5)

    forecast = planner(later).forecast(history, horizon_hours=6)

    assert "the last recorded hour ended 5.0 hours ago" in forecast.warnings


def test_a_model_that_fails_does_not_silence_the_others() -> None:
    forecast = planner(START, BUILT_IN[0], Failing(), Endless()).forecast(
        pair(100), horizon_hours=6
    )

    assert list(forecast.model_forecasts) == ["linear_trend"]
    assert "ZeroDivisionError" in forecast.unknown["model_forecasts.failing.cpu_usage"]
    assert "not finite" in forecast.unknown["model_forecasts.endless.cpu_usage"]


def test_without_the_hybrid_the_model_with_the_least_error_is_acted_on() -> None:
    forecast = planner(START).forecast(
        pair(24 * 10), horizon_hours=6, models=["linear_trend", "seasonal_patterns"]
    )

    errors = {
        name: answer.backtest["cpu_usage"].error
        for name, answer in forecast.model_forecasts.items()
    }
    assert forecast.metrics["cpu_usage"].model == min(errors, key=errors.__getitem__)


@pytest.mark.parametrize("hours", [0, 169, 10**9, -1])
def test_a_horizon_out_of_bounds_is_refused(hours: int) -> None:
    with pytest.raises(InvalidRequestError, match="1 to 168 is allowed"):
        planner(START).forecast(pair(100), horizon_hours=hours)


def test_unknown_models_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match="unknown forecast model 'prophet'"):
        planner(START).forecast(pair(100), horizon_hours=6, models=["prophet"])


async def test_planning_runs_on_another_thread_one_at_a_time() -> None:
    watched = Watched()
    busy = planner(START, watched)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(lambda: busy.plan(pair(100), horizon_hours=6, host="here"))

    assert get_ident() not in watched.threads


def test_the_next_two_hours_are_forecast_in_five_minute_steps() -> None:
    step = timedelta(minutes=5)
    history = {"cpu_usage": Series("cpu_usage", np.repeat(series("x", 96).values, 12), step, START)}

    fine = planner(START).planned_fine(history, host="here").metrics["cpu_usage"]

    assert (fine.step_s, len(fine.mean)) == (300, 24)
    assert fine.origin == history["cpu_usage"].end


def test_fine_forecasts_leave_out_what_is_too_short() -> None:
    step = timedelta(minutes=5)
    history = {"cpu_usage": Series("cpu_usage", np.ones(10), step, START)}

    assert planner(START).planned_fine(history, host="here").metrics == {}


def test_recent_spikes_are_flagged_with_time_and_size() -> None:
    past = series("cpu_usage", 24 * 10)
    past.values[24 * 9 + 18] += 40

    spikes = planner(START).forecast({"cpu_usage": past}, horizon_hours=6).spikes

    assert [spike.at for spike in spikes] == [START + timedelta(hours=24 * 9 + 18)]
    assert 30 < spikes[0].size < 50
    assert spikes[0].is_over


def test_the_harness_gets_lists_for_every_quantile() -> None:
    answer = forecast_series(series("x", 200).values, 3600, 24)

    assert len(answer["mean"]) == 24
    assert {q: len(row) for q, row in answer["quantiles"].items()} == dict.fromkeys(
        (0.1, 0.5, 0.9, 0.95), 24
    )


def nab() -> dict[str, FloatArray]:
    with NAB.open() as file:
        rows = list(csv.DictReader(file))
    return {row["series"]: np.array(row["values"].split(), dtype=np.float64) for row in rows}


@pytest.mark.parametrize("name", ["ec2_cpu_utilization_fe7f93", "rds_cpu_utilization_e47b3b"])
def test_on_real_workloads_the_hybrid_beats_repeating_yesterday(name: str) -> None:
    values = nab()[name]
    hybrid, naive, inside = [], [], []
    for origin in range(values.size - 24, 100, -29):
        answer = forecast_series(values[:origin], 3600, 24)
        actual = values[origin : origin + 24]
        hybrid.append(np.abs(actual - answer["mean"]).mean())
        naive.append(np.abs(actual - values[origin - 24 : origin]).mean())
        low, high = (np.array(answer["quantiles"][q]) for q in (0.1, 0.9))
        inside.append(((actual >= low) & (actual <= high)).mean())

    assert np.mean(hybrid) < 0.9 * np.mean(naive)
    assert 0.65 < np.mean(inside) < 0.95
