"""Quantiles around a forecast, from the residuals that the same forecast left in the back-test.

Residuals stay in the unit of the series and are scaled by the square root of the level. Dividing
them by a local spread instead looks tempting and is wrong: after one change of regime the spread is
near zero, and the intervals blow up several-hundred-fold.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.forecasting.day_blocks import IntArray
from optimizer.forecasting.protocol import QUANTILES
from optimizer.forecasting.replay import Replay
from optimizer.forecasting.weighted import quantiles_of_sorted
from optimizer.statistics import FloatArray

INFLATION, SHORT_HISTORY_INFLATION = 0.88, 1.5
"""Residuals are multiplied by INFLATION (1 + SHORT_HISTORY_INFLATION / days)."""

FAR_WIDENING = 0.12
"""Beyond one day residuals are multiplied by 1 + FAR_WIDENING log2(days ahead): the farther, the
fewer of them there are, and the more the mixture was fitted to those."""

SAME_HOUR_SHARE = 0.3
"""Share of the plain quantiles of the same hour (and its neighbours) on past days."""

LEAST_TESTED = 12
"""Points at which a band must have been tested before its coverage is told."""

LEAST_KNOWN_DAYS = 3.0
"""Days of history before a band is tested: earlier ones are mostly those of the cold start."""


@dataclass(frozen=True)
class Residuals:
    """What a forecast missed in the past, by size.

    Attributes:
        scaled: (actual - forecast) / sqrt(level of the forecast), ascending, shape (n,).
        order: Where each stood among the points of the replay, shape (n,).
        floor: Least level, so that a forecast of zero still has a scale.
    """

    scaled: FloatArray
    order: IntArray
    floor: float

    def scale(self, path: FloatArray) -> FloatArray:
        """What turns scaled residuals back into the unit of the series, in the shape of `path`."""
        return np.sqrt(np.maximum(np.abs(path), self.floor))


def collect_residuals(replay: Replay, past: FloatArray) -> Residuals:
    """Gather what a forecast missed.

    Args:
        replay: The moments that were forecast again.
        past: The forecast's paths from them, shape (o, h).
    """
    floor = max(1e-3 * float(np.abs(replay.blocks.values).mean()), 1e-9)
    level = np.maximum(np.abs(past[replay.came]), floor)
    scaled = (replay.actual - past)[replay.came] / np.sqrt(level)
    order = np.argsort(scaled, kind="stable")
    return Residuals(scaled[order], order, floor)


def band(replay: Replay, path: FloatArray, residuals: Residuals) -> FloatArray:
    """Quantiles around a forecast, not yet in order.

    Args:
        replay: The moments that were forecast again.
        path: The forecast from now, shape (h,).
        residuals: What it missed in the past.

    Returns:
        Residual quantiles around the path, blended with the plain quantiles of the same hour on
        past days, shape (q, h).
    """
    distance = quantiles_of_sorted(
        residuals.scaled, replay.kernel[:, residuals.order], QUANTILES
    ) * residuals.scale(path)
    days_ahead = np.arange(1, path.size + 1) / replay.blocks.steps_per_day
    far = 1 + FAR_WIDENING * np.log2(np.maximum(1.0, days_ahead))
    around = path + _inflation(replay.days) * far * distance
    return _blended(around, replay.usual_now, path)


def coverage(replay: Replay, past: FloatArray, residuals: Residuals) -> float | None:
    """How often the 0.1 to 0.9 band held at past moments, made each time from what came before.

    Args:
        replay: The moments that were forecast again.
        past: The forecast's paths from them, shape (o, h).
        residuals: What it missed.

    Returns:
        A share, or None when there were too few moments.
    """
    tests = replay.tests
    known_days = replay.days - replay.age[tests.origin] / replay.blocks.steps_per_day
    usable = (known_days >= LEAST_KNOWN_DAYS) & (tests.kernel.sum(axis=1) > 0)
    if usable.sum() < LEAST_TESTED:
        return None
    origin, step = tests.origin[usable], tests.step[usable]
    path, actual = past[origin, step], replay.actual[origin, step]
    kernel = tests.kernel[usable][:, residuals.order]
    distance = quantiles_of_sorted(residuals.scaled, kernel, QUANTILES) * residuals.scale(path)
    around = path + _inflation(known_days[usable]) * distance
    usual = replay.usual_tested[:, usable]
    low, _, high, _ = _blended(around, usual, path)
    return float(((actual >= low - residuals.floor) & (actual <= high + residuals.floor)).mean())


def _inflation(days: FloatArray | float) -> FloatArray:
    return np.asarray(INFLATION * (1 + SHORT_HISTORY_INFLATION / np.asarray(days)))


def _blended(around: FloatArray, usual: FloatArray, path: FloatArray) -> FloatArray:
    """Residual quantiles with a share of the usual ones, as far as these lie on the same side.

    While a load rises day by day, all of the usual lies below the forecast; it then says nothing of
    how far the load may lie above, and must not close the band on that side.
    """
    low, middle, high, top = usual
    same_side = np.stack(
        [np.minimum(low, path), middle, np.maximum(high, path), np.maximum(top, path)]
    )
    return np.asarray((1 - SAME_HOUR_SHARE) * around + SAME_HOUR_SHARE * same_side)
