"""Any sequence of calls, against a model that only adds and subtracts."""

import asyncio
import math
import os
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import AllocationRequest
from optimizer.allocation.pool import ResourcePool
from optimizer.allocation.strategies import BUILT_IN
from optimizer.allocation.window import Window
from optimizer.errors import LeaseEndedError, NotFoundError
from optimizer.events import EventBus
from optimizer.identity import Principal
from optimizer.plugins import Registry
from optimizer.quantities import RESOURCES, Resource, to_parts
from optimizer.store.engine import Database
from optimizer.store.ledger import KEEP, LedgerKeeper
from optimizer.store.ledger_tables import pools as pools_table

SOAK = "SOAK" in os.environ
SEQUENCES, STEPS = (1_000, 50) if SOAK else (100, 30)
BETWEEN_STARTS, BETWEEN_OPENINGS = 4, 20
"""Least steps from one to the next: left to chance, half of all steps and most of the time are
they."""

ResultT = TypeVar("ResultT")

POOLS = {
    pool.name: pool
    for pool in (
        ResourcePool(RESOURCES["cpu"], "here", 8.0, "test", reserve=0.1),
        ResourcePool(Resource("browser", "slot", "incompressible"), "here", 5.0, "test"),
        ResourcePool(RESOURCES["usd"], "here", 20.0, "test", window=Window("day")),
    )
}
LEASABLE = {name: pool.leasable_parts or 0 for name, pool in POOLS.items()}
PRINCIPALS = st.sampled_from([Principal("alice"), Principal("bob")])
AMOUNTS = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.integers(1, 9_000).map(lambda n: f"{n}m"),
        "browser": st.integers(1, 6),
        "usd": st.integers(1, 2_500).map(lambda n: f"${n / 100:.2f}"),
    },
).filter(bool)


@dataclass
class Held:
    """A lease in the model, in whole parts."""

    name: str
    holder: Principal
    granted: dict[str, int]
    ttl_s: int
    expires_at: datetime


class Store:
    """One file for every sequence, emptied before each: to make it takes longer than a sequence."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._url = f"sqlite:///{folder / 'sro.db'}"
        self._loop = loop
        self.database = Database(self._url)

    def wait_for(self, answer: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self._loop.run_until_complete(answer)

    def empty(self) -> None:
        def delete(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            for table in pools_table.metadata.sorted_tables:
                connection.execute(table.delete())

        self.wait_for(self.database.write(delete))

    def close(self) -> None:
        self.wait_for(self.database.close())

    def reopen(self) -> None:
        self.close()
        self.database = Database(self._url)


@pytest.fixture
def given_store(tmp_path: Path) -> Iterator[Store]:
    with asyncio.Runner() as runner:
        store = Store(tmp_path, runner.get_loop())
        yield store
        store.close()


class AnySequence(RuleBasedStateMachine):
    """Calls in any order; the model says what must have come of them."""

    leases = Bundle("leases")

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.call = self.store.wait_for
        self.now = datetime(2026, 3, 2, 10, tzinfo=UTC)
        self.held: dict[str, Held] = {}
        self.over: dict[str, datetime] = {}
        self.spent = 0
        self.steps = self.steps_on_file = 0

    @initialize()
    def begin(self) -> None:
        self.store.empty()
        self.start()

    def start(self) -> None:
        """A program that knows nothing but what the store tells it."""
        self.steps = 0
        self.allocator = ResourceAllocator(
            pools=POOLS,
            ledger=LedgerKeeper(self.store.database, POOLS, clock=lambda: self.now),
            strategies=Registry("strategy", BUILT_IN),
            events=EventBus(),
            unmanaged=lambda _: {},
        )

    def teardown(self) -> None:
        """The ledger's proof of itself; what it is made of, calls only add to."""
        assert all(pool.holds for pool in self.call(self.allocator.audit()))

    def free(self, name: str) -> int:
        out = sum(lease.granted.get(name, 0) for lease in self.held.values())
        return LEASABLE[name] - out - (self.spent if name == "usd" else 0)

    @rule(
        target=leases,
        principal=PRINCIPALS,
        resources=AMOUNTS,
        ttl_s=st.sampled_from([1, 60, 3600, 86_400]),
        min_fraction=st.sampled_from([1.0, 0.5, 0.01]),
        strategy=st.sampled_from([strategy.name for strategy in BUILT_IN]),
    )
    def allocate(self, principal: Principal, **asked: Any) -> Any:
        request = AllocationRequest(**asked)
        answer = self.call(self.allocator.allocate(request, principal))
        wanted = {n: to_parts(a, POOLS[n].unit) for n, a in answer.requested.items()}
        least = {
            n: max(1, math.ceil(parts * request.min_fraction - 1e-6)) for n, parts in wanted.items()
        }
        fits = all(least[name] <= self.free(name) for name in wanted)
        assert (answer.state != "refused") == fits
        if answer.allocation_id is None:
            assert answer.granted == {}
            return multiple()
        granted = {n: to_parts(a, POOLS[n].unit) for n, a in answer.granted.items()}
        assert all(least[n] <= granted[n] <= wanted[n] for n in wanted)
        assert all(granted[n] <= self.free(n) for n in wanted)
        self.held[answer.allocation_id] = Held(
            answer.allocation_id,
            principal,
            granted,
            request.ttl_s,
            self.now + timedelta(seconds=request.ttl_s),
        )
        return answer.allocation_id, principal

    def refusal(self, name: str) -> type[Exception] | tuple[type[Exception], ...]:
        """What is said of a lease that is over; it may be forgotten after a while."""
        if self.now - self.over[name] < KEEP:
            return LeaseEndedError
        return (LeaseEndedError, NotFoundError)

    @rule(lease=leases, ttl_s=st.sampled_from([None, 30, 7200]))
    def renew(self, lease: tuple[str, Principal], ttl_s: int | None) -> None:
        name, principal = lease
        held = self.held.get(name)
        if held is None:
            with pytest.raises(self.refusal(name)):
                self.call(self.allocator.renew(name, principal, ttl_s=ttl_s))
            return
        self.call(self.allocator.renew(name, principal, ttl_s=ttl_s))
        held.ttl_s = ttl_s or held.ttl_s
        held.expires_at = self.now + timedelta(seconds=held.ttl_s)

    @rule(lease=leases, cents=st.none() | st.integers(0, 3_000))
    def release(self, lease: tuple[str, Principal], cents: int | None) -> None:
        name, principal = lease
        held = self.held.pop(name, None)
        used = (
            {} if cents is None or not held or "usd" not in held.granted else {"usd": cents / 100}
        )
        if held is None:
            with pytest.raises(self.refusal(name)):
                self.call(self.allocator.release(name, principal))
            return
        self.call(self.allocator.release(name, principal, used=used))
        self.over[name] = self.now
        self.spent += cents * 10_000 if used and cents is not None else held.granted.get("usd", 0)

    @rule(lease=leases)
    def release_as_somebody_else(self, lease: tuple[str, Principal]) -> None:
        with pytest.raises(NotFoundError):
            self.call(self.allocator.release(lease[0], Principal("mallory")))

    @rule(lease=consumes(leases))
    def forget(self, lease: tuple[str, Principal]) -> None:
        """A holder that crashed."""

    @rule(seconds=st.sampled_from([1, 45, 600, 3601, 50_000, 200_000]))
    def time_passes(self, seconds: int) -> None:
        until = self.now + timedelta(seconds=seconds)
        midnight = Window("day").next_reset(self.now)
        for lease in sorted(self.held.values(), key=lambda lease: lease.expires_at):
            if lease.expires_at > until:
                break
            while midnight <= lease.expires_at:
                self.spent, midnight = 0, midnight + timedelta(days=1)
            self.spent += lease.granted.get("usd", 0)
            del self.held[lease.name]
            self.over[lease.name] = lease.expires_at
        if midnight <= until:
            self.spent = 0
        self.now = until

    @precondition(lambda self: self.steps >= BETWEEN_STARTS)
    @rule()
    def restart(self) -> None:
        self.call(self.allocator.expire())
        self.start()

    @precondition(lambda self: self.steps_on_file >= BETWEEN_OPENINGS)
    @rule()
    def open_the_file_again(self) -> None:
        self.restart()
        self.store.reopen()
        self.steps_on_file = 0

    @invariant()
    def the_ledger_adds_up_to_the_last_unit(self) -> None:
        self.steps, self.steps_on_file = self.steps + 1, self.steps_on_file + 1
        pools = self.call(self.allocator.utilization())
        for name, pool in pools.items():
            out = sum(lease.granted.get(name, 0) for lease in self.held.values())
            assert to_parts(pool.allocated, pool.unit) == out
            assert to_parts(pool.available or 0, pool.unit) == max(0, self.free(name))
        assert to_parts(pools["usd"].spent or 0, "usd") == self.spent


def test_any_sequence_of_calls_conserves_every_unit(given_store: Store) -> None:
    class OnThisStore(AnySequence):
        store = given_store

    run_state_machine_as_test(
        OnThisStore,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
