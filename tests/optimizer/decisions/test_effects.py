from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optimizer.decisions.effects import Effect, measure, student_quantile
from optimizer.monitoring.history import Series
from optimizer.statistics import FloatArray

STEP = timedelta(minutes=5)
APPLIED = datetime(2026, 11, 22, 8, tzinfo=UTC)
DAYS = 8


def load(seed: int, days: int = DAYS) -> FloatArray:
    """A daily cycle that rises steeply at eight in the morning, with noise that lasts."""
    count = days * 288 + 12
    random, noise = np.random.default_rng(seed), np.zeros(count)
    for step in range(1, count):
        noise[step] = 0.8 * noise[step - 1] + random.normal(0, 1.5)
    hours = np.arange(count) / 12
    return np.asarray(40 + 20 * np.sin((hours - 8 + 8) / 24 * 2 * np.pi) + noise, dtype=np.float64)


def seen(values: FloatArray, shift: float = 0.0) -> Effect | None:
    """What is measured an hour after something shifted the load, at the end of the series."""
    shifted = values.copy()
    shifted[-12:] += shift
    start = APPLIED + timedelta(hours=1) - values.size * STEP
    return measure(
        [Series("cpu_usage", shifted, STEP, start)], APPLIED, APPLIED + timedelta(hours=1)
    )


def test_a_drop_is_told_with_its_size_though_the_day_rises() -> None:
    effect = seen(load(1), shift=-25.0)

    assert effect is not None
    [change] = effect.changes
    assert change.verdict == "fell"
    assert change.interval[0] <= -25.0 <= change.interval[1]
    assert "7 days before" in change.compared_with
    assert effect.statement.startswith("cpu_usage fell by ")


def test_the_days_own_rise_is_no_effect_and_the_interval_keeps_its_promise() -> None:
    effects = [seen(load(seed)) for seed in range(200)]

    quiet = [e.changes[0].verdict == "no measurable effect" for e in effects if e is not None]
    assert len(quiet) == 200
    assert 0.9 <= np.mean(quiet) <= 0.99


def test_without_days_before_the_two_hours_alone_are_compared_and_it_is_said() -> None:
    effect = seen(load(3)[-24:], shift=-30.0)

    assert effect is not None
    [change] = effect.changes
    assert change.verdict == "fell"
    assert "the hour before alone" in change.compared_with


def test_nothing_is_said_too_early_or_without_records() -> None:
    values = load(4)
    start = APPLIED + timedelta(hours=1) - values.size * STEP
    series = Series("cpu_usage", values, STEP, start)
    empty = Series("cpu_usage", np.full(values.size, np.nan), STEP, start)

    assert measure([series], APPLIED, APPLIED + timedelta(minutes=14)) is None
    assert measure([empty], APPLIED, APPLIED + timedelta(hours=1)) is None


def test_a_metric_that_never_varies_has_an_interval_of_no_width() -> None:
    effect = seen(np.full(DAYS * 288 + 12, 30.0))

    assert effect is not None
    assert effect.changes[0].interval == (0.0, 0.0)
    assert effect.statement == "no measurable effect on cpu_usage"


@pytest.mark.parametrize(("freedom", "value"), [(1, 12.706), (3, 3.182), (10, 2.228), (60, 2.000)])
def test_students_quantiles_are_the_published_ones(freedom: int, value: float) -> None:
    assert student_quantile(freedom) == pytest.approx(value, abs=1e-3)
