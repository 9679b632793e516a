"""One notion of reliability: health shows what a decision computes for changing nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from optimizer.decisions.levels import Rules
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.risk import error_bounds
from optimizer.decisions.snapshot import ResourceState, Snapshot, Workload
from optimizer.errors import StorageError
from optimizer.events import SampleTaken
from optimizer.monitoring.sample import Reliability
from optimizer.operations.outlook import Outlook
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings
from tests.optimizer.decisions.conftest import CAPACITY, outlook

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def state(resource: str, share: float | None) -> ResourceState:
    capacity = CAPACITY[resource]
    return ResourceState(
        resource=resource,
        unit="core" if resource == "cpu" else "byte",
        capacity=capacity,
        capacity_source="test",
        outlook=() if share is None else outlook(share * capacity, 0.05 * capacity),
        unknown={"outlook": "0 hours of history recorded"} if share is None else {},
    )


def snapshot(*, memory: float | None = 0.7, workload: Workload | None = None) -> Snapshot:
    return Snapshot(
        host="box",
        computed_at=NOON,
        version=1,
        health="healthy",
        horizon_hours=24,
        resources=(state("cpu", 0.9), state("memory", memory)),
        workload=workload or Workload(),
    )


def looking_at(seen: Snapshot) -> Outlook:
    async def look() -> Snapshot:
        return seen

    return Outlook(look)


async def test_it_is_the_reliability_that_a_decision_gives_to_changing_nothing() -> None:
    workload = Workload(error_rate=0.02, requests=400)
    seen = snapshot(workload=workload)
    future = looking_at(seen)

    await future.refresh()

    front = build_front(seen, "system_level", rules=Rules(), max_increase=None)
    assert front.today.reliability is not None
    found = future.reliability(8, 400)
    assert isinstance(found, Reliability)
    assert found.at_least == front.today.reliability
    assert found.at_least < 1 - error_bounds(0.02, 400)[1]
    assert found.at_least < found.seen < 0.98


async def test_twenty_good_answers_are_told_as_what_was_seen_and_as_what_they_show() -> None:
    future = looking_at(snapshot())
    await future.refresh()

    few, some, many = (future.reliability(0, requests) for requests in (19, 20, 1000))

    assert isinstance(few, Reliability)
    assert isinstance(some, Reliability)
    assert isinstance(many, Reliability)
    assert some.at_least == pytest.approx(0.84 * some.seen, rel=0.01)
    assert many.at_least == pytest.approx(some.seen, rel=0.01)
    assert few.seen == some.seen == many.seen
    assert "0 of 20 requests of the last hour failed, from which at most 16.1 % fail" in some.basis
    assert "19 requests in the last hour are too few" in few.basis


async def test_without_a_forecast_the_reason_is_said() -> None:
    future = looking_at(snapshot(memory=None))
    before = future.reliability(0, 0)

    await future.refresh()

    assert before == (
        "no forecast was looked at yet: while monitoring runs that is done every 5 minutes until "
        "there is one, then once an hour"
    )
    assert future.reliability(0, 0) == "0 hours of history recorded"


async def test_a_forecast_that_is_gone_takes_what_was_known_with_it() -> None:
    seen: list[Snapshot | str] = [snapshot(), "0.1 hours of history recorded"]

    async def look() -> Snapshot | str:
        return seen.pop(0)

    future = Outlook(look)
    await future.refresh()
    before = future.reliability(0, 20)
    await future.refresh()

    assert isinstance(before, Reliability)
    assert future.reliability(0, 20) == "0.1 hours of history recorded"


async def test_it_looks_once_an_hour_and_again_after_it_failed() -> None:
    looks: list[int] = []

    async def look() -> Snapshot:
        looks.append(len(looks))
        if len(looks) == 1:
            raise StorageError("cannot read the store (disk I/O error)")
        return snapshot()

    future = Outlook(look)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(future.run)
        for minutes in (0, 1, 2, 30, 60, 61):
            future.hear(SampleTaken(NOON + timedelta(minutes=minutes)))
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert looks == [0, 1, 2]
    assert isinstance(future.reliability(0, 0), Reliability)


async def test_until_there_is_a_forecast_it_looks_every_five_minutes() -> None:
    looks: list[None] = []

    async def look() -> Snapshot:
        looks.append(None)
        return snapshot(memory=None if len(looks) < 3 else 0.7)

    future = Outlook(look)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(future.run)
        for minutes in (0, 4, 5, 9, 10, 15, 55, 60):
            future.hear(SampleTaken(NOON + timedelta(minutes=minutes)))
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert len(looks) == 5


@pytest.fixture
async def sro(tmp_path: Path) -> AsyncIterator[SequentialResourceOptimizer]:
    settings = load_settings(environment={"DATA_DIR": str(tmp_path), "MONITORING_INTERVAL": "3600"})
    async with SequentialResourceOptimizer(settings=settings) as optimizer:
        yield optimizer


def three_days() -> list[str]:
    start = datetime.now(UTC) - timedelta(days=3)
    rows = ["timestamp,cpu_usage,memory_usage"]
    for step in range(3 * 24 * 12):
        at = start + step * timedelta(minutes=5)
        rows.append(f"{at.isoformat()},{30 + step % 7},{50 + step % 5}")
    return rows


async def test_health_and_a_decision_agree_about_this_machine(
    sro: SequentialResourceOptimizer,
) -> None:
    await sro.import_history(three_days())

    await sro._rooms.outlook.refresh()
    await sro.performance_monitor.sample_once()

    before = await sro.get_health()
    decision = await sro.optimize_resources(
        {"primary_objective": "reliability_optimization", "constraints": {"max_cost": 0.0}}
    )
    after = await sro.get_health()
    unchanged = next(point for point in decision.pareto if point.id == "no_change")
    assert unchanged.reliability in (before.reliability_score, after.reliability_score)
