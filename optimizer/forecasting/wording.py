"""What a forecast says in words: why there is none, and what to know before acting on one."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from optimizer.forecasting.answers import Answers
from optimizer.forecasting.cold_start import LEAST_HOURS
from optimizer.forecasting.forecast import MetricForecast
from optimizer.forecasting.skill import Record, score_of

STALE = timedelta(hours=2)
"""Age of the last recorded hour from which a forecast says that its history is old."""


def why_not(have: float, answers: Mapping[str, Answers]) -> str:
    """Why there is no forecast, and what is still missing.

    Args:
        have: Hours of history of the metric that has most.
        answers: What the models said, by metric.
    """
    reasons = [text for answer in answers.values() for text in answer.silent.values()]
    if have >= LEAST_HOURS and reasons:
        return f"no model could answer: {reasons[0]}"
    return (
        f"{have:g} hours of history recorded, {LEAST_HOURS} needed for a first, wide forecast "
        "(24 for seasonal_patterns and spike_detection, 53 for a track record); wait for more, "
        "or import history with `sro import FILE`"
    )


def warnings_of(best: Mapping[str, MetricForecast], record: Record, *, now: datetime) -> list[str]:
    """What to know before acting on a forecast; "no better than naive" is said aloud."""
    found = []
    for name, forecast in best.items():
        score = score_of(record.overall(name))
        if forecast.backtest is None:
            found.append(f"{name}: less than 53 hours of history, so it could not be back-tested")
        elif forecast.backtest.skill is not None and forecast.backtest.skill <= 0:
            found.append(f"{name}: no better than repeating yesterday, in the back-test")
        if score.skill is not None and score.skill <= 0:
            found.append(f"{name}: the forecasts served were {score.verdict}")
    oldest = min(forecast.origin for forecast in best.values())
    if now - oldest > STALE:
        hours = (now - oldest).total_seconds() / 3600
        found.append(f"the last recorded hour ended {hours:.1f} hours ago")
    return found
