import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optimizer.forecasting.distribution import probability_at_most, probability_near

QUANTILES = np.array([[10.0], [20.0], [40.0], [50.0]])


def test_each_quantile_has_its_own_probability() -> None:
    found = [probability_at_most(QUANTILES, float(q))[0] for q in QUANTILES[:, 0]]

    np.testing.assert_allclose(found, [0.1, 0.5, 0.9, 0.95])


def test_between_quantiles_probability_grows_in_a_line() -> None:
    np.testing.assert_allclose(probability_at_most(QUANTILES, 30.0), 0.7)


def test_beyond_the_last_quantile_probability_nears_one() -> None:
    assert 0.95 < probability_at_most(QUANTILES, 60.0)[0] < 1
    assert 0 < probability_at_most(QUANTILES, 0.0)[0] < 0.1


def test_a_certain_value_is_a_step() -> None:
    certain = np.full((4, 1), 7.0)

    assert probability_at_most(certain, 6.999)[0] < 1e-300
    assert probability_at_most(certain, 7.0)[0] >= 0.95
    assert probability_at_most(certain, 7.001)[0] == 1
    assert probability_near(certain, np.array([0.1]))[0] == 1


@given(
    st.lists(st.floats(0, 100), min_size=4, max_size=4).map(sorted),
    st.lists(st.floats(-50, 200), min_size=2, max_size=2).map(sorted),
)
def test_probability_never_falls_and_stays_in_bounds(
    quantiles: list[float], values: list[float]
) -> None:
    rows = np.array(quantiles)[:, None]

    less, more = (probability_at_most(rows, value)[0] for value in values)

    assert 0 <= less <= more + 1e-12 <= 1 + 1e-12


@given(st.lists(st.floats(0, 100), min_size=4, max_size=4).map(sorted), st.floats(0, 50))
def test_a_wider_tolerance_is_never_less_likely(quantiles: list[float], near: float) -> None:
    rows = np.array(quantiles)[:, None]

    narrow = probability_near(rows, np.array([near]))[0]
    wide = probability_near(rows, np.array([near + 1]))[0]

    assert 0 <= narrow <= wide + 1e-12 <= 1 + 1e-12
