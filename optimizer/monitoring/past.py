"""The recent past of one host: single samples, 5-minute means and hourly means, in memory."""

from datetime import datetime, timedelta

import numpy as np

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.history import Series
from optimizer.monitoring.keeper import COLUMNS, StoredHistory, stored_figures
from optimizer.monitoring.rollup import FIVE_MINUTES_S, HOUR_S
from optimizer.monitoring.sample import METRICS, Sample
from optimizer.monitoring.window import BinRing, SampleRing
from optimizer.statistics import FloatArray

FIVE_MINUTE_BINS = 30 * 24 * 12
HOUR_BINS = 366 * 24
RAW_SAMPLES = 3600
"""How much is held: 30 days, a year, and single samples (30 hours at 30 s, an hour at 1 s)."""

ASIDE = 32
"""Samples that lie aside until so many came, or somebody looks: arrays are quicker by the dozen."""


class Past:
    """What a monitor remembers without asking the store.

    What a month of samples fills is taken at the start, so that a process does not grow with its
    age; the hours of a year are not (130 kB a month).

    Args:
        interval: Time between samples.
    """

    def __init__(self, interval: timedelta) -> None:
        width = len(METRICS)
        self._interval = interval
        self._half_interval_s = interval.total_seconds() / 2
        self._aside: list[tuple[float, tuple[float | None, ...]]] = []
        self._raw = SampleRing(size=RAW_SAMPLES, metrics=width)
        self._five_minutes = BinRing(
            step_s=FIVE_MINUTES_S, size=FIVE_MINUTE_BINS, metrics=width, whole=True
        )
        self._hours = BinRing(step_s=HOUR_S, size=HOUR_BINS, metrics=width)

    def load(self, stored: StoredHistory) -> None:
        """Take over what a store knows: finished steps, and the samples of those that are not."""
        for ring, rollups in (
            (self._five_minutes, stored.five_minutes),
            (self._hours, stored.hours),
        ):
            ring.put(rollups.starts_s, rollups.mean)
            finished = rollups.starts_s[-1] + rollups.step_s if rollups.starts_s.size else -np.inf
            for index in np.flatnonzero(stored.times_s >= finished):
                ring.add(stored.times_s[index], stored.values[index])
        for time_s, row in zip(
            stored.times_s[-RAW_SAMPLES:], stored.values[-RAW_SAMPLES:], strict=True
        ):
            self._raw.add(time_s, row)

    def add(self, sample: Sample) -> None:
        """Remember a sample, in place of any taken within half an interval of it.

        There is one only when the clock was set back; then the newer one counts.
        """
        self._aside.append((sample.timestamp.timestamp(), stored_figures(sample)))
        if len(self._aside) >= ASIDE:
            self._take_in()

    def _take_in(self) -> None:
        """Put what lies aside into the arrays, in the order in which it came."""
        waiting, self._aside = self._aside, []
        for time_s, figures in waiting:
            row = np.array(figures, dtype=np.float64)
            self._raw.forget(time_s - self._half_interval_s, time_s + self._half_interval_s)
            self._raw.add(time_s, row)
            self._five_minutes.add(time_s, row)
            self._hours.add(time_s, row)

    def series(self, metric: str, *, step: timedelta, now: datetime) -> Series:
        """One metric in finished steps, from the first that is known up to now.

        Raises:
            InvalidRequestError: No such metric is stored, or steps of this width are not kept.
        """
        self._take_in()
        rings = {FIVE_MINUTES_S: self._five_minutes, HOUR_S: self._hours}
        ring = rings.get(int(step.total_seconds()))
        if ring is None:
            raise InvalidRequestError("history is kept in steps of 300 s and 3600 s")
        return ring.series(column_of(metric), metric, now)

    def means(self, metric: str, *, step: timedelta, blocks: int, now: datetime) -> Series:
        """Means of equal steps from single samples, the last one ending now.

        Args:
            metric: Name of a stored metric.
            step: Width of a mean.
            blocks: How many means, at most; NaN where there was no sample.
            now: End of the last mean.

        Raises:
            InvalidRequestError: No such metric is stored.
        """
        self._take_in()
        end_s = now.timestamp()
        times, rows = self._raw.between(end_s - blocks * step.total_seconds(), end_s)
        values = block_means(
            times,
            rows[:, column_of(metric)],
            step_s=step.total_seconds(),
            blocks=blocks,
            end_s=end_s,
        )
        return Series(metric, values, step, now - blocks * step)

    def recent(self, span: timedelta, *, points: int, now: datetime) -> dict[str, Series]:
        """Every metric over the last while, thinned to a few means.

        Args:
            span: How far to look back; beyond what single samples reach, 5-minute means are taken.
            points: How many means, at most.
            now: End of the last mean.
        """
        self._take_in()
        reach = RAW_SAMPLES * self._interval
        finest = self._interval if span <= reach else timedelta(seconds=FIVE_MINUTES_S)
        step = max(finest, span / points)
        blocks = max(1, round(span / step))
        end_s = now.timestamp()
        start_s = end_s - blocks * step.total_seconds()
        if span <= reach:
            times, rows = self._raw.between(start_s, end_s)
        else:
            times, rows = self._five_minutes.rows(now)
            inside = times > start_s
            times, rows = times[inside], rows[inside]
        return {
            metric: Series(
                metric,
                block_means(
                    times, rows[:, column], step_s=step.total_seconds(), blocks=blocks, end_s=end_s
                ),
                step,
                now - blocks * step,
            )
            for metric, column in COLUMNS.items()
        }


def block_means(
    times_s: FloatArray, values: FloatArray, *, step_s: float, blocks: int, end_s: float
) -> FloatArray:
    """Means of equal steps that end at a moment.

    Args:
        times_s: Moments in the last `blocks` steps, shape (n,).
        values: One metric at these moments, NaN where unknown, shape (n,).
        step_s: Width of a step in seconds.
        blocks: How many steps.
        end_s: End of the last one.

    Returns:
        Shape (blocks,), oldest first; NaN where nothing was known.
    """
    known = ~np.isnan(values)
    ago = np.minimum(((end_s - times_s[known]) / step_s).astype(np.int64), blocks - 1)
    counts = np.bincount(ago, minlength=blocks)
    sums = np.bincount(ago, weights=values[known], minlength=blocks)
    means = np.full(blocks, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means[::-1]


def column_of(metric: str) -> int:
    """Where a metric stands in a row of figures.

    Raises:
        InvalidRequestError: No such metric is stored; the message lists those that are.
    """
    if metric not in COLUMNS:
        raise InvalidRequestError(
            f"no metric {metric!r} is stored; known: {', '.join(METRICS)}", field="metrics"
        )
    return COLUMNS[metric]
