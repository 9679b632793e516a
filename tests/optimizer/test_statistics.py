import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.statistics import beta_cdf, beta_interval, beta_quantile, theil_sen, wilson_interval


def test_wilson_agrees_with_the_published_example() -> None:
    """Brown, Cai, DasGupta, Statistical Science 16 (2001): 0 of 10 gives 0 to 0.2775."""
    low, high = wilson_interval(0, 10)

    assert low == 0
    assert high == pytest.approx(0.2775, abs=5e-4)


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_holds_the_observed_rate_and_stays_a_rate(trials: int, share: float) -> None:
    successes = round(trials * share)
    low, high = wilson_interval(successes, trials)

    assert 0 <= low <= successes / trials <= high <= 1


def test_without_trials_any_rate_is_possible() -> None:
    assert wilson_interval(0, 0) == (0, 1)


def test_one_outlier_does_not_turn_the_slope() -> None:
    y = np.arange(20.0)
    y[7] = 1e6

    slope = theil_sen(y)

    assert slope.per_step == pytest.approx(1.0)
    assert slope.p_value < 0.001


def test_a_constant_has_no_trend() -> None:
    slope = theil_sen(np.full(10, 3.0))

    assert (slope.per_step, slope.p_value) == (0, 1)


@given(seed=st.integers(0, 2**32 - 1))
def test_noise_reversed_has_the_opposite_slope_and_the_same_p(seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=30)

    forward, backward = theil_sen(y), theil_sen(y[::-1].copy())

    assert forward.per_step == pytest.approx(-backward.per_step)
    assert forward.p_value == pytest.approx(backward.p_value)


@pytest.mark.parametrize(
    ("probability", "a", "b", "expected"),
    [
        (0.05, 3.76, 0.24, 0.7078048523),
        (0.05, 103.76, 0.24, 0.9886911219),
        (0.95, 103.76, 5.24, 0.980161693),
        (0.05, 1.5, 300, 0.000585751),
        (0.9, 2, 3, 0.6795394163),
        (0.05, 1203.76, 40.24, 0.9589997342),
    ],
)
def test_beta_quantiles_equal_those_of_scipy(
    probability: float, a: float, b: float, expected: float
) -> None:
    assert beta_quantile(probability, a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [
        (0.3, 2, 5, 0.579825),
        (0.9, 30, 4, 0.576943664126),
        (0.5, 0.2, 0.1, 0.329429203897),
        (0.01, 1, 200, 0.866020325142),
    ],
)
def test_beta_probabilities_equal_those_of_scipy(
    x: float, a: float, b: float, expected: float
) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(expected, abs=1e-9)


@given(p=st.floats(0.001, 0.999), a=st.floats(0.3, 3000), b=st.floats(0.3, 3000))
def test_a_beta_quantile_is_where_the_probability_is_reached(p: float, a: float, b: float) -> None:
    assert beta_cdf(beta_quantile(p, a, b), a, b) == pytest.approx(p, abs=1e-6)


def test_a_beta_interval_leaves_out_the_same_on_both_sides() -> None:
    low, high = beta_interval(8, 3, confidence=0.9)

    assert beta_cdf(low, 8, 3) == pytest.approx(0.05)
    assert beta_cdf(high, 8, 3) == pytest.approx(0.95)


def test_beta_ends_at_zero_and_one() -> None:
    assert (beta_cdf(-1, 2, 2), beta_cdf(2, 2, 2)) == (0, 1)
    assert (beta_quantile(0, 2, 2), beta_quantile(1, 2, 2)) == (0, 1)
