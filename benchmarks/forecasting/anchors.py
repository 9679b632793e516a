"""Forecasters to compare with, all of one signature: values, steps in a day, horizon → quantiles.

The seasonal naive forecast and our own need nothing. The others are imported only when they are
asked for; `make .venv/bench` brings them, and the product never does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from optimizer.forecasting.linear_trend import LinearTrend
from optimizer.forecasting.ml_hybrid import MlHybrid
from optimizer.forecasting.protocol import QUANTILES, ForecastModel
from optimizer.forecasting.seasonal_patterns import SeasonalPatterns
from optimizer.forecasting.spike_detection import SpikeDetection
from optimizer.statistics import FloatArray

Forecaster = Callable[[FloatArray, int, int], FloatArray]
"""Values (n,), steps in a day, horizon → the 0.1, 0.5 and 0.9 quantiles, shape (3, h)."""

NORMAL_90 = 1.2815516
"""The 0.9 quantile of the standard normal distribution."""


def seasonal_naive(values: FloatArray, per_day: int, horizon: int) -> FloatArray:
    """The last day again, with normal bands from the changes between days."""
    season = per_day if values.size > per_day else 1
    path = np.resize(values[-season:], horizon)
    change = values[season:] - values[:-season]
    spread = float(np.sqrt(np.mean(change**2))) if change.size else 0.0
    width = NORMAL_90 * spread * np.sqrt(np.arange(horizon) // season + 1)
    return np.stack([path - width, path, path + width])


def _ours(model: ForecastModel) -> Forecaster:
    def forecast(values: FloatArray, per_day: int, horizon: int) -> FloatArray:
        outlook = model.forecast(values, steps_per_day=per_day, horizon=horizon)
        return outlook.quantiles[[QUANTILES.index(q) for q in (0.1, 0.5, 0.9)]]

    return forecast


def _statsforecast(name: str) -> Forecaster:
    from statsforecast import models

    def forecast(values: FloatArray, per_day: int, horizon: int) -> FloatArray:
        model: Any = getattr(models, name)(season_length=per_day)
        answer = model.forecast(values.astype(np.float32), h=horizon, level=[80])
        return np.stack([answer["lo-80"], answer["mean"], answer["hi-80"]]).astype(np.float64)

    return forecast


def _ensemble() -> Forecaster:
    """The mean of three of statsforecast's models, as its authors entered it in competitions."""
    members = [_statsforecast(name) for name in ("AutoETS", "AutoCES", "DynamicOptimizedTheta")]

    def forecast(values: FloatArray, per_day: int, horizon: int) -> FloatArray:
        return np.mean([member(values, per_day, horizon) for member in members], axis=0)

    return forecast


def _prophet() -> Forecaster:
    import logging

    import pandas as pd
    from prophet import Prophet

    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)

    def forecast(values: FloatArray, per_day: int, horizon: int) -> FloatArray:
        times = pd.date_range(
            "2026-01-05", periods=values.size + horizon, freq=f"{86400 // per_day}s"
        )
        model = Prophet(interval_width=0.8)
        model.fit(pd.DataFrame({"ds": times[: values.size], "y": values}))
        np.random.seed(0)  # noqa: NPY002 - what its bands are drawn from
        answer = model.predict(pd.DataFrame({"ds": times[values.size :]}))
        return answer[["yhat_lower", "yhat", "yhat_upper"]].to_numpy().T

    return forecast


def _flair() -> Forecaster:
    import flaircast

    def forecast(values: FloatArray, per_day: int, horizon: int) -> FloatArray:
        frequency = "H" if per_day == 24 else f"{1440 // per_day}T"
        samples = flaircast.forecast(values, horizon=horizon, freq=frequency, seed=0)
        return np.quantile(samples, (0.1, 0.5, 0.9), axis=0)

    return forecast


OURS: dict[str, Forecaster] = {
    model.name: _ours(model)
    for model in (MlHybrid(), SeasonalPatterns(), SpikeDetection(), LinearTrend())
}


@dataclass(frozen=True)
class Anchor:
    """Somebody else's forecaster.

    Attributes:
        package: What it needs.
        make: Makes it.
        tracks: Where it is run; some take minutes on a series in steps of five minutes.
    """

    package: str
    make: Callable[[], Forecaster]
    tracks: tuple[str, ...] = ("hourly", "cold", "fine")


ANCHORS: dict[str, Anchor] = {
    "seasonal naive": Anchor("numpy", lambda: seasonal_naive),
    "FLAIR": Anchor("flaircast", _flair),
    "Holt-Winters": Anchor("statsforecast", lambda: _statsforecast("HoltWinters")),
    "AutoETS": Anchor("statsforecast", lambda: _statsforecast("AutoETS"), ("hourly",)),
    "ETS+CES+Theta": Anchor("statsforecast", _ensemble, ("hourly",)),
    "Prophet": Anchor("prophet", _prophet, ("hourly",)),
}
"""By name, as the table shows them."""


def forecasters(names: Sequence[str], track: str) -> tuple[dict[str, Forecaster], list[str]]:
    """The forecasters of these names on a track, and those whose package is not installed."""
    found, missing = {}, []
    for name in names:
        if name in OURS:
            found[name] = OURS[name]
        elif track not in ANCHORS[name].tracks:
            continue
        elif find_spec(ANCHORS[name].package) is None:
            missing.append(name)
        else:
            found[name] = ANCHORS[name].make()
    return found, missing
