"""What the monitor needs of a store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Protocol

import numpy as np

from optimizer.monitoring.alerts import Change
from optimizer.monitoring.rollup import FIVE_MINUTES_S, HOUR_S, RollUps
from optimizer.monitoring.sample import METRICS, Alert, Sample
from optimizer.statistics import FloatArray

stored_figures: Callable[[Sample], tuple[float | None, ...]] = attrgetter(*METRICS)
"""The stored figures of a sample in the order of `METRICS`."""

COLUMNS = {metric: column for column, metric in enumerate(METRICS)}
"""Where each metric stands in a row of figures."""


@dataclass(frozen=True)
class StoredHistory:
    """What a store knows of one host.

    Attributes:
        times_s: Moments of single samples, seconds since 1970, oldest first, shape (n,).
        values: Their figures, shape (n, metrics), NaN where unknown.
        five_minutes: Finished steps of 5 minutes.
        hours: Finished steps of an hour.
    """

    times_s: FloatArray
    values: FloatArray
    five_minutes: RollUps
    hours: RollUps


class SampleKeeper(Protocol):
    """Keeps samples, and rolls them up before it drops them."""

    async def load(self, host: str, *, now: datetime) -> StoredHistory:
        """All that is kept of a host up to now.

        Raises:
            StorageError: The store cannot be read.
        """

    async def add(self, sample: Sample) -> None:
        """Keep a sample, in place of any that was taken within half an interval of it.

        Raises:
            StorageError: The store cannot be written.
        """

    async def latest(self, host: str) -> Sample | None:
        """The last sample of a host that was kept whole; None when there is none.

        Raises:
            StorageError: The store cannot be read.
        """

    async def hosts(self) -> tuple[str, ...]:
        """Names of the hosts that have samples.

        Raises:
            StorageError: The store cannot be read.
        """


class AlertKeeper(Protocol):
    """Keeps alerts: each raised once and cleared once."""

    async def standing(self, host: str) -> tuple[Alert, ...]:
        """The alerts of a host that were not cleared.

        Raises:
            StorageError: The store cannot be read.
        """

    async def change(self, host: str, changes: Sequence[Change], *, at: datetime) -> None:
        """Keep what was raised, what moved to another level, and what was cleared.

        Raises:
            StorageError: The store cannot be written.
        """


def nothing_stored() -> StoredHistory:
    """The history of a host that nobody has seen."""
    return StoredHistory(
        times_s=np.empty(0),
        values=np.empty((0, len(METRICS))),
        five_minutes=no_rollups(FIVE_MINUTES_S),
        hours=no_rollups(HOUR_S),
    )


def no_rollups(step_s: int) -> RollUps:
    """Roll-ups of nothing."""
    whole, figures = np.empty(0, dtype=np.int64), np.empty((0, len(METRICS)))
    return RollUps(step_s, whole, whole, figures, figures, figures, figures)
