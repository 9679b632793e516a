"""spike_detection: is the load out of the ordinary now, and how fast will that die down?"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from optimizer.errors import NotEnoughHistoryError
from optimizer.forecasting.candidates import Candidate
from optimizer.forecasting.combination import combine
from optimizer.forecasting.day_blocks import DayBlocks
from optimizer.forecasting.day_candidates import same_hour_median
from optimizer.forecasting.protocol import Outlook
from optimizer.forecasting.spikes import hourly_remainder, usual_values
from optimizer.statistics import FloatArray


def spike_decay(blocks: DayBlocks, *, days: int) -> FloatArray:
    """The same hour's median plus the present excess, dying down as past spikes did.

    Args:
        blocks: The past.
        days: Days whose median is the usual.

    Returns:
        Paths, shape (o, h).
    """
    excess = blocks.once("remaining_excess", 0, lambda: _remaining_excess(blocks))
    return same_hour_median(blocks, days=days) + excess


def _remaining_excess(blocks: DayBlocks) -> FloatArray:
    """What is left of the excess at each origin over the steps to come, shape (o, h)."""
    values, per_day = blocks.values, blocks.steps_per_day
    excess = (values - usual_values(values, steps_per_day=per_day))[blocks.origins - 1]
    remainder = hourly_remainder(values, steps_per_day=per_day)[blocks.origins]
    return np.asarray(excess[:, None] * remainder[:, None] ** blocks.lead[None, :])


SPIKES: tuple[Candidate, ...] = (
    Candidate("spike_decay_to_7_days", partial(spike_decay, days=7)),
    Candidate("spike_decay_to_3_days", partial(spike_decay, days=3)),
)


@dataclass(frozen=True)
class SpikeDetection:
    """The usual day plus what is left, hour by hour, of the present excess.

    Past spikes are found against the same hour of the days before them, and what was left of each
    one hour after its peak is the rate at which the present one is expected to die down.
    """

    name: str = "spike_detection"
    least_hours: int = 24

    def forecast(self, values: FloatArray, *, steps_per_day: int, horizon: int) -> Outlook:
        """See `ForecastModel`."""
        have = values.size * 24 // steps_per_day
        if have < self.least_hours:
            raise NotEnoughHistoryError(
                have=have, need=self.least_hours, unit="hours of history to know a usual day"
            )
        return combine(values, SPIKES, steps_per_day=steps_per_day, horizon=horizon)
