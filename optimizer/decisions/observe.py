"""What the other rooms know, put together into the snapshot that a decision starts from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from optimizer.allocation.lease import Lease, public_name
from optimizer.allocation.pool import PoolState
from optimizer.decisions.levels import LEASED
from optimizer.decisions.risk import observed_error_rate
from optimizer.decisions.snapshot import (
    LeaseUse,
    Lever,
    PastRecord,
    PlacedLease,
    Quantile,
    QuietWindow,
    Remembered,
    ResourceState,
    Snapshot,
    TrackRecord,
    Workload,
)
from optimizer.forecasting.forecast import Forecast, MetricForecast, ScalingRecommendation
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import Health, Sample
from optimizer.prices import PriceTable
from optimizer.quantities import RESOURCES, Unit, from_parts
from optimizer.statistics import FloatArray

USAGE = {"cpu": "cpu_usage", "memory": "memory_usage", "storage": "storage_usage"}
"""The metric that says which share of a resource is used."""

LEAST_HELD = timedelta(minutes=15)
"""A lease that is younger has not shown what it needs."""

MOST_PLACED = 64
"""Leases whose hosts are looked at: with 64 and 32 hosts the search has 2,048 variables."""

NOMINAL_COVERAGE = 0.8
"""What the forecast's band from its 0.1 to its 0.9 quantile promises."""


@dataclass(frozen=True)
class Observation:
    """What was seen at one moment.

    Attributes:
        sample: The latest sample.
        health: What the monitor makes of it.
        recent: The last hour in steps of five minutes, by metric.
        forecast: What is coming.
        pools: What can be leased, by resource.
        version: The monitor's version.
        leases: Every active lease.
        lease_use: What the processes of a lease use, by its id and then by resource.
        quotas: Most that a principal without a quota of its own may hold, by resource, in parts.
        levers: How an operator's command changes a resource, by resource.
        past: How past decisions did.
        remembered: The last decisions of every scope.
        durations: Seconds that steps took which were carried out before, by their action.
        elsewhere: Resources of the other machines in the store.
        unseen: Why other machines are left out, by name.
    """

    sample: Sample
    health: Health
    recent: Mapping[str, Series]
    forecast: Forecast
    pools: Mapping[str, PoolState]
    version: int
    leases: Sequence[Lease] = ()
    lease_use: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)
    levers: Mapping[str, Lever] = field(default_factory=dict)
    past: PastRecord | None = None
    remembered: tuple[Remembered, ...] = ()
    durations: Mapping[str, float] = field(default_factory=dict)
    elsewhere: tuple[ResourceState, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


def snapshot_of(seen: Observation, prices: PriceTable) -> Snapshot:
    """Put everything that a decision needs into plain values."""
    sample = seen.sample
    states = (
        _state(resource, pool, seen, prices)
        for resource, pool in seen.pools.items()
        if pool.kind != "budget" and resource in ("cpu", "memory", "storage", "network", "gpu")
    )
    return Snapshot(
        host=sample.host,
        computed_at=sample.timestamp,
        version=seen.version,
        health=seen.health.status,
        issues=seen.health.issues,
        horizon_hours=seen.forecast.forecast_horizon_hours,
        resources=tuple(states),
        elsewhere=seen.elsewhere,
        budgets=tuple(_budgets(seen, prices)),
        placed=tuple(_placed(seen)) if seen.elsewhere else (),
        workload=_workload(sample),
        track_record=_track_record(seen.forecast),
        quiet_windows=tuple(
            QuietWindow(
                start=window.start,
                end=window.end,
                description=f"CPU stays below {window.cpu_usage:.0f} % with 90 % probability",
            )
            for window in seen.forecast.quiet_windows
        ),
        past=seen.past,
        remembered=seen.remembered,
        durations=dict(seen.durations),
        unknown={**sample.unknown, **seen.unseen},
    )


def states_elsewhere(
    sample: Sample, forecast: Forecast, prices: PriceTable
) -> tuple[ResourceState, ...]:
    """What is known of another machine: its last sample, and its forecast."""
    capacities = {
        "cpu": float(sample.cpu_cores),
        "memory": float(sample.memory_bytes),
        "storage": None if sample.storage_bytes is None else float(sample.storage_bytes),
    }
    return tuple(
        _state_elsewhere(resource, capacity, sample, forecast, prices)
        for resource, capacity in capacities.items()
    )


def _state_elsewhere(
    resource: str,
    capacity: float | None,
    sample: Sample,
    forecast: Forecast,
    prices: PriceTable,
) -> ResourceState:
    metric = USAGE[resource]
    used = _part(sample.value(metric), capacity)
    outlook = _outlook(metric, capacity, forecast)
    advice = _advice(resource, forecast)
    unknown = {} if outlook else {"outlook": _no_outlook(resource, metric, forecast)}
    if capacity is None:
        unknown["capacity"] = sample.unknown.get(metric, "its samples do not say")
    return ResourceState(
        resource=resource,
        host=sample.host,
        unit=RESOURCES[resource].unit,
        capacity=capacity,
        capacity_source=f"the last sample of {sample.host}",
        used=used,
        demand=used,
        outlook=outlook,
        recommended_change=None if advice is None else _fraction(advice),
        recommended_because=None if advice is None else advice.reason,
        price=prices.price(resource),
        unknown=unknown,
    )


def _state(resource: str, pool: PoolState, seen: Observation, prices: PriceTable) -> ResourceState:
    metric = USAGE.get(resource)
    capacity = pool.total
    share = None if metric is None else seen.sample.value(metric)
    outlook = _outlook(metric, capacity, seen.forecast)
    unknown = {} if outlook else {"outlook": _no_outlook(resource, metric, seen.forecast)}
    if capacity is None:
        unknown["capacity"] = pool.unknown.get("total", "it was not found out")
    advice = _advice(resource, seen.forecast)
    hour = _last_hour(metric, seen)
    return ResourceState(
        resource=resource,
        unit=pool.unit,
        capacity=capacity,
        capacity_source=pool.source,
        used=_part(share, capacity),
        demand=_part(float(hour.mean()) if hour.size else share, capacity),
        demand_steps=hour.size,
        leased=pool.allocated,
        reserved=pool.reserved or 0.0,
        available=pool.available,
        leases=tuple(_lease_uses(resource, seen)),
        largest_holding=_largest_holding(resource, pool.unit, seen.leases),
        quota=from_parts(seen.quotas[resource], pool.unit) if resource in seen.quotas else None,
        outlook=outlook,
        recommended_change=None if advice is None else _fraction(advice),
        recommended_because=None if advice is None else advice.reason,
        price=prices.price(resource),
        charged_otherwise=prices.not_by_capacity.get(resource),
        lever=seen.levers.get(resource),
        unknown=unknown,
    )


def _lease_uses(resource: str, seen: Observation) -> Iterator[LeaseUse]:
    """Leases of a resource whose use is told apart and that have run for long enough to show it."""
    for lease in seen.leases:
        used = seen.lease_use.get(lease.allocation_id, {}).get(resource)
        if used is None or seen.sample.timestamp - lease.granted_at < LEAST_HELD:
            continue
        for grant in lease.grants:
            if grant.resource == resource:
                held = from_parts(grant.granted, grant.unit)
                yield LeaseUse(name=public_name(lease.allocation_id), held=held, used=used)


def _budgets(seen: Observation, prices: PriceTable) -> Iterator[ResourceState]:
    """Pools that are spent, as far as something limits them."""
    for resource, pool in seen.pools.items():
        if pool.kind == "budget" and pool.total is not None:
            yield _state(resource, pool, seen, prices).model_copy(
                update={"used": pool.spent, "unknown": {}}
            )


def _placed(seen: Observation) -> Iterator[PlacedLease]:
    """The newest leases with what they hold of a host's cpu and memory."""
    for lease in seen.leases[-MOST_PLACED:]:
        held: dict[str, dict[str, float]] = {}
        for grant in lease.grants:
            if grant.resource in LEASED:
                amount = from_parts(grant.granted, grant.unit)
                held.setdefault(grant.host, {})[grant.resource] = amount
        for host, amounts in held.items():
            yield PlacedLease(name=public_name(lease.allocation_id), host=host, held=amounts)


def _largest_holding(resource: str, unit: Unit, leases: Sequence[Lease]) -> float:
    """Most that the leases of one principal hold."""
    held: Counter[str] = Counter()
    for lease in leases:
        held[lease.principal] += sum(g.granted for g in lease.grants if g.resource == resource)
    return from_parts(max(held.values(), default=0), unit)


def _part(percent: float | None, capacity: float | None) -> float | None:
    return None if percent is None or capacity is None else percent / 100 * capacity


def _last_hour(metric: str | None, seen: Observation) -> FloatArray:
    """What was recorded of a metric in the last hour, in %."""
    series = seen.recent.get(metric) if metric else None
    if series is None:
        return np.empty(0)
    hour = series.values[-round(3600 / series.step.total_seconds()) :]
    return hour[np.isfinite(hour)]


def _outlook(
    metric: str | None, capacity: float | None, forecast: Forecast
) -> tuple[Quantile, ...]:
    """Of each probability the greatest value of any hour, in the resource's unit.

    The envelope lies on or above the demand of every single hour, so that a probability of running
    out that is read off it is at least that of the worst hour.
    """
    found = forecast.metrics.get(metric) if metric else None
    if found is None or capacity is None:
        return ()
    peaks = {float(name): max(values) for name, values in found.quantiles.items()}
    return tuple(
        Quantile(probability=probability, amount=peaks[probability] / 100 * capacity)
        for probability in sorted(peaks)
    )


def _no_outlook(resource: str, metric: str | None, forecast: Forecast) -> str:
    if metric is None:
        return f"use of {resource} is not forecast"
    reason = forecast.unknown.get(f"metrics.{metric}") or forecast.reason
    return reason or f"{metric} was not forecast"


def _advice(resource: str, forecast: Forecast) -> ScalingRecommendation | None:
    metric = USAGE.get(resource)
    return next((r for r in forecast.scaling_recommendations if r.metric == metric), None)


def _fraction(advice: ScalingRecommendation) -> float:
    return float(advice.target_increase.rstrip("%")) / 100


def _workload(sample: Sample) -> Workload:
    """What is known of the requests."""
    error_rate = observed_error_rate(sample.failures_hour, sample.requests_hour)
    return Workload(
        arrival_rate_per_s=sample.throughput,
        response_time_ms=sample.response_time_ms,
        error_rate=error_rate,
        requests=0 if error_rate is None else sample.requests_hour or 0,
    )


def _track_record(forecast: Forecast) -> TrackRecord | None:
    """The worse of the records of cpu and memory; None until both have one."""
    records = [_record(forecast.metrics.get(metric)) for metric in ("cpu_usage", "memory_usage")]
    known = [record for record in records if record is not None]
    if len(known) < len(records):
        return None
    return min(known, key=lambda record: record.coverage)


def _record(forecast: MetricForecast | None) -> TrackRecord | None:
    score = None if forecast is None else forecast.backtest
    if score is None or score.coverage is None:
        return None
    return TrackRecord(nominal=NOMINAL_COVERAGE, coverage=score.coverage, observations=score.n)
