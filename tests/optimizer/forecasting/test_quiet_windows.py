from datetime import UTC, datetime, timedelta

from optimizer.forecasting.forecast import MetricForecast
from optimizer.forecasting.quiet_windows import find_quiet_windows

ORIGIN = datetime(2026, 11, 22, 10, tzinfo=UTC)


def forecast(metric: str, *high: float) -> MetricForecast:
    return MetricForecast(
        metric=metric,
        unit="%",
        maximum=100.0,
        model="ml_hybrid",
        step_s=3600,
        origin=ORIGIN,
        last=50.0,
        mean=high,
        quantiles={"0.1": high, "0.5": high, "0.9": high, "0.95": high},
        confidence=(1.0,) * len(high),
        backtest=None,
        weights={},
    )


def test_the_lowest_hours_are_one_window() -> None:
    (window,) = find_quiet_windows({"cpu_usage": forecast("cpu_usage", 80, 10, 12, 60, 90)})

    assert window.start == ORIGIN + timedelta(hours=1)
    assert window.end == ORIGIN + timedelta(hours=3)
    assert (window.hours, window.cpu_usage, window.memory_usage) == (2, 12.0, None)


def test_an_hour_that_is_busy_in_memory_is_not_quiet() -> None:
    windows = find_quiet_windows(
        {
            "cpu_usage": forecast("cpu_usage", 10, 10, 80),
            "memory_usage": forecast("memory_usage", 90, 20, 20),
        }
    )

    assert [window.start for window in windows] == [ORIGIN + timedelta(hours=1)]


def test_a_flat_forecast_has_no_quiet_window() -> None:
    assert find_quiet_windows({"cpu_usage": forecast("cpu_usage", 30, 30.2, 30)}) == ()
    assert find_quiet_windows({}) == ()


def test_at_most_three_windows_the_quietest_first() -> None:
    high = (20, 90, 10, 90, 15, 90, 18, 90)

    windows = find_quiet_windows({"cpu_usage": forecast("cpu_usage", *high)})

    assert [window.cpu_usage for window in windows] == [10.0, 15.0, 18.0]
