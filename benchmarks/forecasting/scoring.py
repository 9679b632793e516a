"""How good forecasts of known series were: point error, quantile loss, coverage, against naive."""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.forecasting.anchors import Forecaster, seasonal_naive
from optimizer.statistics import FloatArray

PROBABILITIES = (0.1, 0.5, 0.9)

RESAMPLES, UPPER_PROBABILITY = 10_000, 0.95


@dataclass(frozen=True)
class Track:
    """A way to cut a series into forecasts.

    Attributes:
        step_s: Seconds in a step; series are averaged to it.
        history: Most steps of history that a forecaster sees.
        least: Fewest.
        horizon: Steps to forecast.
        gap: Steps between two origins.
        origins: Most origins in a series.
    """

    step_s: int
    history: int
    least: int
    horizon: int
    gap: int
    origins: int


TRACKS = {
    "hourly": Track(3600, 672, 72, 24, 29, 8),
    "cold": Track(3600, 36, 36, 24, 29, 4),
    "fine": Track(300, 2016, 576, 24, 348, 4),
}
"""Hourly: a day ahead from up to four weeks. Cold: from 36 hours. Fine: two hours from a week."""


@dataclass(frozen=True)
class Scores:
    """One forecaster on one track.

    Attributes:
        log_error: Per series, log of its absolute error over that of the seasonal naive forecast.
        log_loss: The same of the mean pinball loss of the 0.1, 0.5 and 0.9 quantiles.
        inside: Per forecast, the share of actual values inside the 80 % band.
        milliseconds: Per forecast, how long it took.
    """

    log_error: FloatArray
    log_loss: FloatArray
    inside: FloatArray
    milliseconds: FloatArray

    @property
    def relative_error(self) -> float:
        """Geometric mean over series; below 1 is better than the seasonal naive forecast."""
        return float(np.exp(self.log_error.mean()))

    @property
    def relative_loss(self) -> float:
        """The same of the quantile loss."""
        return float(np.exp(self.log_loss.mean()))


@dataclass(frozen=True)
class Paired:
    """The quantile loss of one forecaster over that of another, series by series.

    Attributes:
        ratio: Geometric mean; below 1 the first is better.
        upper: Upper end of its one-sided 95 % interval, from a bootstrap over series.
    """

    ratio: float
    upper: float


def paired(ours: Scores, theirs: Scores) -> Paired:
    """Compare two forecasters on the same series."""
    difference = ours.log_loss - theirs.log_loss
    drawn = np.random.default_rng(0).integers(0, difference.size, (RESAMPLES, difference.size))
    means = difference[drawn].mean(axis=1)
    return Paired(
        float(np.exp(difference.mean())), float(np.exp(np.quantile(means, UPPER_PROBABILITY)))
    )


def cut(values: FloatArray, track: Track) -> list[tuple[FloatArray, FloatArray]]:
    """Histories and what came after them, the oldest first."""
    ends = range(values.size - track.horizon, track.least - 1, -track.gap)
    return [
        (values[max(0, end - track.history) : end], values[end : end + track.horizon])
        for end in list(ends)[: track.origins][::-1]
    ]


def averaged(values: FloatArray, step_s: int, to_s: int) -> FloatArray:
    """A series in wider steps; what does not fill one is dropped at its beginning."""
    width = to_s // step_s
    return values[values.size % width :].reshape(-1, width).mean(axis=1)


def pinball(actual: FloatArray, quantiles: FloatArray) -> float:
    """Mean pinball loss over the three quantiles."""
    missed = actual - quantiles
    share = np.array(PROBABILITIES)[:, None]
    return float(np.maximum(share * missed, (share - 1) * missed).mean())


def score(forecaster: Forecaster, series: list[FloatArray], track: Track) -> Scores:
    """Run a forecaster over every series of a track.

    A hundredth of the mean day-to-day change is added to both sides of each ratio, so that series
    which both forecast almost without error do not decide.
    """
    per_day = 86400 // track.step_s
    ratios, inside, taken = [], [], []
    for values in series:
        sums = np.zeros(5)
        for history, actual in cut(values, track):
            start = time.process_time()
            quantiles = np.sort(forecaster(history, per_day, track.horizon), axis=0)
            taken.append(1e3 * (time.process_time() - start))
            naive = seasonal_naive(history, per_day, track.horizon)
            season = per_day if history.size > per_day + 3 else 1
            change = np.abs(history[season:] - history[:-season]).mean()
            sums += (
                np.abs(actual - quantiles[1]).mean(),
                np.abs(actual - naive[1]).mean(),
                pinball(actual, quantiles),
                pinball(actual, naive),
                max(change, 1e-3 * np.abs(history).mean(), 1e-9),
            )
            inside.append(((actual >= quantiles[0]) & (actual <= quantiles[2])).mean())
        floor = 0.01 * sums[4]
        ratios.append(
            (
                np.log((sums[0] + floor) / (sums[1] + floor)),
                np.log((sums[2] + floor) / (sums[3] + floor)),
            )
        )
    error, loss = np.array(ratios).T
    return Scores(error, loss, np.array(inside), np.array(taken))
