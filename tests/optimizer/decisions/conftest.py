"""A machine of 8 cores, 16 GiB and 64 GiB of disk, as decisions see it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Any

import pytest

from optimizer.decisions.snapshot import (
    Quantile,
    ResourceState,
    Snapshot,
    TrackRecord,
    Workload,
)
from optimizer.prices import FARGATE
from optimizer.quantities import RESOURCES

GIB = 2**30

CAPACITY = {"cpu": 8.0, "memory": 16.0 * GIB, "storage": 64.0 * GIB, "network": 1e9, "gpu": 0.0}

MakeState = Callable[..., ResourceState]
MakeSnapshot = Callable[..., Snapshot]


def outlook(mean: float, deviation: float) -> tuple[Quantile, ...]:
    """Quantiles of a Gaussian, as a forecast gives them."""
    normal = NormalDist(mean, deviation) if deviation > 0 else None
    return tuple(
        Quantile(probability=p, amount=mean if normal is None else normal.inv_cdf(p))
        for p in (0.1, 0.5, 0.9, 0.95)
    )


@pytest.fixture
def make_state() -> MakeState:
    """A resource that is used to a share, with a forecast around it."""

    def make(
        resource: str, share: float | None = None, spread: float = 0.03, **changes: Any
    ) -> ResourceState:
        capacity = CAPACITY[resource]
        known: dict[str, Any] = {
            "resource": resource,
            "unit": RESOURCES[resource].unit,
            "capacity": capacity,
            "capacity_source": "test",
            "price": FARGATE.price(resource),
            "charged_otherwise": FARGATE.not_by_capacity.get(resource),
        }
        if share is not None:
            used = share * capacity
            known |= {"used": used, "demand": used, "outlook": outlook(used, spread * capacity)}
        return ResourceState.model_validate(known | changes)

    return make


@pytest.fixture
def make_snapshot(make_state: MakeState) -> MakeSnapshot:
    """CPU used to 70 %, memory to 60 %, storage to 30 %, unless a test says otherwise."""

    def make(states: Mapping[str, ResourceState] | None = None, **changes: Any) -> Snapshot:
        usual = {
            "cpu": make_state("cpu", 0.7),
            "memory": make_state("memory", 0.6),
            "storage": make_state("storage", 0.3),
            "network": make_state("network"),
            "gpu": make_state("gpu"),
        }
        known: dict[str, Any] = {
            "host": "box",
            "computed_at": datetime(2026, 11, 22, 12, tzinfo=UTC),
            "version": 7,
            "health": "healthy",
            "horizon_hours": 24,
            "resources": tuple((usual | dict(states or {})).values()),
            "workload": Workload(),
            "track_record": TrackRecord(nominal=0.8, coverage=0.76, observations=300),
        }
        return Snapshot.model_validate(known | changes)

    return make
