"""Many samples to few."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.monitoring.rollup import roll_up


def test_a_step_holds_its_mean_extremes_and_95th_percentile() -> None:
    times = np.arange(300.0, 320.0)
    values = np.arange(1.0, 21.0)[:, None]

    rollups = roll_up(times, values, step_s=300)

    assert rollups.starts_s.tolist() == [300]
    assert rollups.samples.tolist() == [20]
    assert (rollups.mean[0, 0], rollups.least[0, 0], rollups.greatest[0, 0]) == (10.5, 1, 20)
    assert rollups.p95[0, 0] == pytest.approx(np.percentile(values, 95))


def test_what_is_unknown_is_left_out_and_stays_unknown_where_nothing_is_known() -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])

    rollups = roll_up(np.array([0.0, 1.0, 2.0]), values, step_s=300)

    assert rollups.mean[0, 0] == 2.0
    assert (rollups.least[0, 0], rollups.greatest[0, 0]) == (1.0, 3.0)
    for kind in (rollups.mean, rollups.least, rollups.greatest, rollups.p95):
        assert np.isnan(kind[0, 1])


def test_steps_without_a_sample_are_left_out() -> None:
    rollups = roll_up(np.array([10.0, 910.0]), np.ones((2, 1)), step_s=300)

    assert rollups.starts_s.tolist() == [0, 900]


def test_nothing_rolls_up_to_nothing() -> None:
    rollups = roll_up(np.empty(0), np.empty((0, 3)), step_s=300)

    assert rollups.mean.shape == (0, 3)


@given(
    samples=st.lists(
        st.tuples(st.integers(0, 5000), st.one_of(st.just(np.nan), st.floats(0, 1e9))),
        min_size=1,
        max_size=60,
    ),
    seed=st.randoms(use_true_random=False),
)
def test_order_does_not_matter_and_figures_are_ordered(
    samples: list[tuple[int, float]], seed: object
) -> None:
    times = np.array([float(time) for time, _ in samples])
    values = np.array([[value] for _, value in samples])
    shuffled = list(range(len(samples)))
    seed.shuffle(shuffled)  # type: ignore[attr-defined]

    one = roll_up(times, values, step_s=300)
    other = roll_up(times[shuffled], values[shuffled], step_s=300)

    np.testing.assert_allclose(one.mean, other.mean)
    np.testing.assert_array_equal(one.p95, other.p95)
    known = ~np.isnan(one.mean)
    slack = 1e-9 * (1 + one.greatest[known])
    assert (one.least[known] <= one.mean[known] + slack).all()
    assert (one.mean[known] <= one.greatest[known] + slack).all()
    assert (one.p95[known] <= one.greatest[known] + slack).all()
    assert one.samples.sum() == len(samples)
