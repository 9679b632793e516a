"""PredictivePlanner: history in, Forecast out, the maths off the event loop.

Three horizons: hourly up to a week, fine steps of minutes for the next hours, and a cold start from
hours of history. They differ in the steps of a day and in how much past there is, not in code.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import ArrayLike

from optimizer.clock import Clock, utc_now
from optimizer.errors import InvalidRequestError, NotEnoughHistoryError
from optimizer.forecasting.answers import Answers, ask, silent_models
from optimizer.forecasting.assembly import metric_forecast, model_forecast, recent_spikes
from optimizer.forecasting.cold_start import LEAST_HOURS
from optimizer.forecasting.forecast import Forecast, MetricForecast, ModelForecast
from optimizer.forecasting.gaps import filled, usable_history
from optimizer.forecasting.linear_trend import LinearTrend
from optimizer.forecasting.ml_hybrid import MlHybrid
from optimizer.forecasting.protocol import QUANTILES, ForecastModel
from optimizer.forecasting.quiet_windows import find_quiet_windows
from optimizer.forecasting.saturation import find_saturations
from optimizer.forecasting.seasonal_patterns import SeasonalPatterns
from optimizer.forecasting.spike_detection import SpikeDetection
from optimizer.monitoring.history import Series
from optimizer.plugins import Registry

BUILT_IN: tuple[ForecastModel, ...] = (
    LinearTrend(),
    SeasonalPatterns(),
    SpikeDetection(),
    MlHybrid(),
)
"""The models of the reference document."""

ACTED_ON = "ml_hybrid"
"""The model that bands, warnings and decisions use, unless the request leaves it out."""

LONGEST_HOURS = 168
"""One week."""

STALE = timedelta(hours=2)
"""Age of the last recorded hour from which a forecast says that its history is old."""


def forecast_series(
    values: ArrayLike, step_seconds: float, horizon_steps: int, t0: float | None = None
) -> dict[str, Any]:
    """Forecast one series with `ml_hybrid`: the entry of benchmarks.

    Args:
        values: Evenly spaced observations, oldest first, shape (n,); NaN where there is none.
        step_seconds: Seconds in a step; an hour must hold a whole number of them.
        horizon_steps: Steps to forecast, at least 1.
        t0: Epoch seconds of the first observation; accepted and not used, because blocks are
            aligned to the end of the history.

    Returns:
        `{"mean": [...], "quantiles": {0.1: [...], 0.5: [...], 0.9: [...], 0.95: [...]}}`.

    Raises:
        InvalidRequestError: The step does not divide an hour, or the horizon is below 1.
        NotEnoughHistoryError: Less than three hours of history.
    """
    steps_per_day = _steps_per_day(step_seconds)
    if horizon_steps < 1:
        raise InvalidRequestError(f"horizon_steps is {horizon_steps}; at least 1 is allowed")
    history = filled(np.asarray(values, dtype=np.float64), steps_per_day=steps_per_day)
    outlook = MlHybrid().forecast(history, steps_per_day=steps_per_day, horizon=horizon_steps)
    return {
        "mean": outlook.mean.tolist(),
        "quantiles": {q: outlook.quantiles[i].tolist() for i, q in enumerate(QUANTILES)},
    }


class PredictivePlanner:
    """Forecasts the metrics of a host with every chosen model.

    Args:
        models: The models by name.
        clock: Says when a forecast is made.
    """

    def __init__(self, models: Registry[ForecastModel], *, clock: Clock = utc_now) -> None:
        self.models = models
        self._clock = clock
        self._worker = anyio.CapacityLimiter(1)

    async def plan(
        self,
        history: Mapping[str, Series],
        *,
        horizon_hours: int,
        models: Sequence[str] | None = None,
        metrics: Sequence[str] | None = None,
        limits: Mapping[str, float] | None = None,
        host: str | None = None,
    ) -> Forecast:
        """`forecast` on a worker thread, one at a time; the event loop goes on meanwhile."""
        work = partial(
            self.forecast,
            history,
            horizon_hours=horizon_hours,
            models=models,
            metrics=metrics,
            limits=limits,
            host=host,
        )
        return await anyio.to_thread.run_sync(work, limiter=self._worker)

    def forecast(
        self,
        history: Mapping[str, Series],
        *,
        horizon_hours: int,
        models: Sequence[str] | None = None,
        metrics: Sequence[str] | None = None,
        limits: Mapping[str, float] | None = None,
        host: str | None = None,
    ) -> Forecast:
        """Forecast hour by hour.

        Args:
            history: Hourly series by metric; NaN where nothing was recorded.
            horizon_hours: Hours ahead, 1 to 168.
            models: Names of models to compute; all when None.
            metrics: Metrics to forecast; all in `history` when None.
            limits: Critical level by metric, for saturation.
            host: Whose history it is.

        Returns:
            The forecast, without scaling recommendations, which are for the room of decisions.
            While history is too short, `forecast_available` is false and `reason` says what is
            missing.

        Raises:
            InvalidRequestError: An unknown model or metric, or a horizon out of bounds.
        """
        if not 1 <= horizon_hours <= LONGEST_HOURS:
            raise InvalidRequestError(
                f"horizon_hours is {horizon_hours}; 1 to {LONGEST_HOURS} is allowed",
                field="horizon_hours",
            )
        chosen = [self.models[name] for name in (models or self.models.names)]
        series = {name: history[name] for name in _known(metrics, history)}
        now = self._clock()
        answers: dict[str, Answers] = {}
        unknown: dict[str, str] = {}
        for name, past in series.items():
            try:
                answers[name] = ask(chosen, usable_history(past), 24, horizon_hours)
            except NotEnoughHistoryError as error:
                unknown[f"metrics.{name}"] = str(error)
        best = _acted_on(series, answers, step=timedelta(hours=1))
        have = max((_recorded_hours(past) for past in series.values()), default=0.0)
        if not best:
            return Forecast(
                forecast_available=False,
                reason=_why_not(have, answers),
                have_hours=have,
                need_hours=min(model.least_hours for model in chosen),
                host=host,
                forecast_horizon_hours=horizon_hours,
                generated_at=now,
                unknown=unknown,
            )
        unknown |= silent_models(chosen, answers)
        return Forecast(
            forecast_available=True,
            have_hours=have,
            need_hours=min(model.least_hours for model in chosen),
            host=host,
            forecast_horizon_hours=horizon_hours,
            generated_at=now,
            origin=max(forecast.origin for forecast in best.values()),
            metrics=best,
            model_forecasts=_by_model(chosen, series, answers, horizon_hours),
            saturation=find_saturations(best, limits or {}, now=now),
            quiet_windows=find_quiet_windows(best),
            spikes=recent_spikes({name: series[name] for name in best}),
            warnings=tuple(_warnings(best, now=now)),
            unknown=unknown,
        )

    def forecast_fine(
        self, history: Mapping[str, Series], *, horizon: timedelta = timedelta(hours=2)
    ) -> dict[str, MetricForecast]:
        """Forecast the next hours in the steps of the history, for admission.

        Args:
            history: Series by metric, usually in steps of five minutes.
            horizon: How far ahead.

        Returns:
            By metric, from `ml_hybrid`; metrics with too short a history are left out.

        Raises:
            InvalidRequestError: A step does not divide an hour.
        """
        found: dict[str, MetricForecast] = {}
        for name, past in history.items():
            steps_per_day = _steps_per_day(past.step.total_seconds())
            steps = max(1, round(horizon / past.step))
            try:
                answers = ask([MlHybrid()], usable_history(past), steps_per_day, steps)
            except NotEnoughHistoryError:
                continue
            found |= _acted_on({name: past}, {name: answers}, step=past.step)
        return found


def _steps_per_day(step_seconds: float) -> int:
    per_hour = 3600 / step_seconds if step_seconds > 0 else 0.0
    if per_hour < 1 or per_hour != round(per_hour):
        raise InvalidRequestError(
            f"a step of {step_seconds:g} s does not divide an hour; use 3600, 1800, 900, 300 or 60"
        )
    return 24 * round(per_hour)


def _known(metrics: Sequence[str] | None, history: Mapping[str, Series]) -> list[str]:
    """The metrics to forecast, refusing those that there is no history of."""
    if metrics is None:
        return list(history)
    for name in metrics:
        if name not in history:
            raise InvalidRequestError(
                f"no history of metric {name!r}; known: {', '.join(history)}", field="metrics"
            )
    return list(dict.fromkeys(metrics))


def _recorded_hours(past: Series) -> float:
    hours = int(np.isfinite(past.values).sum()) * past.step.total_seconds() / 3600
    return round(hours, 2)


def _acted_on(
    series: Mapping[str, Series], answers: Mapping[str, Answers], *, step: timedelta
) -> dict[str, MetricForecast]:
    """For each metric the model to act on, or else the one with the least error."""
    found = {}
    for name, answer in answers.items():
        outlooks = answer.outlooks
        if not outlooks:
            continue
        scored = {model: o.score.error for model, o in outlooks.items() if o.score is not None}
        fallback = min(scored, key=scored.__getitem__) if scored else next(iter(outlooks))
        model = ACTED_ON if ACTED_ON in outlooks else fallback
        found[name] = metric_forecast(name, series[name], model, outlooks[model], step=step)
    return found


def _by_model(
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


def _why_not(have: float, answers: Mapping[str, Answers]) -> str:
    reasons = [text for answer in answers.values() for text in answer.silent.values()]
    if have >= LEAST_HOURS and reasons:
        return f"no model could answer: {reasons[0]}"
    return (
        f"{have:g} hours of history recorded, {LEAST_HOURS} needed for a first, wide forecast "
        "(24 for seasonal_patterns and spike_detection, 53 for a track record); wait for more, "
        "or import history with `sro import FILE`"
    )


def _warnings(best: Mapping[str, MetricForecast], *, now: datetime) -> list[str]:
    """What to know before acting on a forecast."""
    found = []
    for name, forecast in best.items():
        if forecast.backtest is None:
            found.append(f"{name}: less than 53 hours of history, so there is no track record yet")
        elif not forecast.backtest.beats_naive:
            found.append(f"{name}: no better than repeating yesterday")
    oldest = min(forecast.origin for forecast in best.values())
    if now - oldest > STALE:
        hours = (now - oldest).total_seconds() / 3600
        found.append(f"the last recorded hour ended {hours:.1f} hours ago")
    return found
