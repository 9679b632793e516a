"""The recent past of one host: single samples, 5-minute means and hourly means, in memory."""

from datetime import UTC, datetime, timedelta

import numpy as np

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.history import Series
from optimizer.monitoring.keeper import COLUMNS, StoredHistory, figures_of
from optimizer.monitoring.rollup import FIVE_MINUTES_S, HOUR_S
from optimizer.monitoring.sample import METRICS, Sample
from optimizer.monitoring.window import BinRing, SampleRing
from optimizer.statistics import FloatArray

FIVE_MINUTE_BINS = 30 * 24 * 12
HOUR_BINS = 366 * 24
RAW_SAMPLES = 3600
"""How much is held: 30 days, a year, and single samples (30 hours at 30 s, an hour at 1 s)."""


class Past:
    """What a monitor remembers without asking the store.

    Args:
        interval: Time between samples.
    """

    def __init__(self, interval: timedelta) -> None:
        width = len(METRICS)
        self._half_interval_s = interval.total_seconds() / 2
        self._raw = SampleRing(size=RAW_SAMPLES, metrics=width)
        self._five_minutes = BinRing(step_s=FIVE_MINUTES_S, size=FIVE_MINUTE_BINS, metrics=width)
        self._hours = BinRing(step_s=HOUR_S, size=HOUR_BINS, metrics=width)

    def load(self, stored: StoredHistory) -> None:
        """Take over what a store knows: finished steps, and the samples of those that are not."""
        for ring, rollups in (
            (self._five_minutes, stored.five_minutes),
            (self._hours, stored.hours),
        ):
            ring.put(rollups.starts_s, rollups.mean, rollups.samples)
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
        time_s, row = sample.timestamp.timestamp(), figures_of(sample)
        self._raw.forget(time_s - self._half_interval_s, time_s + self._half_interval_s)
        self._raw.add(time_s, row)
        self._five_minutes.add(time_s, row)
        self._hours.add(time_s, row)

    def series(self, metric: str, *, step: timedelta, now: datetime) -> Series:
        """One metric in finished steps, from the first that is known up to now.

        Raises:
            InvalidRequestError: No such metric is stored, or steps of this width are not kept.
        """
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
        step_s, end_s = step.total_seconds(), now.timestamp()
        times, rows = self._raw.between(end_s - blocks * step_s, end_s)
        values = rows[:, column_of(metric)]
        known = ~np.isnan(values)
        block = np.minimum(((end_s - times[known]) / step_s).astype(np.int64), blocks - 1)
        counts = np.bincount(block, minlength=blocks)
        sums = np.bincount(block, weights=values[known], minlength=blocks)
        means = np.full(blocks, np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        return Series(metric, means[::-1], step, now - blocks * step)

    def samples(self, span: timedelta, *, now: datetime) -> tuple[list[datetime], FloatArray]:
        """Moments and figures of the single samples of the last while, oldest first."""
        end_s = now.timestamp()
        times, rows = self._raw.between(end_s - span.total_seconds(), end_s)
        return [datetime.fromtimestamp(time_s, UTC) for time_s in times], rows


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
