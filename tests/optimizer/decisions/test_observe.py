from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optimizer.allocation.pool import PoolState
from optimizer.decisions.observe import Observation, snapshot_of
from optimizer.forecasting.forecast import BacktestScore, Forecast, MetricForecast
from optimizer.forecasting.forecast import ScalingRecommendation as Advice
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import Health, Sample
from optimizer.prices import FARGATE
from optimizer.quantities import RESOURCES

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def metric(name: str, *, coverage: float | None = 0.7) -> MetricForecast:
    """Two hours whose quantiles cross."""
    return MetricForecast(
        metric=name,
        unit="%",
        maximum=100.0,
        model="ml_hybrid",
        step_s=3600,
        origin=NOON,
        last=50.0,
        mean=(50.0, 40.0),
        quantiles={"0.1": (45.0, 10.0), "0.5": (50.0, 40.0), "0.9": (55.0, 70.0), "0.95": (56, 80)},
        confidence=(0.9, 0.5),
        backtest=BacktestScore(skill=0.3, error=3.0, naive_error=4.0, coverage=coverage, n=200),
        weights={},
    )


def forecast(*metrics: MetricForecast, advice: tuple[Advice, ...] = ()) -> Forecast:
    return Forecast(
        forecast_available=bool(metrics),
        reason=None if metrics else "2 hours recorded, 3 needed",
        have_hours=240.0,
        need_hours=3.0,
        forecast_horizon_hours=24,
        generated_at=NOON,
        metrics={m.metric: m for m in metrics},
        scaling_recommendations=advice,
    )


def pool(resource: str, total: float | None, allocated: float = 0.0) -> PoolState:
    return PoolState(
        resource=resource,
        host="box",
        unit=RESOURCES[resource].unit,
        kind=RESOURCES[resource].kind,
        total=total,
        allocated=allocated,
        spent=None,
        unmanaged=0.0,
        reserved=None if total is None else 0.0,
        available=None if total is None else total - allocated,
        summary="",
        source="cgroup v2",
        unknown={} if total is not None else {"total": "the kernel does not say"},
    )


def observation(outlook: Forecast, recent: dict[str, Series] | None = None) -> Observation:
    pools = {
        "cpu": pool("cpu", 8.0, allocated=2.0),
        "memory": pool("memory", 1000.0),
        "network": pool("network", None),
        "mcp_tokens": pool("mcp_tokens", None),
    }
    sample = Sample(
        host="box",
        timestamp=NOON,
        cpu_usage=25.0,
        memory_usage=50.0,
        cpu_cores=8,
        memory_bytes=1000,
        memory_used_bytes=500,
        error_rate=0.01,
        throughput=2.0,
        requests=412,
        failures_hour=30,
        requests_hour=3000,
        response_time_ms=12.0,
    )
    health = Health(
        status="healthy",
        host="box",
        cpu_usage=25.0,
        memory_usage=50.0,
        reliability_score=None,
        issues=(),
        warnings=(),
        sampled_at=NOON,
        computed_at=NOON,
    )
    return Observation(sample, health, recent or {}, outlook, pools, version=3)


def test_shares_become_amounts_with_their_source() -> None:
    snapshot = snapshot_of(observation(forecast()), FARGATE)

    cpu = snapshot.state("cpu")
    assert cpu is not None
    assert (cpu.used, cpu.leased, cpu.available) == (2.0, 2.0, 6.0)
    assert cpu.capacity_source == "cgroup v2"
    assert cpu.price == FARGATE.price("cpu")


def test_the_outlook_is_the_envelope_of_all_hours() -> None:
    snapshot = snapshot_of(
        observation(forecast(metric("cpu_usage"), metric("memory_usage"))), FARGATE
    )

    memory = snapshot.state("memory")
    assert memory is not None
    assert [(q.probability, q.amount) for q in memory.outlook] == [
        (0.1, 450.0),
        (0.5, 500.0),
        (0.9, 700.0),
        (0.95, 800.0),
    ]


def test_without_a_forecast_its_reason_is_kept() -> None:
    snapshot = snapshot_of(observation(forecast()), FARGATE)

    memory = snapshot.state("memory")
    assert memory is not None
    assert memory.outlook == ()
    assert memory.unknown["outlook"] == "2 hours recorded, 3 needed"


def test_an_unknown_capacity_is_null_with_its_reason_and_budgets_are_no_capacity() -> None:
    snapshot = snapshot_of(observation(forecast()), FARGATE)

    network = snapshot.state("network")
    assert network is not None
    assert network.capacity is None
    assert network.unknown["capacity"] == "the kernel does not say"
    assert snapshot.state("mcp_tokens") is None


def test_demand_is_the_mean_of_the_last_hour_where_it_was_recorded() -> None:
    values = np.concatenate([np.full(12, 90.0), np.full(9, 30.0), np.full(3, np.nan)])
    recent = {"cpu_usage": Series("cpu_usage", values, timedelta(minutes=5), NOON)}

    snapshot = snapshot_of(observation(forecast(), recent), FARGATE)

    cpu, memory = snapshot.state("cpu"), snapshot.state("memory")
    assert cpu is not None
    assert memory is not None
    assert cpu.demand == pytest.approx(2.4)
    assert memory.demand == memory.used


def test_the_forecasts_recommendation_becomes_a_fraction() -> None:
    advice = Advice(
        type="reduce_memory_resources",
        priority="low",
        target_increase="-25%",
        reason="stays below 50 %",
        metric="memory_usage",
        probability=0.0,
        target_probability=0.05,
        needed_by=None,
    )

    snapshot = snapshot_of(observation(forecast(advice=(advice,))), FARGATE)

    memory, cpu = snapshot.state("memory"), snapshot.state("cpu")
    assert memory is not None
    assert cpu is not None
    assert memory.recommended_change == -0.25
    assert cpu.recommended_change is None


def test_the_track_record_is_the_worse_of_both_and_none_until_both_have_one() -> None:
    both = forecast(metric("cpu_usage", coverage=0.9), metric("memory_usage", coverage=0.6))
    one = forecast(metric("cpu_usage"), metric("memory_usage", coverage=None))

    record = snapshot_of(observation(both), FARGATE).track_record

    assert record is not None
    assert record.coverage == 0.6
    assert snapshot_of(observation(one), FARGATE).track_record is None


def test_the_error_rate_is_of_the_last_hour_and_weighs_as_many_requests() -> None:
    workload = snapshot_of(observation(forecast()), FARGATE).workload

    assert (workload.error_rate, workload.requests) == (0.01, 3000)
    assert workload.service_time_s is None
