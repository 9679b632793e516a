"""ml_hybrid: the model to act on. It learns from the back-test which of all candidates to trust."""

from dataclasses import dataclass

from optimizer.forecasting.cold_start import LEAST_HOURS
from optimizer.forecasting.combination import combine
from optimizer.forecasting.day_candidates import DAYS
from optimizer.forecasting.level_candidates import LEVELS
from optimizer.forecasting.protocol import Outlook
from optimizer.forecasting.recent_candidates import RECENT
from optimizer.forecasting.trend_candidates import TRENDS
from optimizer.forecasting.week_candidates import WEEKS
from optimizer.statistics import FloatArray

EVERY_CANDIDATE = LEVELS + DAYS + WEEKS + TRENDS
"""Flat, daily, weekly and drifting ways to continue a series."""

NEAR_CANDIDATES = RECENT + LEVELS + DAYS
"""Ways to continue it for a few hours in steps of minutes."""


@dataclass(frozen=True)
class MlHybrid:
    """The back-test-weighted mixture of every candidate."""

    name: str = "ml_hybrid"
    least_hours: int = LEAST_HOURS

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        """See `ForecastModel`."""
        candidates = EVERY_CANDIDATE if steps_per_day == 24 else NEAR_CANDIDATES
        return combine(values, candidates, steps_per_day=steps_per_day, horizon=horizon)
