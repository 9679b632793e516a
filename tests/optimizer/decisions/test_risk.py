from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.decisions.risk import (
    any_exhausted,
    error_bounds,
    exceedance,
    observed_error_rate,
    reliability,
)

LEVELS = (0.1, 0.5, 0.9, 0.95)


@given(
    mean=st.floats(1, 100),
    deviation=st.floats(0.01, 50),
    z=st.floats(-4, 4),
)
def test_for_a_gaussian_the_exceedance_is_exact_everywhere(
    mean: float, deviation: float, z: float
) -> None:
    normal = NormalDist(mean, deviation)
    quantiles = [(p, normal.inv_cdf(p)) for p in LEVELS]

    assert exceedance(quantiles, mean + z * deviation) == pytest.approx(
        NormalDist().cdf(-z), abs=1e-6
    )


@given(
    values=st.lists(st.floats(0, 100), min_size=4, max_size=4).map(sorted),
    amounts=st.lists(st.floats(-50, 200), min_size=2, max_size=2).map(sorted),
)
def test_more_of_a_resource_never_makes_exhaustion_likelier(
    values: list[float], amounts: list[float]
) -> None:
    quantiles = list(zip(LEVELS, values, strict=True))

    less, more = (exceedance(quantiles, amount) for amount in amounts)

    assert 0 <= more <= less + 1e-12 <= 1 + 1e-12


def test_a_demand_that_never_varies_is_exceeded_by_nothing_above_it() -> None:
    constant = [(p, 5.0) for p in LEVELS]

    assert exceedance(constant, 5.0) == 0
    assert exceedance(constant, 4.999) == 1


def test_a_quantile_is_exceeded_as_often_as_it_says() -> None:
    quantiles = list(zip(LEVELS, (10.0, 20.0, 60.0, 61.0), strict=True))

    for probability, value in quantiles:
        assert exceedance(quantiles, value) == pytest.approx(1 - probability)


def test_a_flat_top_does_not_promise_that_nothing_lies_above_it() -> None:
    clipped = list(zip(LEVELS, (40.0, 70.0, 100.0, 100.0), strict=True))

    assert 0.01 < exceedance(clipped, 110.0) < 0.05


@given(st.lists(st.floats(0, 1), max_size=5))
def test_any_exhausted_lies_between_the_greatest_and_the_sum(probabilities: list[float]) -> None:
    low, high = any_exhausted(probabilities)

    assert low == max(probabilities, default=0)
    assert low <= high + 1e-12 <= 1 + 1e-12


def test_reliability_is_the_product_of_not_running_out_and_not_failing() -> None:
    assert reliability(0.1, 0.02) == pytest.approx(0.882)


def test_of_too_few_requests_there_is_no_error_rate() -> None:
    assert observed_error_rate(None, None) is None
    assert observed_error_rate(19, 19) is None
    assert observed_error_rate(1, 20) == 0.05


def test_without_requests_none_can_fail_and_with_few_many_may() -> None:
    assert error_bounds(None, 0) == (0.0, 0.0)
    low, high = error_bounds(0.0, 20)
    assert low == 0
    assert high == pytest.approx(0.1611, abs=1e-3)
