"""From candidates to an outlook: back-test, weights, mixture, quantiles, score."""

from collections.abc import Sequence

import numpy as np

from optimizer.forecasting.backtest import run_backtest
from optimizer.forecasting.candidates import Candidate
from optimizer.forecasting.cold_start import cold_outlook
from optimizer.forecasting.intervals import Residuals, band, collect_residuals, coverage
from optimizer.forecasting.near_start import near_outlook, reaches
from optimizer.forecasting.protocol import Outlook, Score, in_order
from optimizer.forecasting.replay import LEAST_DAYS, Replay, least_steps, replay_of
from optimizer.forecasting.weights import combination_weights
from optimizer.statistics import FloatArray

HANDOVER_DAYS = 14.0
"""Days of history from which the cold start has no say any more."""

LEAST_TRIED_DAYS = 1.9
"""Days at which the back-test would have no say at all."""

SHOWN_WEIGHT = 0.005
"""Candidates below this weight are not listed in an outlook."""


def combine(
    values: FloatArray, candidates: Sequence[Candidate], *, steps_per_day: int, horizon: int
) -> Outlook:
    """Forecast with the back-test-weighted mixture of candidates.

    Args:
        values: History, oldest first, shape (n,), no NaN, any unit; the last `MAX_DAYS` days, and
            one more for the back-test, are used.
        candidates: Ways to continue it, with unique names.
        steps_per_day: Steps in a day, a multiple of 24.
        horizon: Steps to forecast, at least 1.

    Returns:
        The outlook. Below two days and five hours (about one day for a few hours in finer steps)
        there is nothing to back-test on, and a cold start answers.

    Raises:
        NotEnoughHistoryError: Too short even for a cold start.
    """
    if values.size < least_steps(steps_per_day=steps_per_day, horizon=horizon):
        return _untried(values, steps_per_day=steps_per_day, horizon=horizon)
    replay = replay_of(values, steps_per_day=steps_per_day, horizon=horizon)
    backtest = run_backtest(replay, candidates)
    weights = combination_weights(backtest, days=replay.days)
    mean = weights @ backtest.now
    past = np.tensordot(weights, backtest.past, axes=1)
    residuals = collect_residuals(replay, past)
    never_negative = bool(replay.blocks.values.min() >= 0)
    outlook = Outlook(
        mean=mean,
        quantiles=in_order(mean, band(replay, mean, residuals), never_negative=never_negative),
        score=_score(replay, past, residuals),
        weights=_shown(candidates, weights),
    )
    if replay.days >= HANDOVER_DAYS or steps_per_day > 24:
        return outlook
    cold = cold_outlook(
        values[-LEAST_DAYS * steps_per_day :], steps_per_day=steps_per_day, horizon=horizon
    )
    return _handed_over(cold, outlook, days=replay.days)


def _untried(values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
    """Without a back-test: minutes by how far load wanders, hours by the cold start."""
    if steps_per_day > 24 and reaches(values.size, horizon):
        return near_outlook(values, steps_per_day=steps_per_day, horizon=horizon)
    return cold_outlook(values, steps_per_day=steps_per_day, horizon=horizon)


def _handed_over(cold: Outlook, tried: Outlook, *, days: float) -> Outlook:
    """Move from the cold start to the back-tested mixture while the back-test is young.

    Few origins make the best candidate look better than it is, so that the bands are trusted later
    than the middle.

    Args:
        cold: From the last two days.
        tried: From the back-test.
        days: Length of the history, at least two.
    """
    trust = 1 - (LEAST_TRIED_DAYS / days) ** 1.5
    middle = 1 - (LEAST_TRIED_DAYS / days) ** 4
    mean = middle * tried.mean + (1 - middle) * cold.mean
    width = trust * (tried.quantiles - tried.mean) + (1 - trust) * (cold.quantiles - cold.mean)
    least = min(cold.quantiles.min(), tried.quantiles.min())
    quantiles = np.maximum(mean + width, least)
    return Outlook(mean, quantiles, tried.score, tried.weights)


def _score(replay: Replay, past: FloatArray, residuals: Residuals) -> Score:
    importance = replay.recency / replay.recency.sum()
    actual = np.where(replay.came, replay.actual, 0.0)
    return Score(
        error=float((np.abs(past - actual) * importance).sum()),
        naive_error=float((np.abs(replay.naive - actual) * importance).sum()),
        coverage=coverage(replay, past, residuals),
        n=int(replay.came.sum()),
    )


def _shown(candidates: Sequence[Candidate], weights: FloatArray) -> dict[str, float]:
    """Names and weights that matter, the heaviest first."""
    order = np.argsort(-weights, kind="stable")
    return {
        candidates[i].name: round(float(weights[i]), 4) for i in order if weights[i] >= SHOWN_WEIGHT
    }
