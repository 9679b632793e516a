"""From arrays to nouns: outlooks become the parts of a Forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from optimizer.forecasting.answers import Answers
from optimizer.forecasting.distribution import probability_near
from optimizer.forecasting.forecast import (
    BacktestScore,
    MetricForecast,
    ModelForecast,
    Prediction,
    QuantileName,
    Spike,
)
from optimizer.forecasting.gaps import usable_history
from optimizer.forecasting.protocol import ForecastModel, Outlook, Score
from optimizer.forecasting.served import Served
from optimizer.forecasting.skill import Record
from optimizer.forecasting.spikes import find_spikes
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import METRICS
from optimizer.statistics import FloatArray

ACTED_ON = "ml_hybrid"
"""The model that bands, warnings and decisions use, unless the request leaves it out."""

DECIMALS = 4
"""Decimals of every value on the wire."""

NEAR_SHARE_OF_MAXIMUM, NEAR_SHARE_OF_VALUE = 0.1, 0.2
"""How near is near, for `confidence`: 10 points of 100, or 20 % of a value without a maximum."""

QUANTILE_NAMES: tuple[QuantileName, ...] = ("0.1", "0.5", "0.9", "0.95")

SPIKE_WINDOW = timedelta(days=7)
"""How far back spikes are listed."""


def bounds(metric: str) -> tuple[float, float | None]:
    """Least and largest possible value of a metric; an unknown one has no largest."""
    known = METRICS.get(metric)
    return 0.0, None if known is None else known.maximum


def confidence(outlook: Outlook, maximum: float | None) -> FloatArray:
    """The probability that the actual value is near the 0.5 quantile, shape (h,)."""
    middle = outlook.quantiles[1]
    if maximum is None:
        tolerance = NEAR_SHARE_OF_VALUE * np.abs(middle)
    else:
        tolerance = np.full(middle.shape, NEAR_SHARE_OF_MAXIMUM * maximum)
    return probability_near(outlook.quantiles, tolerance)


def backtest_score(score: Score) -> BacktestScore:
    """The score of a back-test as a noun."""
    skill = None if score.naive_error <= 0 else 1 - score.error / score.naive_error
    return BacktestScore(
        skill=None if skill is None else round(skill, DECIMALS),
        error=round(score.error, DECIMALS),
        naive_error=round(score.naive_error, DECIMALS),
        coverage=None if score.coverage is None else round(score.coverage, DECIMALS),
        n=score.n,
    )


def within_bounds(values: FloatArray, metric: str) -> FloatArray:
    """Values cut to what the metric can be, and rounded."""
    low, high = bounds(metric)
    return np.asarray(np.round(np.clip(values, low, high), DECIMALS), dtype=np.float64)


@dataclass(frozen=True)
class Chosen:
    """A metric's outlook from the model to act on.

    Attributes:
        past: What was recorded.
        model: Name of the model.
        own: What the model expects.
        shown: The same as the record of served forecasts corrects it.
    """

    past: Series
    model: str
    own: Outlook
    shown: Outlook

    def served(self, host: str) -> Served:
        """What to keep of it."""
        metric = self.past.metric
        own, shown = (
            within_bounds(outlook.quantiles[:3], metric) for outlook in (self.own, self.shown)
        )
        return Served(host, metric, self.past.step, self.past.end, band=shown, own=own)


def metric_forecast(chosen: Chosen, record: Record) -> MetricForecast:
    """One metric's forecast from the outlook of the model to act on."""
    past, outlook, metric = chosen.past, chosen.shown, chosen.past.metric
    known = METRICS.get(metric)
    _, maximum = bounds(metric)
    recorded = past.values[np.isfinite(past.values)]
    quantiles = within_bounds(outlook.quantiles, metric)
    return MetricForecast(
        metric=metric,
        unit="" if known is None else known.unit,
        maximum=maximum,
        model=chosen.model,
        step_s=int(past.step.total_seconds()),
        origin=past.end,
        last=round(float(recorded[-1]), DECIMALS),
        mean=tuple(within_bounds(outlook.mean, metric).tolist()),
        quantiles={
            name: tuple(row.tolist()) for name, row in zip(QUANTILE_NAMES, quantiles, strict=True)
        },
        confidence=tuple(np.round(confidence(outlook, maximum), DECIMALS).tolist()),
        backtest=None if outlook.score is None else backtest_score(outlook.score),
        weights=dict(outlook.weights),
        served=record.scores(metric, step=past.step),
    )


def model_forecast(
    outlooks: Mapping[str, Outlook], *, origin: datetime, horizon: int
) -> ModelForecast:
    """One model's outlooks by metric, in the reference document's shape."""
    pair = {name: outlooks[name] for name in ("cpu_usage", "memory_usage") if name in outlooks}
    means = {name: within_bounds(outlook.mean, name) for name, outlook in pair.items()}
    sure = [confidence(outlook, bounds(name)[1]) for name, outlook in pair.items()]
    least = np.round(np.min(sure, axis=0), DECIMALS) if sure else None
    predictions = tuple(
        Prediction(
            hour_offset=hour,
            timestamp=origin + timedelta(hours=hour),
            cpu_usage=_at(means.get("cpu_usage"), hour - 1),
            memory_usage=_at(means.get("memory_usage"), hour - 1),
            confidence=_at(least, hour - 1),
        )
        for hour in range(1, horizon + 1)
    )
    scores = {
        name: backtest_score(outlook.score)
        for name, outlook in outlooks.items()
        if outlook.score is not None
    }
    return ModelForecast(predictions=predictions if pair else (), backtest=scores)


def acted_on(
    series: Mapping[str, Series], answers: Mapping[str, Answers], record: Record
) -> dict[str, Chosen]:
    """For each metric the model to act on, or else the one with the least error."""
    found = {}
    for name, answer in answers.items():
        outlooks, past = answer.outlooks, series[name]
        if not outlooks:
            continue
        scored = {model: o.score.error for model, o in outlooks.items() if o.score is not None}
        fallback = min(scored, key=scored.__getitem__) if scored else next(iter(outlooks))
        model = ACTED_ON if ACTED_ON in outlooks else fallback
        own = outlooks[model]
        yesterday = _last_day(past, own.mean.size)
        shown = record.corrected(own, yesterday, metric=name, step=past.step)
        found[name] = Chosen(past, model, own, shown)
    return found


def _last_day(past: Series, horizon: int) -> FloatArray | None:
    """The last day repeated; None while there is none."""
    values = usable_history(past)
    day = round(timedelta(days=1) / past.step)
    return np.resize(values[-day:], horizon) if values.size >= day else None


def by_model(
    models: Sequence[ForecastModel],
    series: Mapping[str, Series],
    answers: Mapping[str, Answers],
    horizon: int,
) -> dict[str, ModelForecast]:
    """The answers by model, in the reference document's shape."""
    found = {}
    for model in models:
        outlooks = {
            name: answer.outlooks[model.name]
            for name, answer in answers.items()
            if model.name in answer.outlooks
        }
        if outlooks:
            origin = max(series[name].end for name in outlooks)
            found[model.name] = model_forecast(outlooks, origin=origin, horizon=horizon)
    return found


def recent_spikes(history: Mapping[str, Series]) -> tuple[Spike, ...]:
    """The spikes of the last week, the latest first."""
    found = [spike for metric, past in history.items() for spike in _spikes_of(metric, past)]
    return tuple(sorted(found, key=lambda spike: spike.at, reverse=True))


def _spikes_of(metric: str, past: Series) -> list[Spike]:
    per_day = round(timedelta(days=1) / past.step)
    values = usable_history(past)
    start = past.end - values.size * past.step
    return [
        Spike(
            metric=metric,
            at=start + spike.start * past.step,
            hours=max(1, round(spike.length * past.step / timedelta(hours=1))),
            size=round(spike.size, DECIMALS),
            usual=round(spike.usual, DECIMALS),
            is_over=spike.start + spike.length < values.size,
        )
        for spike in find_spikes(values, steps_per_day=per_day)
        if start + (spike.start + spike.length) * past.step > past.end - SPIKE_WINDOW
    ]


def _at(values: FloatArray | None, index: int) -> float | None:
    return None if values is None else float(values[index])
