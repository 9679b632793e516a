from datetime import UTC, datetime, timedelta

import pytest

from optimizer.forecasting.forecast import MetricForecast
from optimizer.forecasting.saturation import exhaustion_probability, find_saturations

ORIGIN = datetime(2026, 11, 22, 10, tzinfo=UTC)


def forecast(metric: str, *rows: tuple[float, float, float, float]) -> MetricForecast:
    low, middle, high, top = (tuple(column) for column in zip(*rows, strict=True))
    return MetricForecast(
        metric=metric,
        unit="%",
        maximum=100.0,
        model="ml_hybrid",
        step_s=3600,
        origin=ORIGIN,
        last=50.0,
        mean=middle,
        quantiles={"0.1": low, "0.5": middle, "0.9": high, "0.95": top},
        confidence=(1.0,) * len(rows),
        backtest=None,
        weights={},
    )


def test_the_first_hour_whose_upper_quantile_reaches_the_limit_is_named() -> None:
    rising = forecast("memory_usage", (40, 50, 60, 65), (60, 80, 90, 95), (70, 85, 95, 97))

    (found,) = find_saturations({"memory_usage": rising}, {"memory_usage": 90.0}, now=ORIGIN)

    assert found.at == ORIGIN + timedelta(hours=1)
    assert found.in_hours == 1.0
    assert found.peak == 95.0
    assert found.probability == pytest.approx(0.3)


def test_at_a_quantile_the_probability_of_exhaustion_is_what_is_left() -> None:
    row = forecast("cpu_usage", (10, 20, 40, 50))

    assert exhaustion_probability(row, 40.0)[0] == pytest.approx(0.1)
    assert exhaustion_probability(row, 20.0)[0] == pytest.approx(0.5)


def test_below_the_limit_and_without_a_limit_nothing_is_said() -> None:
    calm = forecast("cpu_usage", (10, 20, 30, 35))

    assert find_saturations({"cpu_usage": calm}, {"cpu_usage": 85.0}, now=ORIGIN) == ()
    assert find_saturations({"cpu_usage": calm}, {}, now=ORIGIN) == ()


def test_the_earliest_saturation_comes_first() -> None:
    late = forecast("cpu_usage", (10, 20, 30, 35), (80, 90, 95, 99))
    soon = forecast("memory_usage", (80, 90, 95, 99), (80, 90, 95, 99))

    found = find_saturations(
        {"cpu_usage": late, "memory_usage": soon},
        {"cpu_usage": 85.0, "memory_usage": 90.0},
        now=ORIGIN,
    )

    assert [saturation.metric for saturation in found] == ["memory_usage", "cpu_usage"]
