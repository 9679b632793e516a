"""The past moments of one series that are forecast again: what all models share.

A replay says from where to forecast, what came, and how much each of these points says about each
other. Models differ only in their paths, so that a planner that asks four models of one series
computes blocks, candidates and kernels once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from optimizer.forecasting.candidates import Candidate, complete
from optimizer.forecasting.day_blocks import MAX_DAYS, DayBlocks, IntArray
from optimizer.forecasting.kernel import Points, kernel_weights
from optimizer.forecasting.usual_hours import same_hour_quantiles
from optimizer.statistics import FloatArray

ORIGINS = 65
"""Past moments that are forecast again; every five hours that is two weeks."""

ORIGIN_STEP_HOURS = 5
"""Hours between them; 5 has no common factor with 24, so every hour of the day has its turn."""

LONG_HORIZON_HOURS = 48
"""Beyond this the origins are spread out, so that the work does not grow with the horizon."""

FINE_ORIGINS = 100
"""Past moments for steps finer than an hour, which look ahead only a few hours."""

FINE_ORIGIN_SHARE = 17 / 24
"""Their distance, as a share of the horizon; two hours in steps of five minutes give 17 steps,
which has no common factor with the 288 of a day."""

LEAST_DAYS = 2
"""Days before the first origin: fewer do not tell a day's shape from chance."""

FINE_LEAST_DAYS = 1
"""The same for steps finer than an hour, where the last minutes say more than the day."""

HALF_LIFE_DAYS = 7.0
"""Age at which an error counts half when candidates are compared."""

TESTED_EVERY, TESTED_ORIGINS, TESTED_LEADS = 7, 7, 4
"""The band is tested from every seventh origin, at most seven, at about four leads each."""


@dataclass(frozen=True)
class Tests:
    """Points at which a band is made again from what was known before, and tested.

    Attributes:
        origin: Index of each point's past origin, shape (t,).
        step: Its step of the horizon, shape (t,).
        kernel: How much each known point says about it; 0 for what came later, shape (t, n).
    """

    origin: IntArray
    step: IntArray
    kernel: FloatArray


@dataclass(frozen=True)
class Replay:
    """One series, now and at past moments.

    Attributes:
        blocks: The past as seen from each origin; the first origin is now, the others are past
            ones, latest first.
    """

    blocks: DayBlocks
    _paths: dict[Candidate, FloatArray] = field(default_factory=dict, repr=False)

    @property
    def days(self) -> float:
        """Length of the history in days."""
        return self.blocks.values.size / self.blocks.steps_per_day

    @cached_property
    def age(self) -> IntArray:
        """Steps from each past origin to the end of the history, shape (o,)."""
        return self.blocks.values.size - self.blocks.origins[1:]

    @cached_property
    def actual(self) -> FloatArray:
        """What came after each past origin, shape (o, h); NaN where it has not come yet."""
        values, horizon = self.blocks.values, self.blocks.horizon
        index = self.blocks.origins[1:, None] + np.arange(horizon)
        return np.where(index < values.size, values[np.minimum(index, values.size - 1)], np.nan)

    @cached_property
    def came(self) -> NDArray[np.bool_]:
        """Where the actual value is known, shape (o, h)."""
        return ~np.isnan(self.actual)

    @cached_property
    def recency(self) -> FloatArray:
        """Weight of each known actual, halved every `HALF_LIFE_DAYS`, 0 elsewhere, shape (o, h)."""
        age_days = self.age[:, None] / self.blocks.steps_per_day
        return np.where(self.came, 0.5 ** (age_days / HALF_LIFE_DAYS), 0.0)

    @cached_property
    def naive(self) -> FloatArray:
        """The last day repeated, from each past origin, shape (o, h)."""
        return self.blocks.over_horizon(self.blocks.ahead[:, 0])[1:]

    @cached_property
    def points(self) -> Points:
        """Where the known actuals lie, n of them, in the order of `came`."""
        origin, step = np.nonzero(self.came)
        return Points.at(self.age[origin], step, steps_per_day=self.blocks.steps_per_day)

    @cached_property
    def kernel(self) -> FloatArray:
        """How much each known actual says about each step from now, shape (h, n)."""
        steps = np.arange(self.blocks.horizon)
        here = Points.at(np.zeros_like(steps), steps, steps_per_day=self.blocks.steps_per_day)
        return kernel_weights(here, self.points)

    @cached_property
    def tests(self) -> Tests:
        """Points at which bands are tested: past ones whose whole horizon has come."""
        whole = np.flatnonzero(self.came.all(axis=1))[::TESTED_EVERY][:TESTED_ORIGINS]
        leads = np.arange(0, self.blocks.horizon, max(1, self.blocks.horizon // TESTED_LEADS))
        origin, step = (grid.ravel() for grid in np.meshgrid(whole, leads, indexing="ij"))
        there = Points.at(self.age[origin], step, steps_per_day=self.blocks.steps_per_day)
        begun_days = self.age[origin] / self.blocks.steps_per_day
        known = self.points.age_days[None, :] > begun_days[:, None]
        return Tests(origin, step, kernel_weights(there, self.points) * known)

    @cached_property
    def usual_now(self) -> FloatArray:
        """Plain quantiles of the same hours on past days, for each step from now, shape (q, h)."""
        steps = np.arange(self.blocks.horizon)
        return same_hour_quantiles(self.blocks, np.zeros_like(steps), steps)

    @cached_property
    def usual_tested(self) -> FloatArray:
        """The same for each tested point, from its origin, shape (q, t)."""
        return same_hour_quantiles(self.blocks, self.tests.origin + 1, self.tests.step)

    def paths(self, candidates: Sequence[Candidate]) -> FloatArray:
        """Every candidate's path from every origin, shape (k, 1 + o, h), without NaN."""
        for candidate in candidates:
            if candidate not in self._paths:
                self._paths[candidate] = complete(candidate.path(self.blocks), self.blocks)
        return np.stack([self._paths[candidate] for candidate in candidates])


def replay_of(values: FloatArray, *, steps_per_day: int, horizon: int) -> Replay:
    """The replay of a series; asked again of the same series, the same one.

    Args:
        values: History, oldest first, shape (n,), no NaN, at least `least_steps`; its last
            `MAX_DAYS` days, and one more, are used.
        steps_per_day: Steps in a day, a multiple of 24.
        horizon: Steps to forecast.
    """
    history = np.ascontiguousarray(values[-(MAX_DAYS + 1) * steps_per_day :], dtype=np.float64)
    return _replay(history.tobytes(), steps_per_day, horizon)


def forget() -> None:
    """Let go of the last replays: of a month each holds 2 to 4 MiB; the next series has its own."""
    _replay.cache_clear()


@lru_cache(maxsize=2)
def _replay(history: bytes, steps_per_day: int, horizon: int) -> Replay:
    values = np.frombuffer(history)
    past = past_origins(values.size, steps_per_day=steps_per_day, horizon=horizon)
    origins = np.concatenate([[values.size], past]).astype(np.int64)
    return Replay(DayBlocks(values, origins, steps_per_day, horizon))


def past_origins(size: int, *, steps_per_day: int, horizon: int) -> IntArray:
    """Moments to forecast again, latest first.

    Args:
        size: Observations in the history.
        steps_per_day: Steps in a day.
        horizon: Steps to forecast.

    Returns:
        Indices of first forecast steps, shape (o,); empty while history is too short for one.
    """
    per_hour = steps_per_day // 24
    if per_hour > 1 and horizon < ORIGIN_STEP_HOURS * per_hour:
        step, most = max(1, round(FINE_ORIGIN_SHARE * horizon)), FINE_ORIGINS
    else:
        spread = max(1, round(horizon / per_hour / LONG_HORIZON_HOURS))
        step, most = ORIGIN_STEP_HOURS * spread * per_hour, ORIGINS // spread
    return np.arange(size - step, least_days(steps_per_day) * steps_per_day - 1, -step)[:most]


def least_days(steps_per_day: int) -> int:
    """Days of history before the first origin."""
    return LEAST_DAYS if steps_per_day == 24 else FINE_LEAST_DAYS


def least_steps(*, steps_per_day: int, horizon: int) -> int:
    """The shortest history with a back-test."""
    size = least_days(steps_per_day) * steps_per_day
    while past_origins(size, steps_per_day=steps_per_day, horizon=horizon).size == 0:
        size += 1
    return size
