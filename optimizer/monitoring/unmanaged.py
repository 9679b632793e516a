"""The use that no lease covers, as metrics of their own: what a pool cannot promise. Pure."""

from collections.abc import Mapping

import numpy as np

from optimizer.machine.attribution import beyond_leases
from optimizer.machine.readings import Usage
from optimizer.monitoring.keeper import COLUMNS, StoredHistory
from optimizer.monitoring.sample import amounts

UNMANAGED = {resource: f"unmanaged_{resource}" for resource in ("cpu", "memory", "storage")}
"""The metric of each resource, in the unit of its pool: cores and bytes."""


def last_unmanaged(stored: StoredHistory) -> dict[str, float]:
    """What a store last knew of it, by resource, so that a restart hides no load behind leases."""
    last: dict[str, float] = {}
    for resource, metric in UNMANAGED.items():
        values = stored.values[:, COLUMNS[metric]]
        known = values[~np.isnan(values)]
        if known.size:
            last[resource] = float(known[-1])
    return last


def unmanaged_in(
    usage: Usage, leased: Mapping[str, float], *, before: Mapping[str, float]
) -> dict[str, float]:
    """The use that no lease covers, by resource, as far as use is known.

    Args:
        usage: What was used, in all and by lease.
        leased: What is leased in all, by resource.
        before: What no lease covered when it was last known, by resource.
    """
    allowed = usage.latest.allowed
    used = amounts(
        usage.values["cpu_usage"],
        allowed.cpu_cores,
        usage.latest.memory_used_bytes,
        usage.values.get("storage_usage"),
        allowed.storage_bytes,
    )
    return beyond_leases(used, leased, usage.leases.values(), before=before)
