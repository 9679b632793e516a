from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.decisions.recommend import increase_needed, recommend
from optimizer.forecasting.forecast import BacktestScore, MetricForecast
from optimizer.forecasting.saturation import exhaustion_probability

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
TRIED = BacktestScore(skill=0.3, error=1.0, naive_error=1.5, coverage=0.8, n=2000)
LIMITS = {"cpu_usage": 85.0, "memory_usage": 90.0, "storage_usage": 90.0}

Row = tuple[float, float, float, float]


def forecast(
    metric: str, *rows: Row, last: float = 50.0, backtest: BacktestScore | None = TRIED
) -> MetricForecast:
    low, middle, high, top = (tuple(column) for column in zip(*rows, strict=True))
    return MetricForecast(
        metric=metric,
        unit="%",
        maximum=100.0,
        model="ml_hybrid",
        step_s=3600,
        origin=NOW,
        last=last,
        mean=middle,
        quantiles={"0.1": low, "0.5": middle, "0.9": high, "0.95": top},
        confidence=(1.0,) * len(rows),
        backtest=backtest,
        weights={},
    )


def test_memory_that_will_run_out_is_scaled_in_the_words_of_the_reference() -> None:
    calm, tight = (60.0, 65.0, 70.0, 72.0), (70.0, 80.64, 92.0, 99.0)
    rising = forecast("memory_usage", *[calm] * 7, tight, last=70.0)

    (found,) = recommend({"memory_usage": rising}, LIMITS, now=NOW)

    assert found.type == "scale_memory_resources"
    assert found.priority == "medium"
    assert found.target_increase == "10%"
    assert found.reason.startswith("Memory usage predicted to increase by 15.2%")
    assert found.needed_by == NOW + timedelta(hours=7)


def test_the_increase_brings_the_probability_of_exhaustion_to_its_target() -> None:
    tight = forecast("cpu_usage", (50.0, 70.0, 90.0, 98.0))

    share = increase_needed(tight, 85.0)

    more = 1 + share
    eased = forecast("cpu_usage", (50 / more, 70 / more, 90 / more, 98 / more))
    assert exhaustion_probability(eased, 85.0).max() == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("hours", "priority"),
    [(0, "critical"), (2, "critical"), (3, "high"), (6, "high"), (24, "medium"), (25, "low")],
)
def test_priority_follows_from_the_time_that_is_left(hours: int, priority: str) -> None:
    calm, tight = (10.0, 20.0, 30.0, 35.0), (80.0, 85.0, 95.0, 99.0)

    (found,) = recommend(
        {"cpu_usage": forecast("cpu_usage", *[calm] * hours, tight)}, LIMITS, now=NOW
    )

    assert found.priority == priority


def test_nothing_is_said_inside_the_band_between_scaling_up_and_down() -> None:
    steady = forecast("cpu_usage", *[(30.0, 50.0, 60.0, 65.0)] * 24)

    assert recommend({"cpu_usage": steady}, LIMITS, now=NOW) == []


def test_plenty_to_spare_is_reduced_and_stays_under_the_limit_with_room() -> None:
    idle = forecast("cpu_usage", *[(2.0, 5.0, 10.0, 14.0)] * 24)

    (found,) = recommend({"cpu_usage": idle}, LIMITS, now=NOW)

    assert found.type == "reduce_cpu_resources"
    assert found.priority == "low"
    assert found.needed_by is None
    left = 1 + int(found.target_increase.rstrip("%")) / 100
    smaller = forecast("cpu_usage", *[(2 / left, 5 / left, 10 / left, 14 / left)] * 24)
    assert recommend({"cpu_usage": smaller}, LIMITS, now=NOW) == []


def test_reductions_wait_for_a_long_and_tried_forecast() -> None:
    idle = (2.0, 5.0, 10.0, 14.0)

    short = forecast("cpu_usage", *[idle] * 23)
    untried = forecast("cpu_usage", *[idle] * 24, backtest=None)

    assert recommend({"cpu_usage": short}, LIMITS, now=NOW) == []
    assert recommend({"cpu_usage": untried}, LIMITS, now=NOW) == []


def test_disks_are_never_shrunk() -> None:
    empty = forecast("storage_usage", *[(2.0, 2.0, 2.0, 2.0)] * 24)

    assert recommend({"storage_usage": empty}, LIMITS, now=NOW) == []


def test_metrics_that_are_no_share_of_a_resource_are_skipped() -> None:
    many = forecast("load_1m", (90.0, 95.0, 99.0, 99.0))

    assert recommend({"load_1m": many}, {"load_1m": 1.0}, now=NOW) == []
    assert recommend({"cpu_usage": forecast("cpu_usage", (90, 95, 99, 99))}, {}, now=NOW) == []


def test_the_most_urgent_comes_first() -> None:
    calm, tight = (10.0, 20.0, 30.0, 35.0), (80.0, 95.0, 98.0, 99.0)
    later = forecast("cpu_usage", *[calm] * 10, tight)
    soon = forecast("memory_usage", tight)

    found = recommend({"cpu_usage": later, "memory_usage": soon}, LIMITS, now=NOW)

    assert [item.metric for item in found] == ["memory_usage", "cpu_usage"]


@given(st.lists(st.floats(0, 100), min_size=4, max_size=4).map(sorted), st.floats(1, 100))
def test_a_higher_limit_never_asks_for_more(quantiles: list[float], limit: float) -> None:
    row = forecast("cpu_usage", (quantiles[0], quantiles[1], quantiles[2], quantiles[3]))

    assert increase_needed(row, limit + 1) <= increase_needed(row, limit)
