"""linear_trend: where the load is drifting, robustly and with damping, in the shape of the day."""

from dataclasses import dataclass

from optimizer.forecasting.cold_start import LEAST_HOURS
from optimizer.forecasting.combination import combine
from optimizer.forecasting.protocol import Outlook
from optimizer.forecasting.trend_candidates import TRENDS
from optimizer.statistics import FloatArray


@dataclass(frozen=True)
class LinearTrend:
    """The robust slope of the last week's levels under the mean shape of the days.

    A straight trend, a damped one, and a damped one without a shape are back-tested and mixed: load
    that grew for a week seldom grows at that rate for another.
    """

    name: str = "linear_trend"
    least_hours: int = LEAST_HOURS

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        """See `ForecastModel`."""
        return combine(values, TRENDS, steps_per_day=steps_per_day, horizon=horizon)
