"""The allocator as a policy of a replay of recorded agent runs: `make`. A thin adapter.

The replay (a simulator of one machine, second by second) is not part of this project; it calls a
policy with runs that ask and with what live runs use. All decisions are those of `pooling` and
`pressure`, which also drive real leases. Here amounts are MB, because the replay's are.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Protocol

import numpy as np

from optimizer.allocation.pooling import FloatArray, Pooled, equally_likely, pooled
from optimizer.allocation.pressure import HEADROOM_S, QUANTILE, LiveLease, relieve

AGES_S = (0, 1, 2, 3, 10, 30, 60, 100, 200, 300)
"""Growth is learnt by age: a run takes its base at once within the first three seconds, so each of
them counts by itself, and then it seldom grows."""

SHORTEST_S, LONGEST_S = 10, 60
"""Bounds of the time for which there is a reserve: until the next run ends, if runs end evenly."""

SETTLED_S = 120
"""Seconds after which a run has its usual size: what it grows until then on average is booked."""


class Trace(Protocol):
    """A recorded run; `mem` in MB, one value a second."""

    @property
    def mem(self) -> FloatArray:
        """Resident memory, MB."""


class Machine(Protocol):
    """What runs share."""

    @property
    def memory_mb(self) -> float:
        """Memory for runs, MB."""


class Info(Protocol):
    """A run that asks."""

    job: int
    last_peak_mb: float


class Seen(Protocol):
    """A live run as a sampler sees it."""

    job: int
    age_s: int
    resident_mb: float
    stalled_s: int
    parked: bool
    swapped_mb: float


@dataclass(frozen=True)
class Lease:
    """What the replay calls a lease."""

    memory_mb: float
    high_mb: float = inf
    max_mb: float = inf


@dataclass(frozen=True)
class Actions:
    """What the replay does next."""

    limits: dict[int, Lease] = field(default_factory=dict)
    evict: list[int] = field(default_factory=list)
    park: list[int] = field(default_factory=list)
    resume: list[int] = field(default_factory=list)


class Growth:
    """How much runs of an age grew within a time, from recorded runs.

    Args:
        runs: Memory of each recorded run, one value a second, shape (n,).
    """

    def __init__(self, runs: Sequence[FloatArray]) -> None:
        self._runs = runs
        self._learnt: dict[int, tuple[FloatArray, ...]] = {}

    def within(self, seconds: int, ages: Iterable[int]) -> list[FloatArray]:
        """Of runs of these ages, the equally likely growth within some seconds, MB."""
        bands = self._learnt.get(seconds)
        if bands is None:
            bands = self._learnt[seconds] = self._learn(seconds)
        return [bands[bisect_right(AGES_S, age) - 1] for age in ages]

    def _learn(self, seconds: int) -> tuple[FloatArray, ...]:
        edges = (*AGES_S, max(run.size for run in self._runs))
        bands: list[FloatArray] = []
        for low, high in pairwise(edges):
            grown = [
                run[np.minimum(ages + seconds, run.size - 1)] - run[ages]
                for run in self._runs
                if (ages := np.arange(low, min(high, run.size))).size
            ]
            bands.append(equally_likely(np.concatenate(grown)) if grown else bands[-1])
        return tuple(bands)


class ReplayPolicy:
    """Admits on the quantile of the sum, and relieves pressure every second.

    Args:
        runs: Memory of recorded runs to learn from, MB, one value a second.
        memory_mb: Memory for runs, MB.
    """

    def __init__(self, runs: Sequence[FloatArray], memory_mb: float) -> None:
        self._capacity = memory_mb
        self._growth = Growth(runs)
        self._length_s = float(np.mean([run.size for run in runs]))
        self._swap_mb = inf
        self._start_mb = float(np.mean([run[min(3, run.size - 1)] for run in runs]))

    def on_arrival(self, info: Info, live: Sequence[Seen], now: int) -> Lease | None:
        """The lease of a run that asks; None lets it wait."""
        running = [run for run in live if not run.parked]
        if any(run.parked or run.stalled_s > 1 for run in live):
            return None
        held = sum(run.resident_mb + run.swapped_mb for run in running) + info.last_peak_mb
        if running and held + self._reserve([0, *(run.age_s for run in running)]) > self._capacity:
            return None
        return Lease(self._start_mb, high_mb=self._start_mb)

    def on_sample(self, live: Sequence[Seen], now: int) -> Actions:
        """What changes for live runs."""
        ages = [run.age_s for run in live if not run.parked]
        if any(run.parked and run.resident_mb and not run.swapped_mb for run in live):
            self._swap_mb = 0.0
        is_held_up = any(run.stalled_s for run in live)
        relief = relieve(
            [self._lease(run) for run in live],
            capacity=self._capacity,
            headroom=self._growing(HEADROOM_S, ages).booked if is_held_up else 0.0,
            reserve=self._reserve(ages) if len(ages) < len(live) else 0.0,
            swap=self._swap_mb,
        )
        return Actions(
            {int(job): Lease(self._start_mb, high_mb=high) for job, high in relief.highs.items()},
            evict=[int(job) for job in relief.end],
            park=[int(job) for job in relief.park],
            resume=[int(job) for job in relief.resume],
        )

    def on_finish(self, job: int, reason: str, peak_mb: float) -> None:
        """Nothing is kept of a run."""

    def _reserve(self, ages: Sequence[int]) -> float:
        next_end_s = self._length_s / max(1, len(ages))
        ahead_s = round(min(LONGEST_S, max(SHORTEST_S, next_end_s)))
        return self._growing(SETTLED_S, ages).mean + self._growing(ahead_s, ages).reserve

    def _growing(self, ahead_s: int, ages: Sequence[int]) -> Pooled:
        return pooled(self._growth.within(ahead_s, ages), QUANTILE)

    def _lease(self, run: Seen) -> LiveLease:
        soon = max(0.0, self._start_mb - run.resident_mb) if run.age_s < 3 else 0.0
        return LiveLease(
            str(run.job),
            age_s=run.age_s,
            guaranteed=0.0,
            most=self._capacity,
            resident=run.resident_mb,
            stalled_s=run.stalled_s,
            parked=run.parked,
            swapped=run.swapped_mb,
            soon=soon,
        )


def make(train: Sequence[Trace], machine: Machine) -> ReplayPolicy:
    """A policy for one replay.

    Args:
        train: Recorded runs to learn from.
        machine: The machine of the replay.
    """
    return ReplayPolicy([run.mem for run in train], machine.memory_mb)
