"""Workers that race for one pool through several keepers, with pauses where a lock must hold."""

import asyncio
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from sqlalchemy import select, text

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import AllocationRequest
from optimizer.allocation.ledger import Admitted
from optimizer.allocation.pool import SHARED, ResourcePool
from optimizer.allocation.strategies import BUILT_IN
from optimizer.allocation.window import Window
from optimizer.errors import StorageError
from optimizer.events import EventBus
from optimizer.identity import Principal
from optimizer.plugins import Registry
from optimizer.quantities import RESOURCES
from optimizer.store import ledger_books, ledger_tables, sqlite
from optimizer.store.engine import Database
from optimizer.store.ledger import LedgerKeeper
from tests.postgres import Cluster
from tests.serving import CHECKOUT
from tests.stores.history import Operation, is_linearizable
from tests.stores.test_ledger import FakeClock, draft, open_desk, pools

SOAK = "SOAK" in os.environ
SEEDS = range(100 if SOAK else 3)
WORKERS, TURNS, SLOTS = 6, 60 if SOAK else 15, 5
KILLS = 200 if SOAK else 20


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every transaction rest between its decision and its writing."""
    save = ledger_books.Books.save

    def rest_and_save(books: ledger_books.Books) -> None:
        if books.connection.dialect.name == "postgresql":
            books.connection.execute(text("SELECT pg_sleep(0.001)"))
        else:
            time.sleep(0.0005)
        save(books)

    monkeypatch.setattr(ledger_books.Books, "save", rest_and_save)


@pytest.fixture
def postgres_url(cluster: Cluster) -> str:
    return cluster.new_url()


async def rush(url: str, seed: int) -> list[list[Operation]]:
    """What workers saw that took and gave back at random through three keepers."""
    chance, moments = random.Random(seed), itertools.count()
    first = Database(url)
    stores = [first, first, first] if ":memory:" in url else [first, Database(url), Database(url)]
    desks = [open_desk(store, FakeClock(), pools(SLOTS)) for store in stores]
    await desks[0].keeper.sweep()
    history: list[list[Operation]] = [[] for _ in range(WORKERS)]

    async def work(worker: int) -> None:
        held: list[tuple[str, int]] = []
        for _ in range(TURNS):
            for _ in range(chance.randrange(3)):
                await checkpoint()
            desk = desks[chance.randrange(3)]
            if held and chance.random() < 0.5:
                name, parts = held.pop()
                called = next(moments)
                released = await desk.keeper.release(name, "alice", {})
                assert released.applied
                history[worker].append(Operation(called, next(moments), -parts, granted=True))
                continue
            parts = chance.randint(1, 3)
            called = next(moments)
            outcome = await desk.take(draft(parts=parts))
            granted = isinstance(outcome, Admitted)
            history[worker].append(Operation(called, next(moments), parts, granted=granted))
            if isinstance(outcome, Admitted):
                held.append((outcome.lease.allocation_id, parts))

    try:
        async with anyio.create_task_group() as tasks:
            for worker in range(WORKERS):
                tasks.start_soon(work, worker)
        assert await desks[0].holds()
    finally:
        for store in set(stores):
            await store.close()
    return history


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("seed", SEEDS)
async def test_what_workers_see_is_what_one_pool_would_answer_one_by_one(
    store_url: str, seed: int
) -> None:
    history = await rush(store_url, seed)

    assert any(not operation.granted for one in history for operation in one)
    assert is_linearizable(history, SLOTS)


async def test_without_the_lock_of_sqlite_the_second_of_two_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, both_have_decided = ledger_books.Books.save, threading.Barrier(2)

    def begin_without_lock(connection: Any, manner: object) -> None:
        connection.exec_driver_sql("BEGIN")

    def meet_and_save(books: ledger_books.Books) -> None:
        both_have_decided.wait(60)
        save(books)

    monkeypatch.setattr(sqlite, "_begin_to_write", begin_without_lock)
    stores = [Database(f"sqlite:///{tmp_path / 'sro.db'}") for _ in range(2)]
    desks = [open_desk(store, FakeClock(), pools(SLOTS)) for store in stores]
    for desk in desks:
        await desk.keeper.sweep()
    monkeypatch.setattr(ledger_books.Books, "save", meet_and_save)

    outcomes = await asyncio.gather(
        *(desk.take(draft(parts=3)) for desk in desks), return_exceptions=True
    )

    assert {type(outcome) for outcome in outcomes} == {Admitted, StorageError}
    assert any("locked" in str(outcome) for outcome in outcomes)
    for store in stores:
        await store.close()


@pytest.mark.parametrize("is_locked", [True, False])
async def test_only_the_row_locks_of_postgresql_keep_the_books(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    if not is_locked:
        monkeypatch.setattr(ledger_books, "_LOCK_POOLS", select(ledger_tables.pools))
    stores = [Database(postgres_url) for _ in range(2)]
    one, other = (open_desk(store, FakeClock(), pools(SLOTS)) for store in stores)
    lease = await one.lease(draft(parts=3))
    await other.keeper.sweep()
    save_when_both_have_decided(monkeypatch)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.keeper.release, lease, "alice", {})
        tasks.start_soon(other.take, draft(parts=2))

    assert await one.holds() is is_locked
    for store in stores:
        await store.close()


def save_when_both_have_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a transaction write once a second one has decided, too, or waits for the first."""
    save, decided = ledger_books.Books.save, []
    waits_for_this = text(
        "SELECT count(*), pg_sleep(0.002) FROM pg_locks"
        " WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"
    )

    def meet_and_save(books: ledger_books.Books) -> None:
        decided.append(books)
        while len(decided) < 2 and not books.connection.scalar(waits_for_this):
            pass
        save(books)

    monkeypatch.setattr(ledger_books.Books, "save", meet_and_save)


@pytest.mark.parametrize(
    ("history", "explained"),
    [
        ([[Operation(0, 1, 5, granted=True)], [Operation(2, 3, 1, granted=True)]], False),
        ([[Operation(0, 1, 5, granted=True)], [Operation(2, 3, 1, granted=False)]], True),
        ([[Operation(0, 3, 5, granted=True)], [Operation(1, 2, 1, granted=True)]], False),
        ([[Operation(0, 1, 1, granted=False)]], False),
        (
            [
                [Operation(0, 1, 5, granted=True), Operation(2, 5, -5, granted=True)],
                [Operation(3, 4, 5, granted=True)],
            ],
            True,
        ),
    ],
)
def test_the_checker_knows_what_one_pool_would_answer(
    history: list[list[Operation]], explained: bool
) -> None:
    assert is_linearizable(history, SLOTS) is explained


def shared_pools() -> dict[str, ResourcePool]:
    six = Window("day", offset=timedelta(hours=6))
    return {
        "gpu": ResourcePool(RESOURCES["gpu"], SHARED, 16.0, "test", slots=16),
        "usd": ResourcePool(RESOURCES["usd"], SHARED, 10.0, "test", window=six),
    }


@pytest.mark.usefixtures("pauses")
async def test_a_hundred_claims_through_two_replicas_get_no_index_twice_and_no_cent_over(
    store_url: str,
) -> None:
    clock = FakeClock()
    first = Database(store_url)
    stores = [first, first if ":memory:" in store_url else Database(store_url)]
    replicas = [
        ResourceAllocator(
            pools=shared_pools(),
            ledger=LedgerKeeper(store, shared_pools(), clock=clock),
            strategies=Registry("strategy", BUILT_IN),
            events=EventBus(),
            unmanaged=lambda leased: {},
            clock=clock,
        )
        for store in stores
    ]
    alice = Principal("alice")
    answers = []

    async def claim(number: int) -> None:
        resources: dict[str, float | str] = {"usd": 0.3}
        if number % 2:
            resources["gpu"] = "1 gpu"
        request = AllocationRequest(resources=resources, ttl_s=600)
        answers.append(await replicas[number % 4 // 2].allocate(request, alice))

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(claim, number)

    granted = [answer for answer in answers if answer.allocation_id]
    slots = [slot for answer in granted for slot in answer.slots.get("gpu", ())]
    assert len(slots) == len(set(slots)) <= 16
    assert len(granted) == 33
    audit = await replicas[0].audit()
    assert all(pool.holds for pool in audit)
    clock.advance(20 * 3600 - 1)
    assert (await replicas[1].utilization())["usd"].available == pytest.approx(0.1)
    clock.advance(1)
    assert (await replicas[1].utilization())["usd"].available == 10.0
    for store in set(stores):
        await store.close()


def test_what_was_acknowledged_survives_a_kill_in_the_middle_of_writing(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.stores.killing", str(tmp_path / "sro.db"), str(KILLS)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=3600 if SOAK else 600,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith(f"{KILLS} kills, 0 lost, 0 inconsistent")
