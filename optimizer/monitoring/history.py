"""The past as evenly spaced numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from optimizer.statistics import FloatArray


@dataclass(frozen=True)
class Series:
    """One metric on an even grid, oldest first.

    Attributes:
        metric: Name of a stored metric, for example `cpu_usage`.
        values: Mean of each step in the metric's unit, shape (n,); NaN where nothing was recorded.
        step: Width of one step.
        start: Beginning of the first step, aware, UTC.
    """

    metric: str
    values: FloatArray
    step: timedelta
    start: datetime

    @property
    def end(self) -> datetime:
        """End of the last step: the origin of a forecast."""
        return self.start + self.step * self.values.size
