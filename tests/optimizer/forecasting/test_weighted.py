import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optimizer.forecasting.weighted import masked_mean, masked_median, quantiles_of_sorted

numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=1, max_size=30), st.integers(0, 10))
def test_the_masked_median_is_the_median_of_what_is_there(known: list[float], missing: int) -> None:
    values = np.array([*known, *[np.nan] * missing])

    assert masked_median(values, axis=0) == np.median(known)


def test_the_masked_median_of_nothing_is_nan() -> None:
    assert np.isnan(masked_median(np.full((3, 2), np.nan), axis=0)).all()


def test_the_masked_mean_weighs_only_what_is_there() -> None:
    values = np.array([1.0, np.nan, 4.0])

    assert masked_mean(values, np.array([1.0, 5.0, 2.0]), axis=0) == 3.0
    assert np.isnan(masked_mean(values, np.array([0.0, 1.0, 0.0]), axis=0))


def test_equal_weights_give_hazens_quantiles() -> None:
    sample = np.arange(10.0)

    found = quantiles_of_sorted(sample, np.ones((1, 10)), (0.05, 0.5, 0.95, 1.0))

    np.testing.assert_allclose(found[:, 0], [0.0, 4.5, 9.0, 9.0])


@given(
    st.lists(st.tuples(numbers, st.floats(0.01, 10)), min_size=1, max_size=40),
    st.lists(st.floats(0.01, 0.99), min_size=2, max_size=5).map(sorted),
)
def test_weighted_quantiles_grow_with_the_probability_and_stay_in_the_sample(
    pairs: list[tuple[float, float]], probabilities: list[float]
) -> None:
    pairs.sort()
    sample, weights = np.array(pairs).T

    found = quantiles_of_sorted(sample, weights[None, :], probabilities)[:, 0]

    rounding = 1e-9 * np.abs(sample).max()
    assert (np.diff(found) >= -rounding).all()
    assert sample[0] - rounding <= found[0]
    assert found[-1] <= sample[-1] + rounding


def test_one_sample_per_weighting_is_read_row_by_row() -> None:
    samples = np.array([[0.0, 1.0, 2.0], [10.0, 20.0, 30.0]])

    found = quantiles_of_sorted(samples, np.ones((2, 3)), (0.5,))

    np.testing.assert_allclose(found, [[1.0, 20.0]])
