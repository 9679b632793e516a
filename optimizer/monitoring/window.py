"""The recent past as arrays, so that a forecast reads no rows.

A step's place in a ring follows from its number alone, and a tag says which step lies there. So a
clock that jumps needs no repair: a step in the future is simply not looked at, one that is written
a second time begins anew, and what was never written stays a gap.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from optimizer.monitoring.history import Series
from optimizer.monitoring.rollup import IntArray
from optimizer.statistics import FloatArray

NOWHERE = np.iinfo(np.int64).min


class BinRing:
    """Means of equal steps over a fixed past.

    Args:
        step_s: Width of a step in seconds.
        size: How many steps are kept.
        metrics: How many metrics a row has.
    """

    def __init__(self, *, step_s: int, size: int, metrics: int) -> None:
        self.step_s = step_s
        self._size = size
        self._tags = np.full(size, NOWHERE, dtype=np.int64)
        self._sums = np.zeros((size, metrics))
        self._counts = np.zeros((size, metrics), dtype=np.int32)
        self._current = NOWHERE
        self._furthest = NOWHERE

    def add(self, time_s: float, row: FloatArray) -> None:
        """Add one sample to its step.

        Args:
            time_s: Seconds since 1970.
            row: Shape (metrics,), NaN where unknown.
        """
        number = int(time_s // self.step_s)
        slot = number % self._size
        if self._tags[slot] != number or self._is_written_again(number):
            self._tags[slot] = number
            self._sums[slot] = 0
            self._counts[slot] = 0
        self._current = number
        self._furthest = max(self._furthest, number)
        known = ~np.isnan(row)
        self._sums[slot] += np.where(known, row, 0.0)
        self._counts[slot] += known

    def _is_written_again(self, number: int) -> bool:
        """Whether the clock went back and now comes anew to a step that it had been in."""
        return number != self._current and number <= self._furthest

    def put(self, starts_s: IntArray, mean: FloatArray, samples: IntArray) -> None:
        """Place finished steps from the store, oldest first.

        Args:
            starts_s: Beginnings in seconds since 1970, shape (n,).
            mean: Shape (n, metrics), NaN where unknown.
            samples: How many samples each mean is of, shape (n,).
        """
        numbers = starts_s[-self._size :] // self.step_s
        slots = numbers % self._size
        known = ~np.isnan(mean[-self._size :])
        counts = np.where(known, samples[-self._size :, None], 0)
        self._tags[slots] = numbers
        self._counts[slots] = counts
        self._sums[slots] = np.where(known, mean[-self._size :], 0.0) * counts

    def series(self, column: int, metric: str, now: datetime) -> Series:
        """One metric's finished steps, from the first that is known up to now.

        Args:
            column: Which metric of the rows.
            metric: Its name.
            now: The step that holds this moment is not finished, and not in the answer.
        """
        numbers, known = self._finished(now)
        counts = np.where(known, self._counts[numbers % self._size, column], 0)
        values = np.full(self._size, np.nan)
        sums = self._sums[numbers % self._size, column]
        np.divide(sums, counts, out=values, where=counts > 0)
        first = int(np.argmax(counts > 0)) if counts.any() else self._size
        start = datetime.fromtimestamp(int(numbers[0] + first) * self.step_s, UTC)
        return Series(metric, values[first:], timedelta(seconds=self.step_s), start)

    def rows(self, now: datetime) -> tuple[FloatArray, FloatArray]:
        """Middles (seconds since 1970) and means of every step with data, oldest first.

        The last one may not be finished; then it lies at `now`, if its middle is yet to come.
        """
        now_s = now.timestamp()
        numbers, known = self._up_to(int(now_s // self.step_s) + 1)
        slots = numbers[known] % self._size
        counts = self._counts[slots]
        means: FloatArray = np.full(counts.shape, np.nan)
        np.divide(self._sums[slots], counts, out=means, where=counts > 0)
        middles = numbers[known] * self.step_s + self.step_s / 2
        return np.minimum(middles, now_s), means

    def _finished(self, now: datetime) -> tuple[IntArray, NDArray[np.bool_]]:
        """Numbers of the finished steps, and which of them lie in the ring."""
        return self._up_to(int(now.timestamp() // self.step_s))

    def _up_to(self, end: int) -> tuple[IntArray, NDArray[np.bool_]]:
        """Numbers of the steps before one, and which of them lie in the ring."""
        numbers = np.arange(end - self._size, end, dtype=np.int64)
        return numbers, self._tags[numbers % self._size] == numbers


class SampleRing:
    """The last samples, as they came.

    Args:
        size: How many are kept.
        metrics: How many metrics a row has.
    """

    def __init__(self, *, size: int, metrics: int) -> None:
        self._times = np.full(size, -np.inf)
        self._rows = np.full((size, metrics), np.nan)
        self._next = 0
        self._furthest_s = -np.inf

    def add(self, time_s: float, row: FloatArray) -> None:
        """Keep one sample in place of the oldest.

        Args:
            time_s: Seconds since 1970.
            row: Shape (metrics,), NaN where unknown.
        """
        self._times[self._next] = time_s
        self._rows[self._next] = row
        self._next = (self._next + 1) % self._times.size
        self._furthest_s = max(self._furthest_s, time_s)

    def forget(self, start_s: float, end_s: float) -> None:
        """Drop what was measured in a span of time that is measured again."""
        if start_s >= self._furthest_s:
            return
        self._times[(self._times > start_s) & (self._times <= end_s)] = -np.inf

    def between(self, start_s: float, end_s: float) -> tuple[FloatArray, FloatArray]:
        """Times and rows after `start_s`, up to and with `end_s`, oldest first."""
        inside = np.flatnonzero((self._times > start_s) & (self._times <= end_s))
        inside = inside[np.argsort(self._times[inside], kind="stable")]
        return self._times[inside], self._rows[inside]
