"""The recent past in memory."""

from datetime import timedelta

import numpy as np
import pytest

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.keeper import StoredHistory, no_rollups, stored_figures
from optimizer.monitoring.past import Past, block_means
from optimizer.monitoring.rollup import roll_up
from tests.optimizer.monitoring.fakes import NOON, a_sample, samples_at

HALF_MINUTE = timedelta(seconds=30)
FIVE_MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def test_samples_become_series_of_five_minutes_and_of_an_hour() -> None:
    past = Past(HALF_MINUTE)
    for sample in samples_at(range(100), HALF_MINUTE):
        past.add(sample)
    for sample in samples_at([50.0] * 40, HALF_MINUTE, NOON + timedelta(minutes=50)):
        past.add(sample)

    later = NOON + timedelta(minutes=70)
    five = past.series("cpu_usage", step=FIVE_MINUTES, now=later)
    hours = past.series("cpu_usage", step=HOUR, now=later)

    assert (five.start, five.values[0], five.values.size) == (NOON, 4.5, 14)
    assert hours.values.tolist() == [pytest.approx((sum(range(100)) + 20 * 50) / 120)]


def test_history_is_kept_in_two_widths_only_and_of_stored_metrics_only() -> None:
    past = Past(HALF_MINUTE)

    with pytest.raises(InvalidRequestError, match="300 s and 3600 s"):
        past.series("cpu_usage", step=timedelta(minutes=1), now=NOON)
    with pytest.raises(InvalidRequestError, match="known: cpu_usage"):
        past.series("cpu", step=HOUR, now=NOON)


def test_a_stored_past_goes_on_with_new_samples_in_the_same_step() -> None:
    before = samples_at([10.0] * 13, HALF_MINUTE)
    times = np.array([sample.timestamp.timestamp() for sample in before])
    values = np.array([stored_figures(sample) for sample in before], dtype=np.float64)
    finished = roll_up(times[:10], values[:10], step_s=300)
    past = Past(HALF_MINUTE)

    past.load(StoredHistory(times, values, five_minutes=finished, hours=no_rollups(3600)))
    for sample in samples_at([40.0] * 3, HALF_MINUTE, NOON + timedelta(seconds=390)):
        past.add(sample)

    series = past.series("cpu_usage", step=FIVE_MINUTES, now=NOON + timedelta(minutes=10))
    assert series.values.tolist() == [10.0, pytest.approx(25.0)]


def test_a_sample_taken_again_after_the_clock_went_back_replaces_the_first() -> None:
    past = Past(HALF_MINUTE)
    for sample in samples_at([10.0, 20.0, 30.0], HALF_MINUTE):
        past.add(sample)

    past.add(a_sample(NOON + timedelta(seconds=31), cpu_usage=90.0))

    now = NOON + timedelta(seconds=61)
    means = past.means("cpu_usage", step=HALF_MINUTE, blocks=2, now=now).values
    assert means.tolist() == [90.0, 30.0]


def test_means_end_now_and_gaps_stay_gaps() -> None:
    past = Past(HALF_MINUTE)
    for sample in samples_at([10.0, 20.0], HALF_MINUTE):
        past.add(sample)

    series = past.means(
        "cpu_usage", step=timedelta(minutes=1), blocks=3, now=NOON + timedelta(seconds=30)
    )

    np.testing.assert_array_equal(series.values, [np.nan, np.nan, 15.0])
    assert series.end == NOON + timedelta(seconds=30)


def test_the_recent_past_comes_from_samples_or_from_steps_when_it_is_long() -> None:
    second = timedelta(seconds=1)
    past = Past(second)
    for sample in samples_at([30.0] * 7200, second):
        past.add(sample)
    now = NOON + timedelta(hours=2)

    short = past.recent(timedelta(minutes=10), points=40, now=now)["cpu_usage"]
    long = past.recent(timedelta(hours=2), points=40, now=now)["cpu_usage"]

    assert short.step == timedelta(seconds=15)
    assert set(short.values.tolist()) == {30.0}
    assert long.step == FIVE_MINUTES
    assert long.values.tolist() == [30.0] * 24


def test_in_the_first_minutes_a_long_look_back_shows_the_step_that_is_not_finished() -> None:
    past = Past(timedelta(seconds=0.5))
    for sample in samples_at([30.0] * 60, timedelta(seconds=0.5)):
        past.add(sample)

    hour = past.recent(HOUR, points=60, now=NOON + timedelta(seconds=30))["cpu_usage"]

    assert hour.values[-1] == 30.0
    assert np.isnan(hour.values[:-1]).all()


def test_block_means_leave_what_is_unknown_out() -> None:
    times = np.array([1.0, 2.0, 11.0])
    values = np.array([4.0, np.nan, 8.0])

    means = block_means(times, values, step_s=10, blocks=2, end_s=20)

    assert means.tolist() == [4.0, 8.0]
