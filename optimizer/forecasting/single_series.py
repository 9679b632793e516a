"""One series in, its quantiles out, without nouns: the entry of benchmarks, quick to import."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from optimizer.errors import InvalidRequestError
from optimizer.forecasting.gaps import filled
from optimizer.forecasting.ml_hybrid import MlHybrid
from optimizer.forecasting.protocol import QUANTILES


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
    steps_per_day = steps_in_day(step_seconds)
    if horizon_steps < 1:
        raise InvalidRequestError(f"horizon_steps is {horizon_steps}; at least 1 is allowed")
    history = filled(np.asarray(values, dtype=np.float64), steps_per_day=steps_per_day)
    outlook = MlHybrid().forecast(history, steps_per_day=steps_per_day, horizon=horizon_steps)
    return {
        "mean": outlook.mean.tolist(),
        "quantiles": {q: outlook.quantiles[i].tolist() for i, q in enumerate(QUANTILES)},
    }


def steps_in_day(step_seconds: float) -> int:
    """Steps in a day, a multiple of 24.

    Raises:
        InvalidRequestError: The step does not divide an hour.
    """
    per_hour = 3600 / step_seconds if step_seconds > 0 else 0.0
    if per_hour < 1 or per_hour != round(per_hour):
        raise InvalidRequestError(
            f"a step of {step_seconds:g} s does not divide an hour; use 3600, 1800, 900, 300 or 60"
        )
    return 24 * round(per_hour)
