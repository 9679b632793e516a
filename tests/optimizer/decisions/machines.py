"""Machines whose figures a test draws, as decisions see them."""

from collections.abc import Sequence

from optimizer.decisions.snapshot import Quantile, ResourceState, Snapshot, Workload
from optimizer.prices import FARGATE


def drawn_state(
    resource: str,
    unit: str,
    capacity: float,
    *,
    demand: float,
    peaks: Sequence[float],
    change: float | None,
    usd_per_unit_hour: float,
) -> ResourceState:
    """A resource with its use, four quantiles of the forecast, its advice and its price."""
    price = FARGATE.price(resource)
    assert price is not None
    return ResourceState.model_validate(
        {
            "resource": resource,
            "unit": unit,
            "capacity": capacity,
            "capacity_source": "random",
            "used": demand,
            "demand": demand,
            "outlook": [
                Quantile(probability=p, amount=amount)
                for p, amount in zip((0.1, 0.5, 0.9, 0.95), peaks, strict=True)
            ],
            "recommended_change": change,
            "price": price.model_copy(update={"usd_per_unit_hour": usd_per_unit_hour}),
        }
    )


def drawn_machine(states: Sequence[ResourceState], workload: Workload) -> Snapshot:
    """A healthy machine of these resources."""
    return Snapshot.model_validate(
        {
            "host": "random",
            "computed_at": "2026-11-22T12:00:00Z",
            "version": 1,
            "health": "healthy",
            "horizon_hours": 24,
            "resources": states,
            "workload": workload,
        }
    )
