from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from optimizer.decisions.answer import answer
from optimizer.decisions.decision import Inputs, Record
from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import ResourceState, Snapshot
from optimizer.decisions.solve import solve
from optimizer.decisions.strategy import Meant
from optimizer.store.decisions import DecisionStore
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.thinking.question import Reasoning

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = Database(MEMORY_URL)
    yield database
    await database.close()


def record(name: str, *, at: datetime = NOON) -> Record:
    snapshot = Snapshot(
        host="box",
        computed_at=NOON,
        version=1,
        health="healthy",
        horizon_hours=24,
        resources=(
            ResourceState(
                resource="cpu",
                unit="core",
                capacity=0.1 + 0.2,
                capacity_source="test",
                used=0.1,
                demand=0.1,
            ),
        ),
    )
    request = OptimizationRequest()
    objective = BUILT_IN[0]
    front = build_front(snapshot, "system_level", rules=Rules(), max_increase=None)
    solution = solve(front, request, objective)
    inputs = Inputs(
        snapshot=snapshot,
        request=request,
        objective=objective.name,
        rules=Rules(),
    )
    decision = answer(
        solution,
        solution.best,
        Reasoning(path="solver_only:off", scratchpad="none", ms=0.0),
        decision_id=name,
        meant=Meant(objective.name, "asked for"),
        focus=None,
        inputs=inputs,
        created_at=at,
    )
    return Record(decision=decision, inputs=inputs)


async def test_a_kept_decision_comes_back_bit_for_bit_with_its_inputs(database: Database) -> None:
    store, kept = DecisionStore(database), record("opt-1")

    await store.save(kept)

    found = await store.find("opt-1")
    assert found == kept
    assert found is not None
    assert found.model_dump_json() == kept.model_dump_json()


async def test_decisions_are_listed_newest_first(database: Database) -> None:
    store = DecisionStore(database)
    for number in range(3):
        await store.save(record(f"opt-{number}", at=NOON + timedelta(seconds=number)))

    listed = await store.recent(2)

    assert [decision.decision_id for decision in listed] == ["opt-2", "opt-1"]
    assert await store.count() == 3


async def test_of_one_moment_the_later_saved_comes_first(database: Database) -> None:
    store = DecisionStore(database)
    for number in range(3):
        await store.save(record(f"opt-{number}"))

    assert [d.decision_id for d in await store.recent(3)] == ["opt-2", "opt-1", "opt-0"]


async def test_the_oldest_are_dropped_beyond_what_is_kept(database: Database) -> None:
    store = DecisionStore(database, keep=2)
    for number in range(4):
        await store.save(record(f"opt-{number}", at=NOON + timedelta(seconds=number)))

    assert await store.count() == 2
    assert await store.find("opt-0") is None
    assert await store.find("opt-3") is not None


async def test_what_was_never_kept_is_not_found(database: Database) -> None:
    assert await DecisionStore(database).find("opt-x") is None


async def test_what_decisions_started_from_is_answered_once_an_hour_newest_first(
    database: Database,
) -> None:
    store = DecisionStore(database)
    for minutes in (0, 10, 70, 140):
        await store.save(record(f"opt-{minutes}", at=NOON + timedelta(minutes=minutes)))

    assert len(await store.starts(NOON + timedelta(hours=3), most=10)) == 3
    assert len(await store.starts(NOON + timedelta(hours=1), most=10)) == 1
    assert len(await store.starts(NOON + timedelta(hours=3), most=2)) == 2
    assert await store.starts(NOON, most=10) == ()
