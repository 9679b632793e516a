"""From candidates to an outlook: back-test, weights, mixture, quantiles, score."""

from collections.abc import Sequence

import numpy as np

from optimizer.forecasting.backtest import LEAST_DAYS, ORIGIN_STEP_HOURS, Backtest, run_backtest
from optimizer.forecasting.candidates import Candidate
from optimizer.forecasting.cold_start import cold_outlook
from optimizer.forecasting.day_blocks import MAX_DAYS, DayBlocks
from optimizer.forecasting.intervals import (
    SAME_HOUR_SHARE,
    Residuals,
    band_coverage,
    collect_residuals,
    kernel_weights,
    residual_quantiles,
    same_hour_quantiles,
)
from optimizer.forecasting.protocol import Outlook, Score, in_order
from optimizer.forecasting.weights import combination_weights
from optimizer.statistics import FloatArray

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
        The outlook. Below two days and five hours there is nothing to back-test on, and
        `cold_outlook` answers.

    Raises:
        NotEnoughHistoryError: Too short even for a cold start.
    """
    least = (LEAST_DAYS * 24 + ORIGIN_STEP_HOURS) * steps_per_day // 24
    if values.size < least:
        return cold_outlook(values, steps_per_day=steps_per_day, horizon=horizon)
    history = values[-(MAX_DAYS + 1) * steps_per_day :]
    days = history.size / steps_per_day
    backtest = run_backtest(history, candidates, steps_per_day=steps_per_day, horizon=horizon)
    weights = combination_weights(backtest, days=days)
    mean = weights @ backtest.now
    past = np.tensordot(weights, backtest.past, axes=1)
    residuals = collect_residuals(
        past,
        backtest.actual,
        backtest.age,
        steps_per_day=steps_per_day,
        typical=float(np.abs(history).mean()),
    )
    return Outlook(
        mean=mean,
        quantiles=_quantiles(history, mean, residuals, steps_per_day=steps_per_day),
        score=_score(backtest, past, residuals),
        weights=_shown(candidates, weights),
    )


def _quantiles(
    history: FloatArray, mean: FloatArray, residuals: Residuals, *, steps_per_day: int
) -> FloatArray:
    """Residual quantiles around the forecast, blended with those of the same hour on past days."""
    days = history.size / steps_per_day
    kernel = kernel_weights(residuals, steps_per_day=steps_per_day, horizon=mean.size)
    around = mean + residual_quantiles(mean, residuals, kernel, days=days)
    blocks = DayBlocks(history, np.array([history.size]), steps_per_day, mean.size)
    blended = (1 - SAME_HOUR_SHARE) * around + SAME_HOUR_SHARE * same_hour_quantiles(blocks)
    return in_order(mean, blended, never_negative=bool(history.min() >= 0))


def _score(backtest: Backtest, past: FloatArray, residuals: Residuals) -> Score:
    recency = backtest.recency / backtest.recency.sum()
    actual = np.nan_to_num(backtest.actual)
    return Score(
        error=float((np.abs(past - actual) * recency).sum()),
        naive_error=float((np.abs(backtest.naive - actual) * recency).sum()),
        coverage=band_coverage(residuals),
        n=int(backtest.came.sum()),
    )


def _shown(candidates: Sequence[Candidate], weights: FloatArray) -> dict[str, float]:
    """Names and weights that matter, the heaviest first."""
    order = np.argsort(-weights, kind="stable")
    return {
        candidates[i].name: round(float(weights[i]), 4) for i in order if weights[i] >= SHOWN_WEIGHT
    }
