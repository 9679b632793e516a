from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from optimizer.catalog.outcomes import CallOutcome, OutcomeClass
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.store.outcomes import ROWS_KEPT_PER_MCP, OutcomeKeeper

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def keeper() -> AsyncIterator[OutcomeKeeper]:
    database = Database(MEMORY_URL)
    yield OutcomeKeeper(database)
    await database.close()


def call(mcp: str = "time", outcome: OutcomeClass = "ok", latency_ms: float = 5.0) -> CallOutcome:
    return CallOutcome(mcp=mcp, tool="now", outcome=outcome, latency_ms=latency_ms, at=NOON)


async def test_recorded_calls_come_back_newest_first(keeper: OutcomeKeeper) -> None:
    first, second = call(latency_ms=1), call(outcome="timeout", latency_ms=2)

    await keeper.record([first, second], witness="tap", principal="local")

    assert await keeper.calls("time") == [second, first]


async def test_a_record_tells_how_many_calls_are_kept(keeper: OutcomeKeeper) -> None:
    await keeper.record([call()], witness="tap", principal="local")

    totals = await keeper.record([call(), call("git")], witness="tap", principal="local")

    assert totals == {"git": 1, "time": 2}


async def test_measurements_cover_the_servers_that_have_calls(keeper: OutcomeKeeper) -> None:
    await keeper.record([call(), call("git", "timeout")], witness="tap", principal="local")

    measured = await keeper.measured(["time", "git", "fetch"], now=NOON)

    assert set(measured) == {"time", "git"}
    assert measured["time"].successes == pytest.approx(1)
    assert measured["git"].failures == pytest.approx(1)


async def test_a_new_call_changes_the_summary_at_once(keeper: OutcomeKeeper) -> None:
    await keeper.record([call()], witness="tap", principal="local")
    before = await keeper.measured(["time"], now=NOON)
    await keeper.record([call(outcome="transport")], witness="tap", principal="local")
    after = await keeper.measured(["time"], now=NOON)

    assert before["time"].failures == 0
    assert after["time"].failures == pytest.approx(1)


async def test_measurements_fade_with_time(keeper: OutcomeKeeper) -> None:
    await keeper.record([call()], witness="tap", principal="local")

    measured = await keeper.measured(["time"], now=NOON + timedelta(days=30))

    assert measured["time"].successes == pytest.approx(0.5)


async def test_old_calls_are_dropped_server_by_server(keeper: OutcomeKeeper) -> None:
    await keeper.record([call("git")], witness="tap", principal="local")
    totals = await keeper.record(
        [call()] * (ROWS_KEPT_PER_MCP + 7), witness="tap", principal="local"
    )

    assert totals == {"time": ROWS_KEPT_PER_MCP}
    assert len(await keeper.calls("git")) == 1


async def test_recording_nothing_does_nothing(keeper: OutcomeKeeper) -> None:
    assert await keeper.record([], witness="tap", principal="local") == {}
