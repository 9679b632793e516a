from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optimizer.forecasting.backtest import Backtest
from optimizer.forecasting.weights import combination_weights, refine, steep_weights
from optimizer.statistics import FloatArray


def backtest(*errors: FloatArray) -> Backtest:
    """Candidates whose paths miss an actual value of zero by these errors, shape (o, h) each."""
    past = np.stack(errors)
    origins, horizon = past.shape[1:]
    return Backtest(
        now=past[:, 0],
        past=past,
        actual=np.zeros((origins, horizon)),
        recency=np.repeat(0.97 ** np.arange(origins)[:, None], horizon, axis=1),
    )


def noise(seed: int, size: float = 1.0) -> FloatArray:
    return size * np.random.default_rng(seed).normal(0, 1, (40, 24))


def test_candidates_that_tie_share_the_weight() -> None:
    weights = steep_weights(np.array([1.0, 1.0, 2.0]), days=28)

    np.testing.assert_allclose(weights, [0.5, 0.5, 0.0], atol=1e-9)


def test_a_short_history_trusts_its_best_candidate_less() -> None:
    errors = np.array([1.0, 1.1])

    assert steep_weights(errors, days=2)[0] < steep_weights(errors, days=28)[0]


def test_a_perfect_candidate_gets_everything() -> None:
    weights = combination_weights(backtest(noise(1), 0 * noise(1), noise(2)), days=28)

    np.testing.assert_allclose(weights, [0, 1, 0], atol=1e-6)


def test_candidates_that_err_in_opposite_directions_are_mixed() -> None:
    too_high = 1 + noise(1, 0.1)
    too_low = -1 + noise(2, 0.1)

    weights = combination_weights(backtest(too_high, too_low), days=28)

    np.testing.assert_allclose(weights, [0.5, 0.5], atol=0.1)


def test_refining_never_makes_the_back_test_worse() -> None:
    test = backtest(noise(1) + 0.5, noise(2), noise(3) - 0.3)
    begin = np.array([0.6, 0.2, 0.2])
    share = test.recency / test.recency.sum()

    refined = refine(begin, test, days=28)

    def error(weights: FloatArray) -> float:
        return float((np.abs(np.tensordot(weights, test.past, 1)) * share).sum())

    assert error(refined) < error(begin)


@given(st.integers(0, 1000), st.floats(2, 28), st.integers(2, 30))
def test_weights_are_shares_of_one(seed: int, days: float, candidates: int) -> None:
    errors = [noise(seed + i, 1 + i % 3)[:6] for i in range(candidates)]

    weights = combination_weights(backtest(*errors), days=days)

    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(), 1.0)


def test_actual_values_that_have_not_come_do_not_count() -> None:
    good, bad = noise(1, 0.1), noise(2, 3.0)
    known = np.arange(24) < 12
    good_late = np.where(known, bad, 0.0)
    test = backtest(good, good_late)

    partly = replace(
        test,
        actual=np.where(known, test.actual, np.nan),
        recency=np.where(known, test.recency, 0.0),
    )

    assert combination_weights(partly, days=28)[0] > 0.99
