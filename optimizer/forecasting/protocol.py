"""What a forecast model must offer, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from optimizer.statistics import FloatArray

QUANTILES = (0.1, 0.5, 0.9, 0.95)
"""Probabilities of the quantiles that every forecast answers, in the order of their rows."""


@dataclass(frozen=True)
class Score:
    """How a model did when it forecast the recent past again.

    Attributes:
        error: Mean absolute error, in the unit of the series, recent errors counting more.
        naive_error: That of repeating the last day, at the same moments.
        coverage: Share of actual values inside the 0.1 to 0.9 band, when the band was made from
            what was known before; None when there was too little to tell.
        n: Actual values that were compared.
    """

    error: float
    naive_error: float
    coverage: float | None
    n: int


@dataclass(frozen=True)
class Outlook:
    """What a model expects.

    Attributes:
        mean: The point forecast (it aims at the least absolute error), shape (h,).
        quantiles: One row for each of `QUANTILES`, shape (q, h); rows never cross.
        score: The back-test; None when history is too short for one.
        weights: Share of each part of a combination, by name; empty for a model without parts.
    """

    mean: FloatArray
    quantiles: FloatArray
    score: Score | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def widened(self, factor: FloatArray | float) -> "Outlook":
        """The same with every quantile `factor` times as far from the point forecast."""
        return replace(self, quantiles=self.mean + factor * (self.quantiles - self.mean))

    def moved(self, by: FloatArray) -> "Outlook":
        """The same with all of each step moved, shape (h,)."""
        return replace(self, mean=self.mean + by, quantiles=self.quantiles + by)


class ForecastModel(Protocol):
    """A way to forecast one series."""

    @property
    def name(self) -> str:
        """The name that requests and configuration use."""

    @property
    def least_hours(self) -> int:
        """Hours of history without which it refuses."""

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        """Forecast a series.

        Args:
            values: Evenly spaced observations, oldest first, shape (n,), no NaN.
            steps_per_day: Steps in a day, a multiple of 24.
            horizon: Steps to forecast.

        Returns:
            The outlook in the unit of `values`; not below zero when the series never is.

        Raises:
            NotEnoughHistoryError: The series is too short for this model.
        """


def in_order(mean: FloatArray, quantiles: FloatArray, *, never_negative: bool) -> FloatArray:
    """Quantiles that never cross and have the point forecast as their middle.

    Args:
        mean: The point forecast, shape (h,).
        quantiles: One row for each of `QUANTILES`, shape (q, h).
        never_negative: Whether to cut them at zero.

    Returns:
        Ordered quantiles, shape (q, h).
    """
    low, _, high, top = quantiles
    ordered = np.stack(
        [
            np.minimum(low, mean),
            mean,
            np.maximum(high, mean),
            np.maximum(np.maximum(top, high), mean),
        ]
    )
    return np.maximum(ordered, 0.0) if never_negative else ordered
