import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.statistics import theil_sen, wilson_interval


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
