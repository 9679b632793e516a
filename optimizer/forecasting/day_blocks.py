"""The past cut into whole days that end at each origin, instead of at midnight.

Seen from an origin, "yesterday" is then always one whole day, whatever the hour, and the first
column of every block is the hour that comes next. All origins of a back-test are cut at once, so
that a candidate computes its paths for all of them in a few array operations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.forecasting.weighted import masked_median
from optimizer.statistics import FloatArray

IntArray = NDArray[np.int64]

MAX_DAYS = 28
"""Days of history that are looked at; four weeks hold four of each weekday."""

RECENT_HOURS = 3
"""Hours before the origin that say where the load is now."""


@dataclass(frozen=True)
class DayBlocks:
    """The past as seen from several origins.

    Attributes:
        values: Evenly spaced observations, oldest first, shape (n,), no NaN.
        origins: Index of the first step that is to be forecast, shape (o,), each at least one day.
        steps_per_day: Steps in a day, a multiple of 24.
        horizon: Steps to forecast.
    """

    values: FloatArray
    origins: IntArray
    steps_per_day: int
    horizon: int
    _memory: dict[tuple[str, int], FloatArray] = field(default_factory=dict, repr=False)

    @property
    def steps_per_hour(self) -> int:
        """Steps in one hour."""
        return self.steps_per_day // 24

    @property
    def depth(self) -> int:
        """Days that the blocks reach back, at most `MAX_DAYS`."""
        return int(min(MAX_DAYS, max(1, self.origins.max() // self.steps_per_day)))

    @property
    def width(self) -> int:
        """Steps of a day that the horizon touches."""
        return min(self.steps_per_day, self.horizon)

    @property
    def lead(self) -> FloatArray:
        """Steps from the origin, 1 to `horizon`, in hours, shape (h,)."""
        return np.arange(1, self.horizon + 1) / self.steps_per_hour

    @property
    def target_day(self) -> IntArray:
        """Which day after the origin each step is in, 0 for the first, shape (h,)."""
        return np.arange(self.horizon) // self.steps_per_day

    @cached_property
    def available(self) -> NDArray[np.bool_]:
        """Whether history holds the whole of that day, shape (o, d)."""
        starts = self.origins[:, None] - self.steps_per_day * np.arange(1, self.depth + 1)
        return starts >= 0

    @cached_property
    def ahead(self) -> FloatArray:
        """The hours of the horizon on each past day, shape (o, d, width); NaN before history.

        Day 0 is the last one before the origin.
        """
        return self._ahead_of(self.values)

    @cached_property
    def log_ahead(self) -> FloatArray:
        """The logarithm of `ahead`, shape (o, d, width)."""
        return self._ahead_of(self._logs)

    @cached_property
    def behind(self) -> FloatArray:
        """The last hours before the origin, now and on each past day, shape (o, d + 1, r).

        Index 0 of the middle axis is now, index i the same hours i days before.
        """
        recent = RECENT_HOURS * self.steps_per_hour
        day = self.steps_per_day * np.arange(self.depth + 1)
        index = self.origins[:, None, None] - day[None, :, None] + np.arange(-recent, 0)
        return np.where(index >= 0, self.values[np.maximum(index, 0)], np.nan)

    @cached_property
    def excess(self) -> FloatArray:
        """How far the last hours lie above the same hours' median of 7 days, shape (o, r)."""
        return np.asarray(self.behind[:, 0] - masked_median(self.behind[:, 1:8], axis=1))

    @cached_property
    def level(self) -> FloatArray:
        """Mean of each whole day, shape (o, d); NaN before history."""
        return self._daily_mean(self.values)

    @cached_property
    def log_level(self) -> FloatArray:
        """Mean of each day's logarithms, shape (o, d); NaN before history."""
        return self._daily_mean(self._logs)

    @cached_property
    def log_offset(self) -> float:
        """What is added before a logarithm, so that zero has one: a thousandth of the mean."""
        return max(1e-3 * float(np.abs(self.values).mean()), 1e-9)

    @cached_property
    def week(self) -> FloatArray:
        """An hourly thinning of the last seven days, shape (o, 168); NaN before history."""
        index = self.origins[:, None] + np.arange(-7 * 24, 0) * self.steps_per_hour
        return np.where(index >= 0, self.values[np.maximum(index, 0)], np.nan)

    def over_horizon(self, day: FloatArray) -> FloatArray:
        """Repeat one day's columns, shape (o, width), over the horizon, shape (o, h)."""
        return day[:, np.arange(self.horizon) % self.steps_per_day]

    def mean_of_days(self, days: FloatArray, weights: FloatArray) -> FloatArray:
        """Weighted mean over the days that an origin has.

        Args:
            days: One row per past day, shape (o, d, c).
            weights: At least 0, shape (d,).

        Returns:
            Means, shape (o, c); NaN where no weight fell on a day.
        """
        used = np.where(self.available, weights, 0.0)
        total = used.sum(axis=1, keepdims=True)
        share = used / np.where(total > 0, total, np.nan)
        known = np.where(self.available[:, :, None], days, 0.0)
        return np.asarray(np.matmul(share[:, None, :], known)[:, 0])

    def same_hour_median(self, days: int) -> FloatArray:
        """Median of the same hour on the last days, over the horizon, shape (o, h)."""
        return self.once(
            "same_hour_median",
            days,
            lambda: self.over_horizon(masked_median(self.ahead[:, :days], axis=1)),
        )

    def median_of_days(self, days: int) -> FloatArray:
        """Median of the last days, at most seven, all hours alike, shape (o, 1)."""
        return self.once(
            "median_of_days",
            days,
            lambda: masked_median(self.week[:, -24 * days :], axis=1)[:, None],
        )

    def weeks_before(self, weeks: int) -> FloatArray:
        """The horizon's own hours `weeks` weeks before, shape (o, h); NaN where not recorded."""
        return self.once("weeks_before", weeks, lambda: self._weeks_before(weeks))

    def once(self, what: str, which: int, compute: Callable[[], FloatArray]) -> FloatArray:
        """Compute a shared intermediate result the first time that it is asked for."""
        key = (what, which)
        if key not in self._memory:
            self._memory[key] = compute()
        return self._memory[key]

    def _weeks_before(self, weeks: int) -> FloatArray:
        steps = np.arange(self.horizon)
        index = self.origins[:, None] + steps - 7 * weeks * self.steps_per_day
        recorded = (index >= 0) & (index < self.origins[:, None])
        return np.where(recorded, self.values[np.clip(index, 0, self.values.size - 1)], np.nan)

    @cached_property
    def _logs(self) -> FloatArray:
        logs: FloatArray = np.log(np.maximum(self.values, 0.0) + self.log_offset)
        return logs

    def _ahead_of(self, values: FloatArray) -> FloatArray:
        start = self.origins[:, None] - self.steps_per_day * np.arange(1, self.depth + 1)
        index = start[:, :, None] + np.arange(self.width)
        return np.where(self.available[:, :, None], values[np.maximum(index, 0)], np.nan)

    def _daily_mean(self, values: FloatArray) -> FloatArray:
        total = np.concatenate([[0.0], np.cumsum(values)])
        end = self.origins[:, None] - self.steps_per_day * np.arange(self.depth)
        start = np.maximum(end - self.steps_per_day, 0)
        mean = (total[np.maximum(end, 0)] - total[start]) / self.steps_per_day
        return np.where(self.available, mean, np.nan)
