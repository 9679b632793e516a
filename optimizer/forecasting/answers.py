"""Asking several models the same question; one that fails must not silence the others."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting import replay
from optimizer.forecasting.protocol import QUANTILES, ForecastModel, Outlook, in_order
from optimizer.statistics import FloatArray

logger = logging.getLogger("sequential_resource_optimization.forecasting")


@dataclass(frozen=True)
class Answers:
    """What the models said of one metric, and why some said nothing."""

    outlooks: Mapping[str, Outlook]
    silent: Mapping[str, str]


def ask(
    models: Sequence[ForecastModel], values: FloatArray, steps_per_day: int, horizon: int
) -> Answers:
    """Ask every model; what they share of this series is let go afterwards.

    Args:
        models: Whom to ask.
        values: History, oldest first, shape (n,), no NaN.
        steps_per_day: Steps in a day.
        horizon: Steps to forecast.
    """
    outlooks: dict[str, Outlook] = {}
    silent: dict[str, str] = {}
    for model in models:
        try:
            outlook = model.forecast(values, steps_per_day=steps_per_day, horizon=horizon)
            outlooks[model.name] = _checked(outlook, horizon)
        except NotEnoughHistoryError as error:
            silent[model.name] = str(error)
        except Exception as error:
            logger.exception("forecast model %s failed", model.name)
            silent[model.name] = f"it failed: {type(error).__name__}: {error}"
    replay.forget()
    return Answers(outlooks, silent)


def _checked(outlook: Outlook, horizon: int) -> Outlook:
    """An outlook of the right shape, finite and in order.

    Raises:
        ValueError: It is not.
    """
    shape = (len(QUANTILES), horizon)
    if outlook.mean.shape != (horizon,) or outlook.quantiles.shape != shape:
        raise ValueError(f"expected a mean of {horizon} steps and quantiles of shape {shape}")
    if not (np.isfinite(outlook.mean).all() and np.isfinite(outlook.quantiles).all()):
        raise ValueError("a value is not finite")
    ordered = in_order(outlook.mean, outlook.quantiles, never_negative=False)
    return Outlook(outlook.mean, ordered, outlook.score, outlook.weights)


def silent_models(
    models: Sequence[ForecastModel], answers: Mapping[str, Answers]
) -> dict[str, str]:
    """Why a model said nothing of a metric, by the place where its answer would stand."""
    return {
        f"model_forecasts.{model.name}.{name}": answer.silent[model.name]
        for model in models
        for name, answer in answers.items()
        if model.name in answer.silent
    }
