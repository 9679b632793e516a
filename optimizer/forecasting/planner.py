"""PredictivePlanner: history in, Forecast out, the maths off the event loop.

Three horizons: hourly up to a week, fine steps of minutes for the next hours, and a cold start from
hours of history. They differ in the steps of a day and in how much past there is, not in code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Required, TypedDict, Unpack

import anyio
import anyio.to_thread
import numpy as np

from optimizer.clock import Clock, utc_now
from optimizer.errors import InvalidRequestError, NotEnoughHistoryError
from optimizer.forecasting.answers import Answers, ask, silent_models
from optimizer.forecasting.assembly import (
    Chosen,
    acted_on,
    by_model,
    metric_forecast,
    recent_spikes,
)
from optimizer.forecasting.forecast import Forecast, MetricForecast
from optimizer.forecasting.gaps import usable_history
from optimizer.forecasting.linear_trend import LinearTrend
from optimizer.forecasting.ml_hybrid import MlHybrid
from optimizer.forecasting.protocol import ForecastModel
from optimizer.forecasting.quiet_windows import find_quiet_windows
from optimizer.forecasting.saturation import find_saturations
from optimizer.forecasting.seasonal_patterns import SeasonalPatterns
from optimizer.forecasting.served import Served
from optimizer.forecasting.single_series import forecast_series as forecast_series
from optimizer.forecasting.single_series import steps_in_day
from optimizer.forecasting.skill import Record
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


NO_RECORD = Record()


@dataclass(frozen=True)
class Planned:
    """A forecast, and what to keep of it.

    Attributes:
        forecast: The forecast.
        served: What is compared with what comes.
    """

    forecast: Forecast
    served: tuple[Served, ...] = ()


@dataclass(frozen=True)
class PlannedFine:
    """Forecasts of the next hours, and what to keep of them.

    Attributes:
        metrics: The forecasts, by metric.
        served: What is compared with what comes.
    """

    metrics: Mapping[str, MetricForecast]
    served: tuple[Served, ...]


class Wanted(TypedDict, total=False):
    """What may be said of a forecast by hours; `PredictivePlanner.planned` explains it."""

    horizon_hours: Required[int]
    host: str
    models: Sequence[str] | None
    limits: Mapping[str, float] | None
    record: Record


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

    async def plan(self, history: Mapping[str, Series], **wanted: Unpack[Wanted]) -> Planned:
        """`planned` on a worker thread, one at a time; the event loop goes on meanwhile."""
        work = partial(self.planned, history, **wanted)
        return await anyio.to_thread.run_sync(work, limiter=self._worker)

    def forecast(self, history: Mapping[str, Series], **wanted: Unpack[Wanted]) -> Forecast:
        """The forecast of `planned`, for who keeps no score."""
        return self.planned(history, **wanted).forecast

    def planned(
        self,
        history: Mapping[str, Series],
        *,
        horizon_hours: int,
        host: str = "localhost",
        models: Sequence[str] | None = None,
        limits: Mapping[str, float] | None = None,
        record: Record = NO_RECORD,
    ) -> Planned:
        """Forecast hour by hour.

        Args:
            history: Hourly series by metric; NaN where nothing was recorded.
            horizon_hours: Hours ahead, 1 to 168.
            host: Whose history it is.
            models: Names of models to compute; all when None.
            limits: Critical level by metric, for saturation.
            record: How the forecasts of this host did that were served before.

        Returns:
            The forecast, without scaling recommendations, which are for the room of decisions.
            While history is too short, `forecast_available` is false and `reason` says what is
            missing.

        Raises:
            InvalidRequestError: An unknown model, or a horizon out of bounds.
        """
        if not 1 <= horizon_hours <= LONGEST_HOURS:
            raise InvalidRequestError(
                f"horizon_hours is {horizon_hours}; 1 to {LONGEST_HOURS} is allowed",
                field="horizon_hours",
            )
        chosen = [self.models[name] for name in (models or self.models.names)]
        now = self._clock()
        answers, unknown = _answers(history, chosen, horizon_hours)
        best = acted_on(history, answers, record)
        have = max((_recorded_hours(past) for past in history.values()), default=0.0)
        told: dict[str, Any] = {
            "have_hours": have,
            "need_hours": min(model.least_hours for model in chosen),
            "host": host,
            "forecast_horizon_hours": horizon_hours,
            "generated_at": now,
        }
        if not best:
            reason = why_not(have, answers)
            return Planned(
                Forecast(forecast_available=False, reason=reason, unknown=unknown, **told)
            )
        metrics = {name: metric_forecast(each, record) for name, each in best.items()}
        forecast = Forecast(
            forecast_available=True,
            origin=max(metric.origin for metric in metrics.values()),
            metrics=metrics,
            model_forecasts=by_model(chosen, history, answers, horizon_hours),
            saturation=find_saturations(metrics, limits or {}, now=now),
            quiet_windows=find_quiet_windows(metrics),
            spikes=recent_spikes({name: history[name] for name in best}),
            warnings=tuple(warnings_of(metrics, record, now=now)),
            unknown=unknown | silent_models(chosen, answers),
            **told,
        )
        return Planned(forecast, tuple(each.served(host) for each in best.values()))

    async def plan_fine(
        self,
        history: Mapping[str, Series],
        *,
        host: str,
        horizon: timedelta = timedelta(hours=2),
        record: Record = NO_RECORD,
    ) -> PlannedFine:
        """`planned_fine` on the worker thread of `plan`."""
        work = partial(self.planned_fine, history, host=host, horizon=horizon, record=record)
        return await anyio.to_thread.run_sync(work, limiter=self._worker)

    def planned_fine(
        self,
        history: Mapping[str, Series],
        *,
        host: str,
        horizon: timedelta = timedelta(hours=2),
        record: Record = NO_RECORD,
    ) -> PlannedFine:
        """Forecast the next hours in the steps of the history, for admission.

        Args:
            history: Series by metric, usually in steps of five minutes.
            host: Whose history it is.
            horizon: How far ahead.
            record: How such forecasts of this host did before.

        Returns:
            The forecasts of `ml_hybrid`; metrics with too short a history are left out.

        Raises:
            InvalidRequestError: A step does not divide an hour.
        """
        chosen: dict[str, Chosen] = {}
        for name, past in history.items():
            steps_per_day = steps_in_day(past.step.total_seconds())
            steps = max(1, round(horizon / past.step))
            try:
                answers = ask([MlHybrid()], usable_history(past), steps_per_day, steps)
            except NotEnoughHistoryError:
                continue
            chosen |= acted_on({name: past}, {name: answers}, record)
        return PlannedFine(
            {name: metric_forecast(each, record) for name, each in chosen.items()},
            tuple(each.served(host) for each in chosen.values()),
        )


def _answers(
    history: Mapping[str, Series], models: Sequence[ForecastModel], horizon: int
) -> tuple[dict[str, Answers], dict[str, str]]:
    """What the models say of each metric, and of which there is nothing to say, and why."""
    answers, unknown = {}, {}
    for name, past in history.items():
        try:
            answers[name] = ask(models, usable_history(past), 24, horizon)
        except NotEnoughHistoryError as error:
            unknown[f"metrics.{name}"] = str(error)
    return answers, unknown


def _recorded_hours(past: Series) -> float:
    hours = int(np.isfinite(past.values).sum()) * past.step.total_seconds() / 3600
    return round(hours, 2)
