"""Past runs of commands, on every store."""

from dataclasses import replace
from datetime import UTC, datetime

from optimizer.enforcement.usual import PastRun
from optimizer.store.engine import Database
from optimizer.store.runs import RUNS_KEPT, RunStore

RUN = PastRun(
    command="make test",
    directory="/work/a",
    ended_at=datetime(2026, 11, 25, 12, tzinfo=UTC),
    wall_s=10.0,
    cpu_s=5.5,
    peak_bytes=5 * 2**30,
    exit_code=-9,
)


async def test_a_run_comes_back_as_it_was(database: Database) -> None:
    runs = RunStore(database)
    await runs.record(RUN, principal="uid:1")

    assert await runs.past("make test", directory="/work/a", principal="uid:1", limit=5) == (RUN,)
    assert await runs.past("make test", directory="/work/a", principal="uid:2", limit=5) == ()
    assert await runs.past("make", directory="/work/a", principal="uid:1", limit=5) == ()


async def test_runs_in_the_same_directory_come_before_those_elsewhere(database: Database) -> None:
    runs = RunStore(database)
    for peak in (1, 2, 3):
        await runs.record(replace(RUN, peak_bytes=peak), principal="uid:1")
    await runs.record(replace(RUN, peak_bytes=9, directory="/work/b"), principal="uid:1")

    async def peaks(directory: str) -> list[int]:
        found = await runs.past("make test", directory=directory, principal="uid:1", limit=2)
        return [run.peak_bytes for run in found]

    assert await peaks("/work/a") == [3, 2]
    assert await peaks("/work/b") == [9]
    assert await peaks("/work/new") == [9, 3]


async def test_old_runs_are_dropped(database: Database) -> None:
    runs = RunStore(database)
    for number in range(RUNS_KEPT + 5):
        await runs.record(replace(RUN, exit_code=number), principal="uid:1")
    kept = await runs.past("make test", directory="/work/a", principal="uid:1", limit=1000)

    assert [run.exit_code for run in kept] == [*range(RUNS_KEPT + 4, 4, -1)]
