"""What a lease costs beside the statements that it has to write, side by side in one run.

`python -m benchmarks.ledger [served]`; `served` is the part over MCP and HTTP alone.
CPU of this process, all threads, per pair of allocate and release. The statements of the ledger are
recorded once, with their parameters, and run again on a fresh
store: through the same store engine in transactions of the same size, and on bare sqlite3. So all
three do the same writes. Python's collector is set as a server sets it (server/quick_start.py).
"""

import asyncio
import gc
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from mcp import Client
from sqlalchemy import Connection, event

from benchmarks.served import _cpu_s, process_at
from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.batch import Bid, select
from optimizer.allocation.lease import AllocationRequest
from optimizer.allocation.pool import build_pools
from optimizer.allocation.strategies import BUILT_IN
from optimizer.events import EventBus
from optimizer.identity import Principal
from optimizer.machine.capacity import Capacity
from optimizer.plugins import Registry
from optimizer.store.engine import Database
from optimizer.store.ledger import LedgerKeeper
from server.quick_start import settle
from tests.serving import serving

PAIRS = 300
ROUNDS = 5
CALLS = 200
"""Calls of each kind in a round, over HTTP."""

CROWD = 2000
"""Requests that arrive together."""

ALICE = Principal("alice")
ASKED = AllocationRequest(resources={"cpu": "1m", "memory": "1 MiB"}, purpose="a build")


@dataclass
class Recorded:
    """Transactions, each as what SQLAlchemy was asked and what sqlite3 was told.

    A statement that was handed to the driver as text is asked for as text again.
    """

    asked: list[list[tuple[Any, Any]]] = field(default_factory=list)
    told: list[list[tuple[str, Any, bool]]] = field(default_factory=list)


def allocator_on(database: Database) -> ResourceAllocator:
    """Leases of 8 cores and 16 GiB."""
    found = {
        "cpu": Capacity("cpu", 8.0, "core", "benchmark"),
        "memory": Capacity("memory", 16.0 * 2**30, "byte", "benchmark"),
    }
    pools = build_pools(found, {}, host="here")
    return ResourceAllocator(
        pools=pools,
        ledger=LedgerKeeper(database, pools, clock=lambda: datetime.now(UTC)),
        strategies=Registry("strategy", BUILT_IN),
        events=EventBus(),
        unmanaged=lambda leased: {},
    )


async def pairs(allocator: ResourceAllocator) -> None:
    """Take and give back, one by one."""
    for _ in range(PAIRS):
        lease = await allocator.allocate(ASKED, ALICE)
        await allocator.release(str(lease.allocation_id), ALICE)


async def record(folder: Path) -> Recorded:
    """What the ledger asks of the store for these pairs."""
    database, recorded = Database(f"sqlite:///{folder / 'recorded.db'}"), Recorded()
    allocator = allocator_on(database)
    await allocator.expire()
    engine = database._engine._engine  # type: ignore[attr-defined]

    def begun(connection: Connection) -> None:
        recorded.asked.append([])
        recorded.told.append([])

    def asked(_: Any, statement: Any, many: Any, one: Any, __: Any) -> None:
        recorded.asked[-1].append((statement, many or one))

    def told(_: Any, __: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        if recorded.told and not sql.startswith(("BEGIN", "PRAGMA")):
            recorded.told[-1].append((sql, parameters, many))
            if context.compiled is None:
                recorded.asked[-1].append((sql, parameters))

    event.listen(engine, "begin", begun)
    event.listen(engine, "before_execute", asked)
    event.listen(engine, "before_cursor_execute", told)
    await pairs(allocator)
    await database.close()
    return recorded


async def replay_through_engine(folder: Path, recorded: Recorded) -> float:
    """The same statements in the same transactions, without a ledger around them."""
    database = Database(f"sqlite:///{folder / 'engine.db'}")
    await allocator_on(database).expire()

    def again(statements: list[tuple[Any, Any]]) -> Callable[[Connection], None]:
        def change(connection: Connection) -> None:
            for statement, parameters in statements:
                run = (
                    connection.exec_driver_sql if isinstance(statement, str) else connection.execute
                )
                result = run(statement, parameters)
                if result.returns_rows:
                    result.all()

        return change

    changes = [again(statements) for statements in recorded.asked]
    began = time.process_time()
    for change in changes:
        await database.write(change)
    used = time.process_time() - began
    await database.close()
    return used


def replay_bare(folder: Path, recorded: Recorded) -> float:
    """The same SQL by sqlite3 alone, with the same durability."""
    path = folder / "bare.db"
    database = Database(f"sqlite:///{path}")

    async def prepare() -> None:
        await allocator_on(database).expire()
        await database.close()

    asyncio.run(prepare())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    began = time.process_time()
    for statements in recorded.told:
        connection.execute("BEGIN IMMEDIATE")
        for sql, parameters, many in statements:
            run = connection.executemany if many else connection.execute
            run(sql, parameters).fetchall()
        connection.execute("COMMIT")
    used = time.process_time() - began
    connection.close()
    return used


async def measured(folder: Path, work: Callable[[ResourceAllocator], Awaitable[None]]) -> float:
    """CPU seconds of some work on a fresh ledger."""
    database = Database(f"sqlite:///{folder / 'ours.db'}")
    allocator = allocator_on(database)
    await allocator.expire()
    began = time.process_time()
    await work(allocator)
    used = time.process_time() - began
    await database.close()
    return used


async def crowd(allocator: ResourceAllocator) -> None:
    """Many at once; prints how long they waited."""
    waits = []

    async def one() -> None:
        began = time.perf_counter()
        await allocator.allocate(ASKED, ALICE)
        waits.append(1000 * (time.perf_counter() - began))

    before = time.process_time()
    await asyncio.gather(*(one() for _ in range(CROWD)))
    cpu = 1000 * (time.process_time() - before) / CROWD
    cuts = statistics.quantiles(waits, n=100)
    print(f"{CROWD} at once: {cpu:.3f} CPU-ms each, p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms")


def batch() -> float:
    """CPU milliseconds of deciding on 1,000 requests that want twice too much of 8 resources."""
    random = np.random.default_rng(1)
    names = [f"r{number}" for number in range(8)]
    bids = [
        Bid({name: int(random.integers(1, 1000)) for name in names}, float(random.uniform(1, 8)))
        for _ in range(1000)
    ]
    room: dict[str, int | None] = dict.fromkeys(names, 250_000)
    select(bids, room)
    began = time.process_time()
    select(bids, room)
    return 1000 * (time.process_time() - began)


async def served(url: str) -> tuple[float, float]:
    """CPU milliseconds of a server for a call that does nothing, and for a pair, over MCP."""
    process, nothing, pair = process_at(url), [], []
    asked = {"resources": {"mcp_tokens": 1, "api_calls": 1}, "purpose": "a build"}
    async with Client(f"{url}/mcp") as agent:
        for _ in range(ROUNDS):
            before = _cpu_s(process)
            for _ in range(CALLS):
                await agent.call_tool("no_such_tool")
            between = _cpu_s(process)
            for _ in range(CALLS):
                lease = (await agent.call_tool("allocate", asked)).structured_content or {}
                named = {"allocation_id": lease["allocation_id"]}
                await agent.call_tool("release_allocation", named)
            nothing.append(between - before)
            pair.append(_cpu_s(process) - between)
    each = 1000 / CALLS
    return each * statistics.median(nothing), each * statistics.median(pair)


def show_served() -> None:
    """Print what a pair costs a server, beside a tool that does not exist."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name), LOG_LEVEL="error") as url:
        nothing, pair = asyncio.run(served(url))
    print(
        f"over MCP and HTTP: {pair:.2f} CPU-ms a pair, {nothing:.2f} for a call that does nothing, "
        f"ratio {pair / nothing:.2f} ({pair / nothing / 2:.2f} a call)"
    )


def main() -> None:
    """Measure in turns, so that what else runs on the machine meets all alike."""
    gc.disable()
    settle()
    if sys.argv[1:] == ["served"]:
        show_served()
        return
    ours, engine, bare = [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            recorded = asyncio.run(record(folder))
            ours.append(asyncio.run(measured(folder, pairs)))
            engine.append(asyncio.run(replay_through_engine(folder, recorded)))
            bare.append(replay_bare(folder, recorded))
    per_pair = 1000 / PAIRS
    pair, engined, bared = (per_pair * statistics.median(t) for t in (ours, engine, bare))
    statements = sum(map(len, recorded.told)) / PAIRS
    print(f"allocate and release: {pair:.2f} CPU-ms, {statements:.0f} statements")
    print(f"the same through the store engine: {engined:.2f}, ratio {pair / engined:.2f}")
    print(f"the same on bare sqlite3: {bared:.2f}, ratio {pair / bared:.2f}")
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measured(Path(name), crowd))
    print(f"a batch of 1,000: {batch():.0f} CPU-ms")
    show_served()


if __name__ == "__main__":
    main()
