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
        whole: Whether all of its memory is taken at once, instead of as it fills.
    """

    def __init__(self, *, step_s: int, size: int, metrics: int, whole: bool = False) -> None:
        self.step_s = step_s
        self._size = size
        self._tags = np.full(size, NOWHERE, dtype=np.int64)
        self._means = np.zeros((size, metrics))
        if whole:
            self._means[:] = np.nan
        self._current = NOWHERE
        self._sums = np.zeros(metrics)
        self._counts = np.zeros(metrics, dtype=np.int64)

    def add(self, time_s: float, row: FloatArray) -> None:
        """Add one sample to its step, which begins anew if another one lies between.

        Args:
            time_s: Seconds since 1970.
            row: Shape (metrics,), NaN where unknown.
        """
        number = int(time_s // self.step_s)
        if number != self._current:
            self._write_down()
            self._current = number
            self._sums[:] = self._counts[:] = 0
        known = ~np.isnan(row)
        self._sums += np.where(known, row, 0.0)
        self._counts += known

    def put(self, starts_s: IntArray, mean: FloatArray) -> None:
        """Place finished steps from the store, oldest first.

        Args:
            starts_s: Beginnings in seconds since 1970, shape (n,).
            mean: Shape (n, metrics), NaN where unknown.
        """
        numbers = starts_s[-self._size :] // self.step_s
        slots = numbers % self._size
        self._tags[slots] = numbers
        self._means[slots] = mean[-self._size :]

    def _write_down(self) -> None:
        """Put the means of the step that samples come to in its place."""
        if self._current == NOWHERE:
            return
        slot = self._current % self._size
        self._tags[slot] = self._current
        self._means[slot] = np.nan
        np.divide(self._sums, self._counts, out=self._means[slot], where=self._counts > 0)

    def series(self, column: int, metric: str, now: datetime) -> Series:
        """One metric's finished steps, from the first that is known up to now.

        Args:
            column: Which metric of the rows.
            metric: Its name.
            now: The step that holds this moment is not finished, and not in the answer.
        """
        numbers, known = self._up_to(int(now.timestamp() // self.step_s))
        values = np.where(known, self._means[numbers % self._size, column], np.nan)
        there = ~np.isnan(values)
        first = int(np.argmax(there)) if there.any() else self._size
        start = datetime.fromtimestamp(int(numbers[0] + first) * self.step_s, UTC)
        return Series(metric, values[first:], timedelta(seconds=self.step_s), start)

    def rows(self, now: datetime) -> tuple[FloatArray, FloatArray]:
        """Middles (seconds since 1970) and means of every step with data, oldest first.

        The last one may not be finished; then it lies at `now`, if its middle is yet to come.
        """
        now_s = now.timestamp()
        numbers, known = self._up_to(int(now_s // self.step_s) + 1)
        middles = numbers[known] * self.step_s + self.step_s / 2
        return np.minimum(middles, now_s), self._means[numbers[known] % self._size]

    def _up_to(self, end: int) -> tuple[IntArray, NDArray[np.bool_]]:
        """Numbers of the steps before one, and which of them lie in the ring."""
        self._write_down()
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
