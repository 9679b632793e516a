"""Any sequence of calls, against a model that only adds and subtracts."""

import math
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

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
from optimizer.store.ledger import LedgerKeeper

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


class AnySequence(RuleBasedStateMachine):
    """Calls in any order; the model says what must have come of them."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        self.portal = self.resources.enter_context(start_blocking_portal())
        self.folder = self.resources.enter_context(tempfile.TemporaryDirectory())
        self.now = datetime(2026, 3, 2, 10, tzinfo=UTC)
        self.held: dict[str, Held] = {}
        self.spent = 0

    @initialize()
    def open(self) -> None:
        self.database = Database(f"sqlite:///{Path(self.folder) / 'sro.db'}")
        self.allocator = ResourceAllocator(
            pools=POOLS,
            ledger=LedgerKeeper(self.database, POOLS, clock=lambda: self.now),
            strategies=Registry("strategy", BUILT_IN),
            events=EventBus(),
            unmanaged=lambda _: {},
        )

    def teardown(self) -> None:
        self.portal.call(self.database.close)
        self.resources.close()

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
        answer = self.portal.call(self.allocator.allocate, request, principal)
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

    @rule(lease=leases, ttl_s=st.sampled_from([None, 30, 7200]))
    def renew(self, lease: tuple[str, Principal], ttl_s: int | None) -> None:
        name, principal = lease
        held = self.held.get(name)
        if held is None:
            with pytest.raises(LeaseEndedError):
                self.portal.call(lambda: self.allocator.renew(name, principal, ttl_s=ttl_s))
            return
        self.portal.call(lambda: self.allocator.renew(name, principal, ttl_s=ttl_s))
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
            with pytest.raises(LeaseEndedError):
                self.portal.call(lambda: self.allocator.release(name, principal))
            return
        self.portal.call(lambda: self.allocator.release(name, principal, used=used))
        self.spent += cents * 10_000 if used and cents is not None else held.granted.get("usd", 0)

    @rule(lease=leases)
    def release_as_somebody_else(self, lease: tuple[str, Principal]) -> None:
        with pytest.raises(NotFoundError):
            self.portal.call(self.allocator.release, lease[0], Principal("mallory"))

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
        if midnight <= until:
            self.spent = 0
        self.now = until

    @rule()
    def restart(self) -> None:
        self.portal.call(self.allocator.expire)
        self.portal.call(self.database.close)
        self.open()

    @invariant()
    def the_ledger_adds_up_to_the_last_unit(self) -> None:
        pools = self.portal.call(self.allocator.utilization)
        for name, pool in pools.items():
            out = sum(lease.granted.get(name, 0) for lease in self.held.values())
            assert to_parts(pool.allocated, pool.unit) == out
            assert to_parts(pool.available or 0, pool.unit) == max(0, self.free(name))
        assert to_parts(pools["usd"].spent or 0, "usd") == self.spent
        assert all(audit.holds for audit in self.portal.call(self.allocator.audit))


SOAK = "SOAK" in os.environ

AnySequence.TestCase.settings = settings(
    max_examples=1_000 if SOAK else 10,
    stateful_step_count=50 if SOAK else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAnySequence = AnySequence.TestCase
