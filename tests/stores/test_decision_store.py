from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection

from optimizer.decisions.answer import answer
from optimizer.decisions.decision import Inputs, Record
from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.pareto_front import build_front
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import ResourceState, Snapshot
from optimizer.decisions.solve import solve
from optimizer.decisions.strategy import Meant
from optimizer.errors import StorageError
from optimizer.store.decisions import DecisionStore
from optimizer.store.engine import MEMORY_URL, Database, ResultT
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


class CountingDatabase(Database):
    """Counts what is written."""

    writes = 0

    async def write(
        self, change: Callable[[Connection], ResultT], *, durable: bool = True
    ) -> ResultT:
        self.writes += 1
        return await super().write(change, durable=durable)


async def test_decisions_that_come_at_once_are_written_together_and_all_kept(
    tmp_path: Path,
) -> None:
    database = CountingDatabase(f"sqlite:///{tmp_path / 'store.db'}")
    store = DecisionStore(database)

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(store.save, record(f"opt-{number}"))

    assert {past.decision_id for past in await store.recent(50)} == {f"opt-{n}" for n in range(40)}
    assert database.writes == 1
    await database.close()


async def test_every_decision_of_a_batch_hears_that_it_was_not_kept(database: Database) -> None:
    store, heard = DecisionStore(database), list[str]()
    await store.save(record("opt-1"))

    async def save(name: str) -> None:
        try:
            await store.save(record(name))
        except StorageError:
            heard.append(name)

    async with anyio.create_task_group() as tasks:
        for name in ("opt-2", "opt-1", "opt-3"):
            tasks.start_soon(save, name)

    assert [past.decision_id for past in await store.recent(9)] == ["opt-1"]
    assert set(heard) == {"opt-1", "opt-2", "opt-3"}


async def test_a_decision_is_kept_whose_asker_gave_up_while_others_waited_with_it(
    database: Database,
) -> None:
    store = DecisionStore(database)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.save, record("opt-1"))
        async with anyio.create_task_group() as asker:
            asker.start_soon(store.save, record("opt-2"))
            tasks.start_soon(store.save, record("opt-3"))
            await anyio.lowlevel.checkpoint()
            asker.cancel_scope.cancel()

    assert {past.decision_id for past in await store.recent(9)} == {"opt-1", "opt-2", "opt-3"}
