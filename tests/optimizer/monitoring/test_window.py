"""Rings of the recent past."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optimizer.monitoring.window import BinRing, SampleRing


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def row(value: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.array([value])


def ring(size: int = 6) -> BinRing:
    return BinRing(step_s=300, size=size, metrics=1)


def test_a_series_holds_means_of_finished_steps_and_gaps_stay_gaps() -> None:
    bins = ring()
    for time_s, value in ((600, 1.0), (700, 3.0), (1200, 5.0), (1500, 9.0)):
        bins.add(time_s, row(value))

    series = bins.series(0, "cpu_usage", moment(1600))

    assert series.start == moment(600)
    assert series.end == moment(1500)
    np.testing.assert_array_equal(series.values, [2.0, np.nan, 5.0])


def test_nothing_recorded_is_an_empty_series_that_ends_now() -> None:
    series = ring().series(0, "cpu_usage", moment(1600))

    assert series.values.size == 0
    assert series.end == moment(1500)


def test_a_metric_that_was_unknown_leaves_a_gap() -> None:
    bins = ring()
    bins.add(0, row(np.nan))
    bins.add(300, row(4.0))

    series = bins.series(0, "cpu_usage", moment(600))

    assert series.values.tolist() == [4.0]


def test_what_is_older_than_the_ring_is_gone() -> None:
    bins = ring(size=3)
    for step in range(10):
        bins.add(step * 300, row(float(step)))

    assert bins.series(0, "cpu_usage", moment(3000)).values.tolist() == [7.0, 8.0, 9.0]


def test_a_clock_set_back_writes_its_steps_anew_and_shows_no_future() -> None:
    bins = ring()
    for time_s in (0, 300, 600, 900):
        bins.add(time_s, row(1.0))

    bins.add(310, row(7.0))
    bins.add(320, row(9.0))
    bins.add(610, row(5.0))

    assert bins.series(0, "cpu_usage", moment(900)).values.tolist() == [1.0, 8.0, 5.0]


def test_a_clock_that_ran_ahead_and_came_back_leaves_the_present_whole() -> None:
    bins = ring()
    bins.add(0, row(1.0))
    bins.add(86_400 * 30, row(99.0))
    for time_s in (300, 600, 900):
        bins.add(time_s, row(2.0))

    values = bins.series(0, "cpu_usage", moment(1200)).values

    assert values.tolist()[-3:] == [2.0, 2.0, 2.0]
    assert 99.0 not in values.tolist()


def test_steps_from_the_store_go_on_where_they_ended() -> None:
    bins = ring()
    bins.put(np.array([0, 300]), np.array([[2.0], [np.nan]]))
    bins.add(650, row(8.0))

    np.testing.assert_array_equal(
        bins.series(0, "cpu_usage", moment(900)).values, [2.0, np.nan, 8.0]
    )


def test_a_mean_from_the_store_comes_back_to_the_last_bit() -> None:
    bins = ring(size=500)
    means = np.random.default_rng(1).random((500, 1)) * 1e10
    bins.put(np.arange(500) * 300, means)

    assert bins.series(0, "cpu_usage", moment(500 * 300)).values.tolist() == means[:, 0].tolist()


def test_a_sample_in_a_step_that_was_put_begins_it_anew() -> None:
    bins = ring()
    bins.put(np.array([0, 300]), np.array([[2.0], [4.0]]))
    bins.add(450, row(8.0))

    assert bins.series(0, "cpu_usage", moment(600)).values.tolist() == [2.0, 8.0]


GROWS = """
import numpy as np
from pathlib import Path
from optimizer.monitoring.window import BinRing

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

bins = BinRing(step_s=300, size=8640, metrics=22, whole={whole})
row = np.arange(22.0)
for step in range(100):
    bins.add(300 * step, row)
before = resident()
for step in range(100, 9000):
    bins.add(300 * step, row)
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("whole", "least", "most"), [(True, 0.0, 0.2), (False, 1.2, 1.7)])
def test_a_whole_ring_grows_by_nothing_in_a_month(whole: bool, least: float, most: float) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", GROWS.format(whole=whole)],
        capture_output=True,
        check=True,
        text=True,
    )

    assert least <= float(ran.stdout) <= most


def test_rows_are_the_middles_and_means_of_steps_with_data() -> None:
    bins = ring()
    bins.add(0, row(1.0))
    bins.add(600, row(3.0))

    times, rows = bins.rows(moment(900))

    assert times.tolist() == [150.0, 750.0]
    assert rows[:, 0].tolist() == [1.0, 3.0]


def test_samples_come_back_in_order_of_time_and_the_oldest_makes_room() -> None:
    samples = SampleRing(size=3, metrics=1)
    for time_s in (10, 20, 30, 40):
        samples.add(time_s, row(float(time_s)))

    times, rows = samples.between(0, 100)

    assert times.tolist() == [20, 30, 40]
    assert rows[:, 0].tolist() == [20, 30, 40]


def test_a_span_that_is_measured_again_is_forgotten_first() -> None:
    samples = SampleRing(size=5, metrics=1)
    for time_s in (10, 20, 30):
        samples.add(time_s, row(1.0))

    samples.forget(15, 25)
    samples.add(21, row(2.0))

    times, _ = samples.between(0, 100)
    assert times.tolist() == [10, 21, 30]


def test_a_ring_of_steps_knows_its_width() -> None:
    assert ring().series(0, "cpu_usage", moment(0)).step == timedelta(minutes=5)
