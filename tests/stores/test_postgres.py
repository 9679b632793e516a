"""What only PostgreSQL has: a server that several processes and machines share."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, text

from optimizer.allocation.ledger import Admitted
from optimizer.clock import utc_now
from optimizer.errors import StorageError
from optimizer.store import store_clock
from optimizer.store.engine import Database
from optimizer.store.ledger import LedgerKeeper
from tests.postgres import Cluster
from tests.stores.test_ledger import draft, open_desk, pools

PROCESSES = 2
ALLOCATES = 1000
"""In each process: two processes and 2,000 allocates in all."""

PROCESS = f"""
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
import anyio
from tests.stores.test_ledger import draft, open_desk, pools
from optimizer.allocation.ledger import Admitted
from optimizer.store.engine import Database

async def main(url):
    database = Database(url)
    desk = open_desk(database, lambda: datetime.now(UTC), pools(40))
    held = []

    async def take(number):
        outcome = await desk.take(draft(parts=1 + number % 3))
        if isinstance(outcome, Admitted):
            held.append(outcome.lease)
        if held and number % 2:
            await desk.keeper.release(held.pop(0).allocation_id, "alice", {{}})

    for start in range(0, {ALLOCATES}, 20):
        async with anyio.create_task_group() as tasks:
            for number in range(start, start + 20):
                tasks.start_soon(take, number)
    await database.close()
    print(sum(lease.grants[0].granted for lease in held))

anyio.run(main, sys.argv[1])
"""


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.new_url()


def test_two_processes_and_two_thousand_allocates_never_over_commit(url: str) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, url],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    answers = [process.communicate(timeout=600) for process in running]

    assert [process.returncode for process in running] == [0] * PROCESSES, answers
    counted, highest, holds = anyio.run(_looked_up, url)
    assert sum(int(out) for out, _ in answers) == counted
    assert 0 < highest <= 40
    assert holds


async def _looked_up(url: str) -> tuple[int, int, bool]:
    """Slots that are leased, the most that ever were by the log, and whether the audit holds."""
    database = Database(url)
    keeper = LedgerKeeper(database, pools(40), clock=lambda: datetime.now(UTC))
    audit = {pool.resource: pool for pool in await keeper.audit()}
    highest = await database.read(
        lambda connection: connection.scalar(
            text(
                "SELECT max(held) FROM (SELECT sum(leased) OVER (ORDER BY seq) AS held"
                " FROM grant_log WHERE resource = 'browser') AS line"
            )
        )
    )
    await database.close()
    return audit["browser"].counted, int(highest), all(pool.holds for pool in audit.values())


async def test_processes_that_start_together_migrate_once(url: str) -> None:
    stores = [Database(url) for _ in range(4)]

    await asyncio.gather(*(store.open() for store in stores))

    versions = await stores[0].read(
        lambda connection: list(
            connection.scalars(text("SELECT version FROM schema_version ORDER BY 1"))
        )
    )
    assert versions == list(range(1, len(versions) + 1))
    for store in stores:
        await store.close()


async def test_a_transaction_that_loses_against_another_is_run_again(url: str) -> None:
    one, other = Database(url), Database(url)
    await one.write(
        lambda connection: connection.execute(text("CREATE TABLE t (id int, n int)")) and None
    )
    await one.write(
        lambda connection: connection.execute(text("INSERT INTO t VALUES (1, 0), (2, 0)")) and None
    )
    runs: list[int] = []

    def add(first: int, second: int) -> Callable[[Connection], None]:
        def change(connection: Connection) -> None:
            runs.append(first)
            increment = text("UPDATE t SET n = n + 1 WHERE id = :id")
            connection.execute(increment, {"id": first})
            if runs.count(first) == 1:
                meet(connection, first)
            connection.execute(increment, {"id": second})

        return change

    def meet(connection: Connection, number: int) -> None:
        """Go on when each of the two holds its first row, so that they need each other's."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": number})
        present = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid IN (1, 2)"
        )
        while connection.scalar(present) != 2:
            connection.execute(text("SELECT pg_sleep(0.01)"))

    await asyncio.gather(one.write(add(1, 2)), other.write(add(2, 1)))

    found = await one.read(
        lambda connection: list(connection.scalars(text("SELECT n FROM t ORDER BY id")))
    )
    assert found == [2, 2]
    assert len(runs) > 2
    await one.close()
    await other.close()


async def test_a_name_is_claimed_by_one_and_passes_on_when_that_one_is_gone(url: str) -> None:
    one, other = Database(url), Database(url)

    assert await one.claim("sampler of here")
    assert await one.claim("sampler of here")
    assert not await other.claim("sampler of here")
    assert await other.claim("sampler of there")
    await one.close()

    assert await other.claim("sampler of here")
    await other.close()


async def test_a_claim_is_lost_with_its_connection_and_noticed(url: str, cluster: Cluster) -> None:
    one, other = Database(url), Database(url)
    assert await one.claim("sampler of here")

    await other.write(
        lambda connection: (
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
            and None
        )
    )

    assert await other.claim("sampler of here")
    assert not await one.claim("sampler of here")
    await one.close()
    await other.close()


@pytest.mark.parametrize("part", ["nobody@", "postgres@"])
async def test_a_server_that_refuses_us_is_a_problem_of_the_store(url: str, part: str) -> None:
    wrong = url.replace("postgres@", part).replace("/sro_", "/not_there_")

    with pytest.raises(StorageError, match="DATABASE_URL"):
        await Database(wrong).open()


async def test_a_server_that_is_not_there_is_a_problem_of_the_store() -> None:
    with pytest.raises(StorageError, match="DATABASE_URL"):
        await Database("postgresql+asyncpg://nobody@127.0.0.1:9/none").open()


async def test_a_host_whose_clock_is_a_day_ahead_neither_ends_leases_nor_makes_them_immortal(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_day_ahead() -> datetime:
        return datetime.now(UTC) + timedelta(days=1)

    here, there = Database(url), Database(url)
    desk = open_desk(here, utc_now)
    lease = await desk.lease(draft(ttl_s=600))
    monkeypatch.setattr(store_clock, "utc_now", a_day_ahead)

    skewed = open_desk(there, a_day_ahead)
    await skewed.keeper.sweep()
    own = await skewed.take(draft(ttl_s=600))
    held = await skewed.keeper.held(None, limit=10)
    of_the_server = await there.read(
        lambda connection: connection.scalar(text("SELECT clock_timestamp()"))
    )
    await here.close()
    await there.close()

    assert isinstance(own, Admitted)
    assert lease in {each.allocation_id for each in held.leases}
    assert abs(own.lease.expires_at - of_the_server) < timedelta(minutes=11)
    assert abs(held.moment.at - of_the_server) < timedelta(minutes=1)
