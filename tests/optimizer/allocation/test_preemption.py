import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.allocation.lease import PRIORITIES, Grant, Lease, PriorityLevel
from optimizer.allocation.preemption import PreemptionPolicy, choose_victims, loss
from optimizer.errors import LeaseEndedError
from optimizer.events import LeaseChanged
from tests.optimizer.allocation.house import ALICE, BOB, Configured, House

Build = Callable[..., House]
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
AT_ONCE = PreemptionPolicy(grace_s=0)


def lease(token: int, cores: int, priority: PriorityLevel = "low", *, held_s: int = 60) -> Lease:
    return Lease(
        allocation_id=f"alloc_{token}",
        fencing_token=token,
        principal="alice",
        request_id=None,
        fingerprint="",
        purpose="",
        priority_level=priority,
        strategy="balanced",
        strategy_effect="",
        ttl_s=900,
        state="active",
        granted_at=NOW - timedelta(seconds=held_s),
        expires_at=NOW + timedelta(seconds=900),
        ended_at=None,
        grants=(Grant("cpu", "here", "core", cores, cores),),
    )


def victims(leases: list[Lease], missing: int, priority: PriorityLevel = "high") -> list[int]:
    chosen = choose_victims(
        leases, {"cpu": missing}, priority=priority, capacity={"cpu": 100}, at=NOW
    )
    return sorted(one.fencing_token for one in chosen)


def test_the_newest_and_lowest_goes_first() -> None:
    leases = [
        lease(1, 4, held_s=600),
        lease(2, 4, held_s=30),
        lease(3, 4, "normal", held_s=1),
    ]

    assert victims(leases, 4) == [2]
    assert victims(leases, 8) == [1, 2]
    assert victims(leases, 12) == [1, 2, 3]


def test_one_that_is_large_enough_goes_rather_than_two() -> None:
    assert victims([lease(1, 2), lease(2, 2), lease(3, 4, held_s=50)], 4) == [3]


def test_the_same_priority_is_never_ended_and_nobody_is_for_nothing() -> None:
    leases = [lease(1, 4, "high"), lease(2, 4, "low")]

    assert victims(leases, 5) == []
    assert victims([replace(leases[1], yields_to="critical")], 2) == []
    assert victims(leases, 4, "low") == []


@given(
    cores=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 500)), min_size=1, max_size=7),
    missing=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_no_set_that_makes_the_room_loses_less_by_brute_force(
    cores: list[tuple[int, int]], missing: int
) -> None:
    leases = [
        lease(token, amount, PRIORITIES[token % 2], held_s=held)
        for token, (amount, held) in enumerate(cores)
    ]
    lost = {one.fencing_token: loss(one, {"cpu": 100}, NOW) for one in leases}

    chosen = victims(leases, missing)

    low = sum(one.grants[0].granted for one in leases if one.priority_level == "low")
    allowed = [one for one in leases if low < missing or one.priority_level == "low"]
    possible = [
        sum(lost[one.fencing_token] for one in some)
        for count in range(1, len(allowed) + 1)
        for some in itertools.combinations(allowed, count)
        if sum(one.grants[0].granted for one in some) >= missing
    ]
    assert bool(chosen) == bool(possible)
    if chosen:
        assert sum(lost[token] for token in chosen) == pytest.approx(min(possible), rel=1e-6)


async def test_a_lower_lease_gives_way_and_the_answer_says_which_and_why(house: House) -> None:
    house.allocator.terms.preemption = AT_ONCE
    low = await house.ask(BOB, resources={"cpu": "6 cores"}, priority_level="low", purpose="night")
    house.clock.advance(30)

    urgent = await house.ask(
        resources={"cpu": "4 cores"}, priority_level="high", allow_preemption=True
    )

    assert urgent.state == "active"
    assert urgent.preempted == (
        "a low lease of cpu 6 cores, held for 30 s, ended for this one: ending it loses least "
        "(lowest priority first, then the least work done)",
    )
    assert low.allocation_id is not None
    assert low.allocation_id not in str(urgent)
    with pytest.raises(LeaseEndedError, match="preempted at"):
        await house.allocator.renew(low.allocation_id, BOB)
    states = [event.state for event in house.happened if isinstance(event, LeaseChanged)]
    assert states == ["active", "preempted", "active"]
    assert all(pool.holds for pool in await house.allocator.audit())


async def test_the_holder_has_notice_and_a_grace_time(house: House) -> None:
    house.allocator.terms.preemption = PreemptionPolicy(grace_s=15)
    low = await house.ask(BOB, resources={"cpu": "6 cores"}, priority_level="low", ttl_s=600)
    assert low.allocation_id is not None
    answers = []

    async def ask() -> None:
        answers.append(
            await house.ask(
                resources={"cpu": "4 cores"},
                priority_level="high",
                allow_preemption=True,
                wait_s=40,
            )
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await house.noticed(low.allocation_id)
        warned = await house.allocator.renew(low.allocation_id, BOB)
        assert warned.expires_in_s == 15
        assert "gives way to a request of high priority" in warned.next
        house.clock.advance(15)
        await house.allocator.expire()

    assert answers[0].state == "active"
    assert answers[0].preempted[0].startswith("a low lease of cpu 6 cores")


async def test_a_notice_is_withdrawn_when_nobody_waits_any_more(house: House) -> None:
    low = await house.ask(BOB, resources={"cpu": "6 cores"}, priority_level="low", ttl_s=600)
    assert low.allocation_id is not None

    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            await house.ask(
                resources={"cpu": "4 cores"},
                priority_level="high",
                allow_preemption=True,
                wait_s=40,
            )

        tasks.start_soon(ask)
        await house.noticed(low.allocation_id)
        tasks.cancel_scope.cancel()

    (lease,) = await house.allocator.held()
    assert lease.yields_to is None
    assert lease.expires_at == house.clock.now + timedelta(seconds=600)


async def test_without_being_asked_for_nobody_gives_way_and_the_refusal_names_the_way(
    house: House,
) -> None:
    await house.ask(BOB, resources={"cpu": "6 cores"}, priority_level="low", ttl_s=600)

    refused = await house.ask(resources={"cpu": "4 cores"}, priority_level="high")
    soon = await house.ask(
        resources={"cpu": "4 cores"}, priority_level="high", allow_preemption=True
    )
    equal = await house.ask(
        resources={"cpu": "4 cores"}, priority_level="low", allow_preemption=True
    )
    house.allocator.terms.preemption = PreemptionPolicy(mode="never", grace_s=0)
    never = await house.ask(
        resources={"cpu": "4 cores"}, priority_level="high", allow_preemption=True
    )

    assert "allow_preemption=true with wait_s=15" in refused.next
    assert "wait_s=15, as leases of lower priority have so long to give way" in soon.next
    assert [answer.state for answer in (refused, soon, equal, never)] == ["refused"] * 4


async def test_a_budget_is_never_taken_from_anybody(build: Build) -> None:
    house = build(usd=Configured("10 USD/day"))
    house.allocator.terms.preemption = AT_ONCE
    await house.ask(BOB, resources={"usd": 8}, priority_level="low")

    refused = await house.ask(
        resources={"usd": 5}, priority_level="critical", allow_preemption=True
    )

    assert refused.state == "refused"
    assert (await house.allocator.list(ALICE, whose="all")).total == 1
