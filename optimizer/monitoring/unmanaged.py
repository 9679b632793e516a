"""The use that no lease covers, as metrics of their own: what a pool cannot promise. Pure."""

from collections.abc import Mapping

import numpy as np

from optimizer.machine.attribution import LeaseUse, beyond_leases
from optimizer.monitoring.keeper import COLUMNS, StoredHistory
from optimizer.monitoring.sample import Sample

UNMANAGED = {resource: f"unmanaged_{resource}" for resource in ("cpu", "memory", "storage")}
"""The metric of each resource, in the unit of its pool: cores and bytes."""

NOT_LOOKED_UP = "what is leased has not been looked up"


def unmanaged_in(sample: Sample) -> dict[str, float]:
    """What a sample says of the use that no lease covers, by resource, as far as it is known."""
    told = {resource: sample.value(metric) for resource, metric in UNMANAGED.items()}
    return {resource: amount for resource, amount in told.items() if amount is not None}


def last_unmanaged(stored: StoredHistory) -> dict[str, float]:
    """What a store last knew of it, by resource, so that a restart hides no load behind leases."""
    last: dict[str, float] = {}
    for resource, metric in UNMANAGED.items():
        values = stored.values[:, COLUMNS[metric]]
        known = values[~np.isnan(values)]
        if known.size:
            last[resource] = float(known[-1])
    return last


def with_unmanaged(
    sample: Sample,
    leased: Mapping[str, float] | None,
    uses: Mapping[str, LeaseUse],
    *,
    before: Mapping[str, float],
) -> Sample:
    """The same sample with the use that no lease covers, or why it is not known.

    Args:
        sample: What was measured.
        leased: What is leased in all, by resource; None when nobody could say.
        uses: What each lease used that processes are bound to.
        before: What no lease covered when it was last known, by resource.
    """
    if leased is None:
        rest, unknown = {}, dict.fromkeys(UNMANAGED.values(), NOT_LOOKED_UP)
    else:
        found = beyond_leases(sample.used, leased, uses.values(), before=before)
        rest = {UNMANAGED[resource]: amount for resource, amount in found.items()}
        unknown = {
            metric: f"use of {resource} is not known"
            for resource, metric in UNMANAGED.items()
            if resource not in found
        }
    return sample.model_copy(update={**rest, "unknown": {**sample.unknown, **unknown}})
