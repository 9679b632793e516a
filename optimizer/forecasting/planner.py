"""PredictivePlanner: history in, Forecast out, the maths off the event loop.

Three horizons: hourly up to a week, fine steps of minutes for the next hours, and a cold start from
hours of history. They differ in the steps of a day and in how much past there is, not in code.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

import anyio
import anyio.to_thread
import numpy as np

from optimizer.clock import Clock, utc_now
from optimizer.errors import InvalidRequestError, NotEnoughHistoryError
from optimizer.forecasting.answers import Answers, ask, silent_models
from optimizer.forecasting.assembly import acted_on, by_model, recent_spikes
from optimizer.forecasting.forecast import Forecast, MetricForecast
from optimizer.forecasting.gaps import usable_history
from optimizer.forecasting.linear_trend import LinearTrend
from optimizer.forecasting.ml_hybrid import MlHybrid
from optimizer.forecasting.protocol import ForecastModel
from optimizer.forecasting.quiet_windows import find_quiet_windows
from optimizer.forecasting.saturation import find_saturations
from optimizer.forecasting.seasonal_patterns import SeasonalPatterns
from optimizer.forecasting.single_series import forecast_series as forecast_series
from optimizer.forecasting.single_series import steps_in_day
from optimizer.forecasting.spike_detection import SpikeDetection
from optimizer.forecasting.wording import warnings_of, why_not
from optimizer.monitoring.history import Series
from optimizer.plugins import Registry

BUILT_IN: tuple[ForecastModel, ...] = (
    LinearTrend(),
    SeasonalPatterns(),
    SpikeDetection(),
    MlHybrid(),
)
"""The models of the reference document."""

LONGEST_HOURS = 168
"""One week."""


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
        widths: Mapping[str, float] | None = None,
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
            widths=widths,
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
        widths: Mapping[str, float] | None = None,
        host: str | None = None,
    ) -> Forecast:
        """Forecast hour by hour.

        Args:
            history: Hourly series by metric; NaN where nothing was recorded.
            horizon_hours: Hours ahead, 1 to 168.
            models: Names of models to compute; all when None.
            metrics: Metrics to forecast; all in `history` when None.
            limits: Critical level by metric, for saturation.
            widths: Factors by which the record of served forecasts widens or narrows the bands of a
                metric, see `skill.width_factor`; 1 for a metric that is not in it.
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
        best = acted_on(series, answers, step=timedelta(hours=1), widths=widths or {})
        have = max((_recorded_hours(past) for past in series.values()), default=0.0)
        if not best:
            return Forecast(
                forecast_available=False,
                reason=why_not(have, answers),
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
            model_forecasts=by_model(chosen, series, answers, horizon_hours),
            saturation=find_saturations(best, limits or {}, now=now),
            quiet_windows=find_quiet_windows(best),
            spikes=recent_spikes({name: series[name] for name in best}),
            warnings=tuple(warnings_of(best, now=now)),
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
            steps_per_day = steps_in_day(past.step.total_seconds())
            steps = max(1, round(horizon / past.step))
            try:
                answers = ask([MlHybrid()], usable_history(past), steps_per_day, steps)
            except NotEnoughHistoryError:
                continue
            found |= acted_on({name: past}, {name: answers}, step=past.step, widths={})
        return found


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
