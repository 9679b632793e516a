"""seasonal_patterns: what this hour of the day, and of the week, usually brings."""

from dataclasses import dataclass

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting.combination import combine
from optimizer.forecasting.day_candidates import DAYS
from optimizer.forecasting.protocol import Outlook
from optimizer.forecasting.week_candidates import WEEKS
from optimizer.statistics import FloatArray


@dataclass(frozen=True)
class SeasonalPatterns:
    """The candidates with a daily or a weekly rhythm, back-tested and mixed.

    Weekly ones take part from the eighth day, and matter from two weeks on.
    """

    name: str = "seasonal_patterns"
    least_hours: int = 24

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        """See `ForecastModel`."""
        have = values.size * 24 // steps_per_day
        if have < self.least_hours:
            raise NotEnoughHistoryError(
                have=have, need=self.least_hours, unit="hours of history for a daily pattern"
            )
        return combine(values, DAYS + WEEKS, steps_per_day=steps_per_day, horizon=horizon)
