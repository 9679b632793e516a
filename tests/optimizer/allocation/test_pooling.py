"""What leases use together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation.pooling import (
    DRAWS,
    POINTS,
    Burst,
    FloatArray,
    admit_burst,
    equally_likely,
    pooled,
    sums,
)

GIB = 2.0**30

amounts = st.floats(0, 64 * GIB)
seen = st.lists(amounts, max_size=40).map(lambda values: np.array(values, dtype=np.float64))


@st.composite
def bursts(draw: st.DrawFn) -> Burst:
    guaranteed, most = sorted((draw(amounts), draw(amounts)))
    return Burst(guaranteed, most, draw(seen))


@given(st.lists(amounts, min_size=1, max_size=500))
def test_the_values_that_stand_for_observations_stay_in_their_range(observed: list[float]) -> None:
    values = equally_likely(np.array(observed))

    assert values.shape == (POINTS,)
    assert np.all(np.diff(values) >= -1e-6 * np.abs(values[1:]))
    assert min(observed) <= values[0] * (1 + 1e-9)
    assert values[-1] <= max(observed) * (1 + 1e-9)


def test_the_mean_of_many_observations_is_kept() -> None:
    observed = np.random.default_rng(1).lognormal(0, 2, POINTS * 9)

    assert equally_likely(observed).mean() == pytest.approx(observed.mean())


def test_a_sum_without_spread_needs_no_reserve() -> None:
    together = pooled([np.full(POINTS, GIB)] * 7, quantile=0.95)

    assert (together.mean, together.reserve) == (7 * GIB, 0)


def test_one_reserve_for_sixteen_is_far_less_than_sixteen_reserves() -> None:
    use = equally_likely(np.random.default_rng(2).lognormal(0, 1, 1000))

    one, many = pooled([use], 0.95), pooled([use] * 16, 0.95)

    assert many.mean == pytest.approx(16 * one.mean, rel=0.1)
    assert many.reserve < 16 * one.reserve / 2


def test_the_quantile_of_a_sum_is_that_of_a_much_longer_simulation() -> None:
    observed = np.random.default_rng(3).lognormal(0, 1, 4000)
    use = equally_likely(observed)
    simulated = np.random.default_rng(4).choice(observed, (20_000, 20)).sum(axis=1)
    low, high = np.quantile(simulated, [0.88, 0.985])

    assert low < pooled([use] * 20, 0.95).booked < high


@given(st.lists(seen, min_size=1, max_size=6), st.floats(0, 1))
def test_the_quantile_is_that_of_numpy(observed: list[FloatArray], quantile: float) -> None:
    uses = [equally_likely(values) for values in observed if values.size]
    expected = np.quantile(sums(uses), quantile)

    together = pooled(uses, quantile)

    assert together.booked == pytest.approx(max(expected, together.mean), rel=1e-9, abs=1e-9)


@given(st.lists(bursts(), max_size=6))
def test_one_lease_more_never_lowers_the_sum(held: list[Burst]) -> None:
    uses = [equally_likely(lease.seen) for lease in held if lease.seen.size]

    assert np.all(sums(uses) >= sums(uses[:-1]))


@given(bursts(), st.lists(bursts(), max_size=6), amounts)
def test_a_burst_is_granted_between_what_is_guaranteed_and_what_is_asked(
    asked: Burst, held: list[Burst], capacity: float
) -> None:
    admission = admit_burst(asked, held, capacity=capacity, quantile=0.95)

    assert asked.guaranteed <= admission.most <= asked.most
    assert 1 / (DRAWS + 1) <= admission.risk <= 1


@given(bursts(), st.lists(bursts(), max_size=6), amounts, amounts)
def test_more_capacity_never_grants_less(
    asked: Burst, held: list[Burst], capacity: float, more: float
) -> None:
    small = admit_burst(asked, held, capacity=capacity, quantile=0.95)
    large = admit_burst(asked, held, capacity=capacity + more, quantile=0.95)

    assert large.most >= small.most


@given(bursts(), st.lists(bursts(), max_size=6), amounts)
def test_a_burst_above_what_is_guaranteed_keeps_the_quantile_of_the_sum_inside(
    asked: Burst, held: list[Burst], capacity: float
) -> None:
    admission = admit_burst(asked, held, capacity=capacity, quantile=0.95)

    if admission.most > asked.guaranteed:
        assert admission.booked <= capacity * (1 + 1e-9)


def test_a_lease_of_which_nothing_is_known_counts_with_its_whole_range() -> None:
    unknown = Burst(1 * GIB, 6 * GIB, np.empty(0))

    first = admit_burst(unknown, [], capacity=8 * GIB, quantile=0.95)
    second = admit_burst(unknown, [unknown], capacity=8 * GIB, quantile=0.95)

    assert first.most == 6 * GIB
    assert second.most == 2 * GIB


def test_what_is_seen_lets_more_burst_than_the_sum_of_ranges() -> None:
    usual = Burst(0.5 * GIB, 6 * GIB, np.array([0.6 * GIB] * 95 + [4 * GIB] * 5))

    admission = admit_burst(usual, [usual] * 4, capacity=12 * GIB, quantile=0.95)

    assert admission.most == 6 * GIB
    assert 0 < admission.risk < 0.05
