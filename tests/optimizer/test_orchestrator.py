import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.errors import ConfigurationError, InvalidRequestError, LeaseRefusedError
from optimizer.identity import Principal
from optimizer.monitoring.sample import DEFAULT_THRESHOLDS
from optimizer.operations.history import DecisionRequest
from optimizer.operations.list_allocations import ListAllocationsRequest
from optimizer.store.engine import Database
from optimizer.store.samples import StoredSamples
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings


@dataclass
class SteppingClock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


def make(folder: Path, **config: object) -> SequentialResourceOptimizer:
    settings = load_settings(
        environment={"DATA_DIR": str(folder)}, optimization_config=config or None
    )
    return SequentialResourceOptimizer(settings=settings)


@pytest.fixture
async def sro(tmp_path: Path) -> AsyncIterator[SequentialResourceOptimizer]:
    async with make(tmp_path) as optimizer:
        yield optimizer


def test_metrics_come_before_monitoring_and_outside_an_event_loop(tmp_path: Path) -> None:
    metrics = make(tmp_path).performance_monitor.get_current_metrics()

    assert 0 <= metrics.cpu_usage <= 100
    assert 0 < metrics.memory_usage < 100
    assert not list(tmp_path.iterdir())


def test_one_optimizer_serves_one_event_loop_after_another(tmp_path: Path) -> None:
    optimizer = make(tmp_path)

    async def decide() -> str:
        await optimizer.start_performance_monitoring()
        decision = await optimizer.optimize_resources({"scope": "task_level"})
        await optimizer.stop_performance_monitoring()
        return decision.decision_id

    first, second = asyncio.run(decide()), asyncio.run(decide())

    assert [decision.decision_id for decision in optimizer.optimization_history] == [first, second]


async def test_entered_twice_it_runs_until_the_last_exit(tmp_path: Path) -> None:
    optimizer = make(tmp_path)

    async with optimizer:
        async with optimizer:
            pass
        assert optimizer.performance_monitor.is_running
    assert not optimizer.performance_monitor.is_running


async def test_decisions_and_leases_survive_a_restart(tmp_path: Path) -> None:
    async with make(tmp_path) as before:
        decision = await before.optimize_resources()
        lease = await before.allocate({"resources": {"memory": "64 MiB"}})

    async with make(tmp_path) as after:
        kept = await after.get_decision(DecisionRequest(decision_id=decision.decision_id))
        held = await after.list_allocations(ListAllocationsRequest(whose="mine"))

    assert kept == decision
    assert [one.allocation_id for one in held.allocations] == [lease.allocation_id]


async def test_a_lease_is_held_inside_its_block_and_given_back_when_the_block_fails(
    sro: SequentialResourceOptimizer,
) -> None:
    async def fail_inside() -> None:
        async with sro.lease(memory="64 MiB", ttl_s=600) as lease:
            assert lease.granted == {"memory": 64 * 2**20}
            assert (await sro.list_allocations()).total == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_inside()

    assert (await sro.list_allocations()).total == 0


async def test_a_block_that_gets_no_lease_does_not_run(sro: SequentialResourceOptimizer) -> None:
    with pytest.raises(LeaseRefusedError, match="cpu"):
        async with sro.lease(cpu="100000 cores"):
            pytest.fail("the block ran")


async def test_what_is_free_is_known_as_soon_as_it_runs_and_without_monitoring_too(
    tmp_path: Path,
) -> None:
    async with make(tmp_path) as running:
        at_once = (await running.list_allocations()).pools["memory"]
    unmonitored = make(tmp_path)
    on_demand = (await unmonitored.list_allocations()).pools["memory"]
    await unmonitored.stop_performance_monitoring()

    for pool in (at_once, on_demand):
        assert pool.unmanaged > 0
        assert pool.total is not None
        assert pool.available is not None
        assert pool.available <= pool.total - pool.unmanaged


async def test_what_is_used_beyond_leases_cannot_be_leased(
    sro: SequentialResourceOptimizer,
) -> None:
    await sro.performance_monitor.sample_once()

    pools = await sro.resource_allocator.utilization()

    sample = sro.performance_monitor.get_current_metrics()
    assert sample is not None
    assert pools["memory"].unmanaged == sample.memory_used_bytes
    assert pools["memory"].available is not None
    assert pools["memory"].available <= sample.memory_bytes - sample.memory_used_bytes


async def test_another_principal_sees_the_lease_without_its_id(
    sro: SequentialResourceOptimizer,
) -> None:
    await sro.allocate({"resources": {"memory": "64 MiB"}, "purpose": "secret plan"})
    other = Principal(name="uid:4242")

    seen = await sro.list_allocations(ListAllocationsRequest(whose="all"), principal=other)

    assert seen.total == 1
    assert seen.allocations[0].allocation_id is None
    assert "secret plan" not in seen.model_dump_json()


async def test_a_bad_request_as_a_dictionary_is_named(sro: SequentialResourceOptimizer) -> None:
    with pytest.raises(InvalidRequestError, match="scope"):
        await sro.optimize_resources({"scope": "galaxy_level"})
    with pytest.raises(InvalidRequestError, match="did you mean max_cost"):
        await sro.optimize_resources({"constraints": {"maxcost": 1.0}})


async def test_thinking_is_written_down_and_can_be_turned_off(
    sro: SequentialResourceOptimizer,
) -> None:
    thought = await sro.optimize_resources({}, use_sequential_thinking=True)
    computed = await sro.optimize_resources({}, use_sequential_thinking=False)

    assert thought.reasoning.path == "scratchpad+solver"
    assert thought.reasoning.scratchpad == "embedded"
    assert len(thought.reasoning.thoughts) >= 5
    assert computed.reasoning.path == "solver_only:off"
    assert thought.reasoning.thoughts[-1].text.startswith(f"{thought.candidate_id} stands")


async def test_monitoring_interval_of_optimization_config_sets_the_beat(tmp_path: Path) -> None:
    optimizer = make(tmp_path, monitoring_interval=0.25)

    assert optimizer.performance_monitor.interval == timedelta(seconds=0.25)


@pytest.mark.parametrize(("retention_s", "kept"), [(3600, False), (86400, True)])
async def test_history_retention_of_optimization_config_bounds_the_single_samples(
    tmp_path: Path, retention_s: int, kept: bool
) -> None:
    clock = SteppingClock(datetime(2026, 3, 2, 10, 30, tzinfo=UTC))
    folder = load_settings(
        environment={"DATA_DIR": str(tmp_path)},
        optimization_config={"history_retention": retention_s, "monitoring_interval": 3600},
    )
    optimizer = SequentialResourceOptimizer(settings=folder, clock=clock)
    async with optimizer:
        for _ in range(4):
            await optimizer.performance_monitor.sample_once()
            clock.now += timedelta(hours=1)
    database = Database(optimizer.settings.store_url)
    keeper = StoredSamples(database, retention=timedelta(days=1), interval=timedelta(hours=1))
    stored = await keeper.load(optimizer.performance_monitor.host, now=clock.now)
    await database.close()

    hours_ago = [round((clock.now.timestamp() - at) / 3600) for at in stored.times_s]
    assert 1 in hours_ago
    assert (4 in hours_ago) is kept


async def test_alert_thresholds_of_optimization_config_raise_an_issue(tmp_path: Path) -> None:
    async with make(tmp_path, alert_thresholds={"memory_usage": 0.01}) as optimizer:
        await optimizer.performance_monitor.sample_once()
        health = await optimizer.get_health()

    assert health.status == "critical"
    assert "high_memory_usage" in health.issues


async def test_an_alert_threshold_may_be_set_for_any_stored_metric(tmp_path: Path) -> None:
    thresholds = {"load_15m": {"critical": 1e9}, "reliability_score": 0.85}
    optimizer = make(tmp_path, alert_thresholds=thresholds)

    assert optimizer.performance_monitor.thresholds["load_15m"].critical == 1e9
    assert optimizer.performance_monitor.thresholds["reliability_score"].direction == "below"
    with pytest.raises(ConfigurationError, match="memory_usage"):
        make(tmp_path, alert_thresholds={"memory": 90})


async def test_the_default_strategy_is_used_when_none_is_asked_for(tmp_path: Path) -> None:
    config = {
        "optimization_strategies": {"default": "cost_minimization"},
        "alert_thresholds": dict.fromkeys(DEFAULT_THRESHOLDS, 1e12),
    }
    async with make(tmp_path, **config) as optimizer:
        unasked = await optimizer.optimize_resources({})
        asked = await optimizer.optimize_resources({"primary_objective": "balanced_optimization"})

    assert unasked.strategy == "cost_minimization"
    assert "optimization_strategies.default" in unasked.objective_because
    assert asked.strategy == "balanced_optimization"


async def test_the_emergency_strategy_is_used_while_health_is_critical_and_said(
    tmp_path: Path,
) -> None:
    config = {
        "alert_thresholds": {"memory_usage": 0.01},
        "optimization_strategies": {"emergency": "performance_maximization"},
    }
    async with make(tmp_path, **config) as optimizer:
        await optimizer.performance_monitor.sample_once()
        decision = await optimizer.optimize_resources({})

    assert decision.strategy == "performance_maximization"
    assert "critical" in decision.objective_because


async def test_default_and_cost_conscious_are_configured_and_emergency_is_an_objective(
    tmp_path: Path,
) -> None:
    strategies = {
        "default": "performance_maximization",
        "emergency": "balanced_optimization",
        "cost_conscious": "reliability_optimization",
    }
    async with make(tmp_path, optimization_strategies=strategies) as optimizer:
        for name, meant in (strategies | {"emergency": "emergency"}).items():
            decision = await optimizer.optimize_resources({"primary_objective": name})
            assert decision.strategy == meant


def test_a_strategy_or_model_that_does_not_exist_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no objective 'cheapest'"):
        make(tmp_path, optimization_strategies={"default": "cheapest"})
    with pytest.raises(ConfigurationError, match="no model 'oracle'"):
        make(tmp_path, forecasting={"models": ["oracle"]})


async def test_the_default_horizon_is_the_configured_one(tmp_path: Path) -> None:
    async with make(tmp_path, forecasting={"default_horizon_hours": 6}) as optimizer:
        forecast = await optimizer.forecast_workload()

    assert forecast.forecast_horizon_hours == 6


async def test_only_the_configured_models_are_computed(tmp_path: Path) -> None:
    models = ["linear_trend", "seasonal_patterns"]
    async with make(tmp_path, forecasting={"models": models}) as optimizer:
        await optimizer.import_history(hours_of_history(100))
        forecast = await optimizer.forecast_workload()

    assert sorted(forecast.model_forecasts) == models


def hours_of_history(hours: int) -> list[str]:
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [
        f"{(end - timedelta(hours=hours - i)).isoformat()},{20 + i % 24},{40 + i % 7}"
        for i in range(hours)
    ]
    return ["timestamp,cpu_usage,memory_usage", *rows]


async def test_a_damaged_database_is_told_in_the_health(tmp_path: Path) -> None:
    async with make(tmp_path) as before:
        await before.performance_monitor.sample_once()
    database = tmp_path / "sro.db"
    database.write_bytes(b"no database" * 1000)

    async with make(tmp_path) as after:
        health = await after.get_health()

    assert "store_set_aside" in health.warnings
    assert "damaged-" in health.details["store_set_aside"]
