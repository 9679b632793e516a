from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.allocation.lease import Lease, public_name
from optimizer.allocation.pool import build_pools
from optimizer.allocation.reallocation import propose
from optimizer.errors import ForbiddenError
from optimizer.events import SampleTaken
from optimizer.identity import LOCAL
from optimizer.machine.attribution import LeaseUse
from optimizer.machine.capacity import Capacity
from optimizer.operations.reallocate import Mode, ReallocateRequest, Reallocation, reallocate
from optimizer.store.engine import MEMORY_URL, Database
from tests.optimizer.allocation.house import ALICE, BOB, FakeClock, House


@dataclass
class Control:
    """A controller of a house, with the use that tests say."""

    house: House
    mode: Mode = "propose"
    used: dict[str, LeaseUse] = field(default_factory=dict)
    are_leases: bool = True

    def __post_init__(self) -> None:
        self.controller = Reallocation(
            lambda: self.house.allocator,
            mode=lambda: self.mode,
            uses=lambda: self.used,
            are_leases=lambda: self.are_leases,
            clock=self.house.clock,
        )

    def samples(self, count: int, uses: Mapping[str, Mapping[str, float]]) -> None:
        self.used = {lease: LeaseUse(granted={}, used=used) for lease, used in uses.items()}
        for _ in range(count):
            self.controller.hear(SampleTaken(self.house.clock.now))


async def grow_later(house: House) -> tuple[str, str]:
    """Bob holds 6 of 8 cores; Alice asked for 4 and got 2."""
    bob = await house.ask(BOB, resources={"cpu": "6 cores"}, strategy="performance_priority")
    alice = await house.ask(
        resources={"cpu": "4 cores"}, min_fraction=0.5, strategy="performance_priority"
    )
    assert bob.allocation_id is not None
    assert alice.allocation_id is not None
    return bob.allocation_id, alice.allocation_id


@pytest.mark.parametrize("are_leases", [True, False])
async def test_a_sample_is_a_reason_to_look_only_while_there_are_leases(
    house: House, are_leases: bool
) -> None:
    control = Control(house, are_leases=are_leases)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(control.controller.run)
        control.samples(1, {})
        if are_leases:
            with anyio.fail_after(60):
                while control.controller.latest is None:
                    await anyio.lowlevel.checkpoint()
        else:
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert (control.controller.latest is not None) is are_leases


async def test_what_becomes_free_goes_to_who_got_less_than_they_asked_for(house: House) -> None:
    bob, alice = await grow_later(house)
    control = Control(house)
    assert (await control.controller.look(apply=False)).proposals == ()
    await house.allocator.release(bob, BOB)

    report = await control.controller.look(apply=False)
    applied = await control.controller.look(apply=True)

    (proposal,) = report.proposals
    assert proposal.gains.lease == public_name(alice)
    assert (proposal.gains.from_amount, proposal.gains.to_amount) == (2.0, 4.0)
    assert proposal.loses is None
    assert proposal.why.endswith("2 cores became free.")
    assert proposal.applied is None
    assert applied.proposals[0].applied is True
    assert (await house.allocator.list(ALICE)).allocations[0].granted == {"cpu": 4.0}
    assert all(pool.holds for pool in await house.allocator.audit())


async def test_what_a_lease_holds_idle_is_proposed_with_what_it_was_seen_to_use(
    house: House,
) -> None:
    bob = await house.ask(
        BOB, resources={"cpu": "6 cores"}, min_fraction=0.2, strategy="performance_priority"
    )
    alice = await house.ask(
        resources={"cpu": "4 cores"}, min_fraction=0.5, strategy="performance_priority"
    )
    assert bob.allocation_id is not None
    control = Control(house)
    control.samples(2, {bob.allocation_id: {"cpu": 2.0}})
    assert (await control.controller.look(apply=False)).proposals == ()
    control.samples(1, {bob.allocation_id: {"cpu": 2.5}})

    report = await control.controller.look(apply=True)

    (proposal,) = report.proposals
    assert proposal.loses is not None
    assert (proposal.loses.from_amount, proposal.loses.to_amount) == (6.0, 4.0)
    assert "was seen to use at most 2.5 cores" in proposal.why
    assert bob.allocation_id not in str(report)
    assert str(alice.allocation_id) not in str(report)
    held = await house.allocator.held()
    assert sorted(lease.grants[0].granted for lease in held) == [4_000_000, 4_000_000]
    assert all(pool.holds for pool in await house.allocator.audit())


async def test_a_lower_lease_gives_what_it_holds_beyond_its_least(house: House) -> None:
    await house.ask(
        BOB,
        resources={"cpu": "6 cores"},
        min_fraction=0.5,
        priority_level="low",
        strategy="performance_priority",
    )
    await house.ask(
        resources={"cpu": "8 cores"},
        min_fraction=0.25,
        priority_level="high",
        strategy="performance_priority",
    )

    report = await Control(house).controller.look(apply=True)

    (proposal,) = report.proposals
    assert "keeps the least that it accepts" in proposal.why
    assert proposal.loses is not None
    assert proposal.loses.to_amount == 3.0
    assert proposal.gains.to_amount == 5.0


async def test_who_waits_is_served_before_leases_grow(house: House) -> None:
    bob, _ = await grow_later(house)
    line = house.allocator._line
    line.join(line.ticket(frozenset({"memory"}), "normal", now=0.0))
    await house.allocator.release(bob, BOB)

    assert (await Control(house).controller.look(apply=False)).proposals == ()


async def test_to_apply_takes_an_operator(house: House) -> None:
    controller = Control(house).controller

    with pytest.raises(ForbiddenError):
        await reallocate(ReallocateRequest(apply=True), controller=controller, principal=ALICE)
    await reallocate(ReallocateRequest(), controller=controller, principal=ALICE)
    await reallocate(ReallocateRequest(apply=True), controller=controller, principal=LOCAL)


@given(
    asked=st.lists(
        st.tuples(
            st.integers(1, 8),
            st.sampled_from([0.1, 0.5, 1.0]),
            st.sampled_from(["low", "normal", "high"]),
            st.floats(0, 4),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=25, deadline=None)
async def test_moves_never_take_below_the_least_nor_beyond_the_request(
    asked: list[tuple[int, float, str, float]],
) -> None:
    database = Database(MEMORY_URL)
    pools = build_pools({"cpu": Capacity("cpu", 8.0, "core", "test")}, {}, host="here")
    house = House(FakeClock(), database, pools)
    uses = {}
    for cores, least, priority, used in asked:
        lease = await house.ask(
            resources={"cpu": f"{cores} cores"},
            min_fraction=least,
            priority_level=priority,
            strategy="performance_priority",
        )
        if lease.allocation_id:
            uses[lease.allocation_id] = {"cpu": used}
    control = Control(house)
    control.samples(3, uses)

    report = await control.controller.look(apply=True)

    assert all(proposal.applied for proposal in report.proposals)
    for one in await house.allocator.held():
        grant = one.grants[0]
        assert one.min_fraction * grant.requested - 1 <= grant.granted <= grant.requested
    assert all(pool.holds for pool in await house.allocator.audit())
    again = await control.controller.look(apply=False)
    assert again.proposals == ()
    await database.close()


class Walked(list[Lease]):
    """Counts how often somebody walks along it."""

    walks = 0

    def __iter__(self) -> Iterator[Lease]:
        self.walks += 1
        return super().__iter__()


async def test_leases_that_hold_all_they_asked_for_are_looked_at_once_however_many(
    house: House,
) -> None:
    for _ in range(30):
        await house.ask(resources={"cpu": "1m"})
    leases = Walked(await house.allocator.held())

    moves = propose(
        leases,
        {"cpu": 1000},
        kinds={"cpu": "compressible"},
        capacity={"cpu": 8000.0},
        seen={},
        weights={},
    )

    assert moves == ()
    assert len(leases) == 30
    assert leases.walks <= 3
