import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from optimizer.allocation.admission import Admission, Refusal, admit, refuse
from optimizer.allocation.lease import Grant, new_allocation_id
from optimizer.allocation.ledger import Admitted, Decide, Declined, Draft
from optimizer.allocation.pool import Balance, ResourcePool, room_parts
from optimizer.allocation.strategies import PerformancePriority
from optimizer.allocation.window import Window
from optimizer.errors import ConfigurationError
from optimizer.quantities import RESOURCES, Resource
from optimizer.store.engine import Database
from optimizer.store.ledger import LedgerKeeper

HOST = "here"
SLOT = Resource("browser", "slot", "incompressible")


class FakeClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def pools(slots: float | None = 10, *, dollars: float = 20) -> dict[str, ResourcePool]:
    return {
        "browser": ResourcePool(SLOT, HOST, slots, "test"),
        "usd": ResourcePool(RESOURCES["usd"], HOST, dollars, "test", window=Window("day")),
    }


def draft(
    resource: str = "browser",
    parts: int = 1,
    *,
    principal: str = "alice",
    ttl_s: int = 600,
    request_id: str | None = None,
) -> Draft:
    unit = "slot" if resource == "browser" else "usd"
    return Draft(
        allocation_id=new_allocation_id(),
        principal=principal,
        request_id=request_id,
        fingerprint=f"{resource} {parts}",
        purpose="test",
        priority_level="normal",
        strategy="performance_priority",
        ttl_s=ttl_s,
        asked=(Grant(resource, HOST, unit, parts, 0),),
    )


def all_or_nothing(asked: Draft, of: Mapping[str, ResourcePool]) -> Decide:
    def decide(balances: Mapping[str, Balance]) -> Admission | Refusal:
        demand = {grant.resource: grant.requested for grant in asked.asked}
        free = {name: room_parts(of[name], balances[name]) for name in demand}
        strategy = PerformancePriority()
        return admit(demand, free, min_fraction=1, strategy=strategy, leasable=free)

    return decide


@dataclass
class Desk:
    """A ledger with all-or-nothing admission."""

    keeper: LedgerKeeper
    pools: Mapping[str, ResourcePool]

    async def take(self, asked: Draft) -> Admitted | Declined:
        return await self.keeper.admit(asked, all_or_nothing(asked, self.pools))

    async def lease(self, asked: Draft) -> str:
        outcome = await self.take(asked)
        assert isinstance(outcome, Admitted)
        return outcome.lease.allocation_id

    async def holds(self) -> bool:
        return all(pool.holds for pool in await self.keeper.audit())


def open_desk(
    database: Database, clock: Callable[[], datetime], of: dict[str, ResourcePool] | None = None
) -> Desk:
    of = of or pools()
    return Desk(LedgerKeeper(database, of, clock=clock), of)


async def test_two_hundred_at_once_never_get_more_than_there_is(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock, pools(17))
    outcomes: list[Admitted | Declined] = []

    async def take(number: int) -> None:
        for _ in range(number % 5):
            await checkpoint()
        outcomes.append(await desk.take(draft(parts=1 + number % 3)))

    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(take, number)

    granted = [o.lease for o in outcomes if isinstance(o, Admitted)]
    assert sum(lease.grants[0].granted for lease in granted) == 17
    assert len({lease.fencing_token for lease in granted}) == len(granted)
    assert await desk.holds()


class CarelessLedger:
    """Checks, yields, and acts: what a ledger without its transaction would do."""

    def __init__(self) -> None:
        self.leased = 0

    async def admit(self, asked: Draft, decide: Decide) -> int:
        decision = decide({"browser": Balance(leased=self.leased)})
        await checkpoint()
        if isinstance(decision, Refusal):
            return 0
        self.leased += decision.granted["browser"]
        return decision.granted["browser"]


async def test_the_same_rush_over_commits_a_ledger_without_a_transaction() -> None:
    ledger, of = CarelessLedger(), pools(17)
    granted: list[int] = []

    async def take(number: int) -> None:
        for _ in range(number % 5):
            await checkpoint()
        asked = draft(parts=1 + number % 3)
        granted.append(await ledger.admit(asked, all_or_nothing(asked, of)))

    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(take, number)

    assert sum(granted) > 17


PROCESS = """
import sys
from datetime import UTC, datetime
import anyio
from tests_ledger import draft, open_desk, pools
from optimizer.allocation.ledger import Admitted
from optimizer.store.engine import Database

async def main(url):
    database = Database(url)
    desk = open_desk(database, lambda: datetime.now(UTC), pools(40))
    granted = 0
    for number in range(25):
        outcome = await desk.take(draft(parts=1 + number % 3))
        if isinstance(outcome, Admitted):
            granted += outcome.lease.grants[0].granted
            if number % 4 == 0:
                await desk.keeper.release(outcome.lease.allocation_id, "alice", {})
                granted -= outcome.lease.grants[0].granted
    await database.close()
    print(granted)

anyio.run(main, sys.argv[1])
"""


def test_several_processes_share_one_file_and_never_over_commit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sro.db'}"
    (tmp_path / "tests_ledger.py").write_text(Path(__file__).read_text())
    paths = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(Path.cwd())!r}]\n"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", paths + PROCESS, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=600) for process in running]

    assert [process.returncode for process in running] == [0] * 4, answers
    assert sum(int(out) for out, _ in answers) == 40
    with sqlite3.connect(tmp_path / "sro.db") as connection:
        (leased,) = connection.execute(
            "SELECT leased FROM pools WHERE resource='browser'"
        ).fetchone()
    connection.close()
    assert leased == 40


async def test_the_database_itself_refuses_to_over_commit(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock, pools(3))
    await desk.lease(draft(parts=3))

    def take_one_more(connection: object) -> None:
        connection.execute(text("UPDATE pools SET leased = leased + 1"))  # type: ignore[attr-defined]

    with pytest.raises(Exception, match="pools_never_over_committed") as refused:
        await database.write(take_one_more)
    assert isinstance(refused.value.__cause__, IntegrityError)
    assert await desk.holds()


async def test_a_ledger_that_was_tampered_with_does_not_pass_the_audit(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    await desk.lease(draft(parts=3))
    assert await desk.holds()

    def forge(connection: object) -> None:
        connection.execute(text("UPDATE grants SET granted = 2"))  # type: ignore[attr-defined]

    await database.write(forge)

    assert not await desk.holds()


async def test_leases_survive_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    url = f"sqlite:///{tmp_path / 'sro.db'}"
    first = Database(url)
    lease = await open_desk(first, clock).lease(draft(parts=7))
    await first.close()

    second = Database(url)
    desk = open_desk(second, clock)

    assert isinstance(await desk.take(draft(parts=4)), Declined)
    released = await desk.keeper.release(lease, "alice", {})
    assert released.applied
    assert isinstance(await desk.take(draft(parts=10)), Admitted)
    await second.close()


async def test_time_without_a_keeper_does_not_count_up_to_a_minute(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    short = await desk.lease(draft(ttl_s=30))
    long = await desk.lease(draft(ttl_s=600))
    await desk.keeper.sweep()
    clock.advance(650)

    desk = open_desk(database, clock)

    leases = {
        lease.allocation_id: lease for lease in (await desk.keeper.held(None, limit=9)).leases
    }
    assert leases[short].expires_at == clock.now + timedelta(seconds=30)
    assert leases[long].expires_at == clock.now + timedelta(seconds=60)


async def test_a_lease_that_was_over_before_the_keeper_left_stays_over(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    await desk.lease(draft(ttl_s=30))
    clock.advance(31)
    await desk.keeper.sweep()
    clock.advance(500)

    desk = open_desk(database, clock)

    assert (await desk.keeper.held(None, limit=9)).total == 0


async def test_a_second_process_beside_a_keeper_lengthens_nothing(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    await desk.lease(draft(ttl_s=40))
    clock.advance(41)

    second = open_desk(database, clock)

    assert (await second.keeper.held(None, limit=9)).total == 0


async def test_a_clock_that_was_set_back_makes_no_lease_immortal(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    await desk.lease(draft(ttl_s=600))
    clock.advance(-86_400)

    await desk.keeper.sweep()
    clock.advance(600)

    assert (await desk.keeper.held(None, limit=9)).total == 0


async def test_a_pool_that_shrinks_below_its_leases_grants_nothing_until_they_end(
    database: Database, clock: FakeClock
) -> None:
    lease = await open_desk(database, clock).lease(draft(parts=8))

    desk = open_desk(database, clock, pools(5))

    assert isinstance(await desk.take(draft(parts=1)), Declined)
    await desk.keeper.release(lease, "alice", {})
    assert isinstance(await desk.take(draft(parts=5)), Admitted)
    assert isinstance(await desk.take(draft(parts=1)), Declined)
    assert await desk.holds()


async def test_a_pool_that_changes_its_size_while_leases_are_asked_is_never_over_committed(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock, pools(10))
    granted: list[str] = []

    async def take(number: int) -> None:
        for _ in range(number % 7):
            await checkpoint()
        outcome = await desk.take(draft(parts=1 + number % 2))
        if isinstance(outcome, Admitted):
            granted.append(outcome.lease.allocation_id)

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(take, number)
            if number % 20 == 10:
                tasks.start_soon(desk.keeper.refit, pools(10 - number % 3 * 4))
    await desk.keeper.refit(pools(40))
    while isinstance(await desk.take(draft()), Admitted):
        pass

    (browser, _) = await desk.keeper.audit()
    assert browser.counted == browser.ceiling == 40
    assert await desk.holds()


async def test_a_pool_may_not_change_its_unit_while_some_of_it_is_out(
    database: Database, clock: FakeClock
) -> None:
    await open_desk(database, clock).lease(draft(parts=8))
    in_tokens = ResourcePool(Resource("browser", "token", "budget"), HOST, 5.0, "test")

    with pytest.raises(ConfigurationError, match="its unit was slot"):
        await open_desk(database, clock, {"browser": in_tokens}).keeper.sweep()


async def test_a_pool_that_is_named_no_longer_still_takes_its_leases_back(
    database: Database, clock: FakeClock
) -> None:
    lease = await open_desk(database, clock).lease(draft(parts=8))
    only_usd = {"usd": pools()["usd"]}

    desk = open_desk(database, clock, only_usd)

    assert (await desk.keeper.release(lease, "alice", {})).applied
    assert await desk.holds()


async def test_an_interrupted_decision_leaves_the_ledger_as_it_was(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)

    def fail(balances: Mapping[str, Balance]) -> Admission | Refusal:
        raise RuntimeError("a plug-in broke")

    with pytest.raises(RuntimeError, match="a plug-in broke"):
        await desk.keeper.admit(draft(), fail)

    assert (await desk.keeper.held(None, limit=9)).total == 0
    assert await desk.holds()


async def test_a_declined_request_hears_what_becomes_free_when(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    await desk.lease(draft(parts=6, ttl_s=100))
    await desk.lease(draft(parts=2, ttl_s=50))
    await desk.lease(draft("usd", 5_000_000, ttl_s=50))

    declined = await desk.take(draft(parts=5))

    assert isinstance(declined, Declined)
    assert declined.refusal == refuse({"browser": 5}, {"browser": 2})
    assert [(f.at, dict(f.parts)) for f in declined.freeings] == [
        (clock.now + timedelta(seconds=50), {"browser": 2}),
        (clock.now + timedelta(seconds=100), {"browser": 6}),
    ]


async def test_fencing_tokens_only_grow(database: Database, clock: FakeClock) -> None:
    desk = open_desk(database, clock)
    tokens = []
    for _ in range(5):
        outcome = await desk.take(draft())
        assert isinstance(outcome, Admitted)
        tokens.append(outcome.lease.fencing_token)
        await desk.keeper.release(outcome.lease.allocation_id, "alice", {})

    assert tokens == sorted(set(tokens))


async def test_two_at_once_with_one_request_id_get_one_lease(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    outcomes: list[Admitted | Declined] = []

    async def take() -> None:
        outcomes.append(await desk.take(draft(parts=2, request_id="job-1")))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(take)

    granted = [outcome for outcome in outcomes if isinstance(outcome, Admitted)]
    assert len(granted) == 5
    assert len({outcome.lease.allocation_id for outcome in granted}) == 1
    assert [outcome.replayed for outcome in granted].count(False) == 1
    assert (await desk.keeper.held(None, limit=9)).total == 1


async def test_of_many_releases_at_once_one_is_done(database: Database, clock: FakeClock) -> None:
    desk = open_desk(database, clock)
    lease = await desk.lease(draft(parts=2))
    applied: list[bool] = []

    async def release() -> None:
        applied.append((await desk.keeper.release(lease, "alice", {})).applied)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(release)

    assert sorted(applied) == [False, False, False, False, True]
    assert await desk.holds()


async def test_a_request_that_breaks_does_not_undo_those_that_wait_with_it(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    broken: list[str] = []

    def fail(balances: Mapping[str, Balance]) -> Admission | Refusal:
        raise RuntimeError("a plug-in broke")

    async def take_broken() -> None:
        try:
            await desk.keeper.admit(draft(), fail)
        except RuntimeError as error:
            broken.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(desk.take, draft(parts=2))
            tasks.start_soon(take_broken)

    assert broken == ["a plug-in broke"] * 3
    assert (await desk.keeper.held(None, limit=9)).total == 3
    assert await desk.holds()


async def test_what_ended_long_ago_is_forgotten_and_the_sums_stay(
    database: Database, clock: FakeClock
) -> None:
    desk = open_desk(database, clock)
    lasting = await desk.lease(draft(parts=3, ttl_s=86_400))
    old = await desk.lease(draft("usd", 5_000_000, request_id="job-1"))
    await desk.keeper.release(old, "alice", {})
    last = await desk.take(draft())
    assert isinstance(last, Admitted)
    for _ in range(8):
        clock.advance(86_000)
        await desk.keeper.renew(lasting, "alice", None)

    await desk.keeper.sweep()

    assert await desk.keeper.find(old) is None
    assert await desk.holds()
    again = await desk.take(draft("usd", 5_000_000, request_id="job-1"))
    assert isinstance(again, Admitted)
    assert not again.replayed
    assert again.lease.fencing_token > last.lease.fencing_token
    assert (await desk.keeper.held("alice", limit=9)).total == 2


async def test_forgetting_shrinks_the_log(database: Database, clock: FakeClock) -> None:
    desk = open_desk(database, clock)
    for _ in range(20):
        await desk.keeper.release(await desk.lease(draft()), "alice", {})
    clock.advance(8 * 86_400)

    await desk.keeper.sweep()

    def rows(connection: Connection) -> list[int]:
        tables = ("leases", "grants", "grant_log")
        return [connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in tables]

    assert await database.read(rows) == [1, 1, 1]


async def test_a_lease_whose_job_lives_outlasts_a_keeper_that_was_away_for_twice_its_ttl(
    database: Database, clock: FakeClock
) -> None:
    first = open_desk(database, clock, pools(8))
    lease = await first.lease(draft(parts=8, ttl_s=300))
    await first.keeper.sweep()
    clock.advance(600)

    async def alive() -> frozenset[str]:
        return frozenset({lease})

    second = Desk(LedgerKeeper(database, pools(8), clock=clock, alive=alive), pools(8))
    refused = await second.take(draft(parts=1, principal="bob"))

    assert isinstance(refused, Declined)
    (held,) = (await second.keeper.held(None, limit=9)).leases
    assert held.allocation_id == lease
    assert held.expires_at == clock.now + timedelta(seconds=300)
    assert await second.holds()
