import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pydantic import ValidationError

from optimizer.allocation import allocator as allocator_module
from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.errors import (
    ForbiddenError,
    InvalidRequestError,
    LeaseEndedError,
    NotFoundError,
)
from optimizer.events import LeaseChanged
from optimizer.identity import Principal
from tests.optimizer.allocation.house import ALICE, BOB, GIB, Configured

House = Any
Build = Callable[..., House]


def id_of(allocation: Allocation) -> str:
    assert allocation.allocation_id is not None
    return allocation.allocation_id


async def test_a_lease_says_what_it_is_in_absolute_units(house: House) -> None:
    lease = await house.ask(resources={"cpu": 2, "memory": "2-6 GiB"}, purpose="build", ttl_s=60)

    assert lease.state == "active"
    assert lease.granted == {"cpu": 0.16, "memory": 2 * GIB}
    assert lease.burst == {"memory": 6 * GIB}
    assert lease.summary == (
        "Granted cpu 2 % of 8 cores = 0.16 core, memory 2.00 GiB (burst to 6.00 GiB). "
        "For 2 cores ask '2 cores'."
    )
    assert lease.expires_in_s == 60
    assert lease.fencing_token is not None
    assert len(id_of(lease)) > len("alloc_") + 22
    assert "not reserved" in lease.notices[0]


async def test_the_request_of_the_reference_document_is_answered(house: House) -> None:
    answer = await house.ask(
        resources={"cpu": 50, "memory": 75, "storage": "10 GB"},
        strategy="performance_priority",
        priority_level="high",
    )

    assert answer.granted == {"cpu": 4.0, "memory": 12 * GIB, "storage": 1e10}


async def test_a_refusal_is_a_result_that_helps(house: House) -> None:
    await house.ask(resources={"cpu": "6 cores"}, ttl_s=30)
    await house.ask(resources={"cpu": "1 core"}, ttl_s=300)
    house.unmanaged["cpu"] = 0.5
    house.clock.advance(10)

    refusal = await house.ask(BOB, resources={"cpu": "4 cores"})

    assert refusal.state == "refused"
    assert refusal.summary == (
        "Refused: cpu 4 cores asked, 0.5 core free of 8 cores. Nothing was reserved."
    )
    assert refusal.binding_resource == "cpu"
    assert refusal.free_now == {"cpu": 0.5}
    assert refusal.shortfalls == {"cpu": 3.5}
    assert refusal.fits_in_s == 20
    assert [a.how for a in refusal.alternatives] == ["min_fraction=0.12", "wait_s=21"]
    assert refusal.next == "min_fraction=0.12, or wait_s=21"
    assert refusal.allocation_id is None


async def test_what_was_offered_as_an_alternative_is_granted_when_asked(house: House) -> None:
    await house.ask(resources={"cpu": "5 cores"})
    refusal = await house.ask(resources={"cpu": "7 cores"})
    share = refusal.alternatives[0].granted_fraction

    smaller = await house.ask(resources={"cpu": "7 cores"}, min_fraction=share)

    assert smaller.state == "partial"
    assert smaller.granted["cpu"] >= refusal.alternatives[0].granted["cpu"] - 1e-6


async def test_what_can_never_fit_is_said_and_not_waited_for(house: House) -> None:
    refusal = await house.ask(resources={"cpu": "9 cores"}, wait_s=45)

    assert refusal.state == "refused"
    assert refusal.fits_in_s is None
    assert "more cpu than can ever be leased" in refusal.unknown["fits_in_s"]
    assert refusal.next.endswith("or ask for at most 8 cores, all that can ever be leased here")


async def test_a_resource_that_the_machine_lacks_is_refused_in_its_name(house: House) -> None:
    refusal = await house.ask(resources={"gpu": 50, "cpu": 1})

    assert refusal.state == "refused"
    assert "this machine has no gpu (no NVIDIA device in /proc)" in refusal.summary
    assert refusal.next == "ask without gpu"


async def test_a_budget_without_a_limit_is_metered_and_says_so(house: House) -> None:
    lease = await house.ask(resources={"mcp_tokens": "50k"})

    assert lease.granted == {"mcp_tokens": 50_000}
    assert lease.notices == (
        "mcp_tokens is metered: no limit is configured (sro.toml: pools.mcp_tokens); "
        "use is recorded.",
    )
    pools = await house.allocator.utilization()
    assert pools["mcp_tokens"].allocated == 50_000
    assert pools["mcp_tokens"].available is None


async def test_the_strategy_chooses_the_share_and_says_what_it_changed(build: Build) -> None:
    granted = {}
    for strategy in (
        "cost_priority",
        "reliability_priority",
        "balanced",
        "performance_priority",
    ):
        house = build()
        await house.ask(resources={"cpu": "2 cores"})
        lease = await house.ask(resources={"cpu": "8 cores"}, min_fraction=0.25, strategy=strategy)
        granted[strategy] = lease.granted["cpu"]
        assert not lease.strategy_effect.startswith("nothing")

    assert granted == {
        "cost_priority": 2.0,
        "balanced": 3.0,
        "reliability_priority": pytest.approx(4.8),
        "performance_priority": 6.0,
    }


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"resources": {"sunlight": 1}}, "there is no resource 'sunlight' here"),
        ({"resources": {"cpu": -1}}, "must be more than 0"),
        ({"resources": {"cpu": 0}}, "must be more than 0"),
        ({"resources": {"cpu": 1e308}}, "too large"),
        ({"resources": {"mcp_tokens": 0.5}}, "less than 1 token"),
        ({"resources": {"usd": "1-2"}}, "a budget is spent, so it has no burst"),
        ({"resources": {"network": 5}}, "needs a known capacity"),
        ({"resources": {"cpu": 1}, "strategy": "greed"}, "known: balanced"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_nothing_is_reserved(
    house: House, request_: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        await house.ask(**request_)

    assert (await house.allocator.list(ALICE)).total == 0


@pytest.mark.parametrize(
    "request_",
    [
        {"resources": {}},
        {"resources": {"cpu": float("nan")}},
        {"resources": {"cpu": float("inf")}},
        {"resources": {"cpu": True}},
        {"resources": {"cpu": None}},
        {"resources": {"cpu": "x" * 65}},
        {"resources": {"c\x00pu": 1}},
        {"resources": {"cpu": 1}, "ttl_s": 0},
        {"resources": {"cpu": 1}, "ttl_s": 86_401},
        {"resources": {"cpu": 1}, "min_fraction": 0},
        {"resources": {"cpu": 1}, "min_fraction": 1.1},
        {"resources": {"cpu": 1}, "wait_s": 46},
        {"resources": {"cpu": 1}, "priority_level": "urgent"},
        {"resources": {"cpu": 1}, "purpose": "a\nb"},
        {"resources": {"cpu": 1}, "purpose": "\ud800"},
        {"resources": {"cpu": 1}, "request_id": "has blank"},
        {"resources": {"cpu": 1}, "principal": "root"},
        {"resources": {"cpu": 1}, "ttl": 60},
    ],
)
def test_a_request_out_of_its_bounds_is_not_a_request(request_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AllocationRequest(**request_)


async def test_a_released_lease_is_free_at_once_and_releasing_twice_is_refused(
    house: House,
) -> None:
    lease = await house.ask(resources={"cpu": "8 cores"})

    released = await house.allocator.release(id_of(lease), ALICE)

    assert released.state == "released"
    assert (await house.ask(resources={"cpu": "8 cores"})).state == "active"
    with pytest.raises(LeaseEndedError, match="released at 2026-03-02 10:00:00 UTC"):
        await house.allocator.release(id_of(lease), ALICE)


async def test_the_lease_of_somebody_else_is_not_found_and_its_id_not_shown(house: House) -> None:
    lease = await house.ask(ALICE, resources={"cpu": "2 cores"}, purpose="secret plan")

    release = house.allocator.release
    for attempt in (house.allocator.renew, release, partial(release, used={"cpu": 1})):
        with pytest.raises(
            NotFoundError, match=r"held by the principal 'alice', .*Nothing was changed"
        ):
            await attempt(id_of(lease), BOB)

    seen = await house.allocator.list(BOB, whose="all")
    assert seen.total == 1
    assert seen.allocations[0].granted == {"cpu": 2.0}
    text = seen.model_dump_json()
    assert id_of(lease) not in text
    assert "secret plan" not in text
    assert "alice" not in text
    assert (await house.allocator.list(BOB)).total == 0


async def test_a_reader_looks_and_changes_nothing(house: House) -> None:
    reader = Principal("token:read", role="reader")
    lease = await house.ask(resources={"cpu": 1})

    with pytest.raises(ForbiddenError):
        await house.ask(reader, resources={"cpu": 1})
    for attempt in (house.allocator.renew, house.allocator.release):
        with pytest.raises(ForbiddenError):
            await attempt(id_of(lease), reader)
    assert (await house.allocator.list(reader, whose="all")).total == 1


async def test_a_renewal_counts_from_now_and_an_ended_lease_cannot_be_renewed(
    house: House,
) -> None:
    lease = await house.ask(resources={"cpu": 1}, ttl_s=60)
    house.clock.advance(40)

    renewed = await house.allocator.renew(id_of(lease), ALICE)
    assert renewed.expires_in_s == 60
    longer = await house.allocator.renew(id_of(lease), ALICE, ttl_s=120)
    assert longer.expires_in_s == 120

    house.clock.advance(120)
    with pytest.raises(LeaseEndedError, match="expired"):
        await house.allocator.renew(id_of(lease), ALICE)
    assert (await house.allocator.utilization())["cpu"].allocated == 0


async def test_a_lease_ends_by_itself_when_nobody_asks(house: House) -> None:
    lease = await house.ask(resources={"cpu": 1}, ttl_s=60)
    house.clock.advance(61)

    assert await house.allocator.expire() == 1
    assert await house.allocator.expire() == 0

    states = [e.state for e in house.happened if isinstance(e, LeaseChanged)]
    assert states == ["active", "expired"]
    assert house.happened[-1].allocation_id == id_of(lease)


async def test_the_holder_is_told_of_leases_that_end_soon(house: House) -> None:
    first = await house.ask(resources={"cpu": 1}, ttl_s=100, purpose="index")
    house.clock.advance(60)

    second = await house.ask(resources={"cpu": 1})
    other = await house.ask(BOB, resources={"cpu": 1})

    assert second.notices == (
        f"your lease {id_of(first)} (index) ends in 40 s; renew or release it.",
    )
    assert other.notices == ()


async def test_the_same_request_id_answers_the_same_lease(house: House) -> None:
    first = await house.ask(resources={"cpu": 1}, request_id="job-1")
    house.clock.advance(5)
    again = await house.ask(resources={"cpu": 1}, request_id="job-1", wait_s=3)

    assert again.allocation_id == first.allocation_id
    assert again.granted == first.granted
    assert again.fencing_token == first.fencing_token
    assert "answered before" in again.notices[0]
    assert (await house.allocator.list(ALICE)).total == 1

    assert (await house.ask(BOB, resources={"cpu": 1}, request_id="job-1")).allocation_id not in (
        None,
        first.allocation_id,
    )


async def test_a_request_id_for_something_else_is_refused(house: House) -> None:
    await house.ask(resources={"cpu": 1}, request_id="job-1")

    with pytest.raises(InvalidRequestError, match="was used for another request"):
        await house.ask(resources={"cpu": 2}, request_id="job-1")


async def test_a_refused_request_id_may_be_tried_again(house: House) -> None:
    blocker = await house.ask(resources={"cpu": "8 cores"})
    assert (await house.ask(resources={"cpu": 1}, request_id="job-1")).state == "refused"
    await house.allocator.release(id_of(blocker), ALICE)

    assert (await house.ask(resources={"cpu": 1}, request_id="job-1")).state == "active"


async def test_a_budget_is_reserved_in_full_and_settled_at_what_was_used(build: Build) -> None:
    house = build(usd=Configured("20 USD/day"))
    lease = await house.ask(resources={"usd": 15})
    assert (await house.ask(resources={"usd": 6})).state == "refused"

    released = await house.allocator.release(id_of(lease), ALICE, used={"usd": "2.50 usd"})

    assert "$2.50 spent of $15.00 reserved" in released.summary
    usd = (await house.allocator.utilization())["usd"]
    assert (usd.allocated, usd.spent, usd.available) == (0.0, 2.5, 17.5)


async def test_a_budget_whose_use_nobody_reports_is_spent_as_reserved(build: Build) -> None:
    house = build(usd=Configured("20 USD/day"))
    lease = await house.ask(resources={"usd": 15}, ttl_s=60)
    await house.ask(resources={"usd": 3}, ttl_s=60)

    released = await house.allocator.release(id_of(lease), ALICE)
    house.clock.advance(60)

    assert "no use was reported" in released.summary
    assert (await house.allocator.utilization())["usd"].spent == 18


async def test_spending_more_than_was_reserved_is_charged_and_said(build: Build) -> None:
    house = build(usd=Configured("20 USD/day"))
    lease = await house.ask(resources={"usd": 5})
    await house.ask(resources={"usd": 10})

    released = await house.allocator.release(id_of(lease), ALICE, used={"usd": 12})

    assert "more than was reserved" in released.summary
    assert "overdrawn by $2.00" in released.summary
    usd = (await house.allocator.utilization())["usd"]
    assert (usd.allocated, usd.spent, usd.available) == (10, 12, 0)
    assert all(pool.holds for pool in await house.allocator.audit())


async def test_the_largest_amounts_are_counted_and_never_overflow_the_store(
    build: Build,
) -> None:
    house = build(usd=Configured("20 USD/day"))
    most = 2**53
    for _ in range(300):
        lease = await house.ask(resources={"mcp_tokens": most})
        if lease.state == "refused":
            break
        await house.allocator.release(id_of(lease), ALICE, used={"mcp_tokens": most})
    assert lease.state == "refused"
    assert all(pool.holds for pool in await house.allocator.audit())


async def test_a_budget_is_whole_again_at_the_stated_hour(build: Build) -> None:
    house = build(calls=Configured("100/h at :30"))
    spent = await house.ask(resources={"calls": 60}, ttl_s=60)
    await house.ask(resources={"calls": 30}, ttl_s=3600)
    await house.allocator.release(id_of(spent), ALICE)

    refusal = await house.ask(resources={"calls": 50})
    assert refusal.fits_in_s == 30 * 60
    assert refusal.next.endswith("ask again in 1800 s")

    house.clock.advance(30 * 60 - 1)
    assert (await house.ask(resources={"calls": 50})).state == "refused"
    house.clock.advance(1)
    calls = (await house.allocator.utilization())["calls"]
    assert (calls.spent, calls.allocated, calls.available) == (0, 30, 70)
    assert (await house.ask(resources={"calls": 50})).state == "active"


async def test_who_asks_again_when_told_does_not_come_a_moment_too_early(build: Build) -> None:
    house = build(calls=Configured("100/h at :30"))
    await house.ask(resources={"calls": 60})
    house.clock.advance(0.6)

    refusal = await house.ask(resources={"calls": 50})

    assert refusal.fits_in_s == 30 * 60 - 0.6
    assert refusal.next.endswith("ask again in 1800 s")


async def test_what_ended_before_a_reset_is_charged_to_the_window_before(build: Build) -> None:
    house = build(calls=Configured("100/h"))
    await house.ask(resources={"calls": 40}, ttl_s=60)
    await house.ask(resources={"calls": 50}, ttl_s=3600 + 60)
    house.clock.advance(3 * 3600)

    calls = (await house.allocator.utilization())["calls"]

    assert (calls.spent, calls.allocated) == (0, 0)
    assert calls.resets_at == house.clock.now + timedelta(hours=1)
    assert all(pool.holds for pool in await house.allocator.audit())


@pytest.mark.parametrize("used", [{"cpu": 1}, {"usd": -1}, {"usd": "lots"}, {"usd": "1-2 usd"}])
async def test_a_use_that_cannot_be_read_is_refused_and_the_lease_stands(
    build: Build, used: dict[str, Any]
) -> None:
    house = build(usd=Configured("20 USD/day"))
    lease = await house.ask(resources={"usd": 5})

    with pytest.raises(InvalidRequestError):
        await house.allocator.release(id_of(lease), ALICE, used=used)

    assert (await house.allocator.list(ALICE)).total == 1


async def test_the_reserve_is_never_leased(build: Build) -> None:
    house = build(browser=Configured(10, reserve=0.2))

    assert (await house.ask(resources={"browser": 9})).state == "refused"
    assert (await house.ask(resources={"browser": 8})).state == "active"


async def test_demand_that_no_lease_covers_is_not_leased(house: House) -> None:
    house.unmanaged["cpu"] = 3.0

    assert (await house.ask(resources={"cpu": "6 cores"})).state == "refused"
    lease = await house.ask(resources={"cpu": "5 cores"})
    assert lease.state == "active"


async def test_a_waiting_request_gets_what_a_release_frees(house: House) -> None:
    blocker = await house.ask(resources={"cpu": "8 cores"})
    answers: list[Allocation] = []

    async def wait() -> None:
        answers.append(await house.ask(BOB, resources={"cpu": "4 cores"}, wait_s=45))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await until_waiting(house, 1)
            await house.allocator.release(id_of(blocker), ALICE)

    assert answers[0].state == "active"


async def test_a_waiting_request_is_refused_when_its_time_is_over(house: House) -> None:
    await house.ask(resources={"cpu": "8 cores"})

    with anyio.fail_after(60):
        refusal = await house.ask(BOB, resources={"cpu": "4 cores"}, wait_s=0.01)

    assert refusal.state == "refused"
    assert re.match(r"Refused after waiting \d+ s: cpu 4 cores asked", refusal.summary)


async def test_who_holds_nothing_goes_before_who_holds_most(house: House) -> None:
    await house.ask(resources={"cpu": "6 cores"})

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: house.ask(resources={"cpu": "4 cores"}, wait_s=45))
            await until_waiting(house, 1)
            other = await house.ask(BOB, resources={"cpu": "1 core"})
            tasks.cancel_scope.cancel()

    assert other.state == "active"


async def test_nobody_overtakes_a_request_that_waits_for_the_same(house: House) -> None:
    blocker = await house.ask(resources={"cpu": "6 cores"})
    order: list[str] = []

    async def wait(name: str, cores: int, priority: str) -> None:
        answer = await house.ask(
            resources={"cpu": f"{cores} cores"}, wait_s=45, priority_level=priority
        )
        order.append(f"{name}: {answer.state}")

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "large", 8, "normal")
            await until_waiting(house, 1)
            small = await house.ask(resources={"cpu": "1 core"})
            tasks.start_soon(wait, "urgent", 4, "high")
            await until_waiting(house, 2)
            elsewhere = await house.ask(BOB, resources={"memory": "1 GiB"})
            await house.allocator.release(id_of(blocker), ALICE)
            await until_waiting(house, 1)
            assert order == ["urgent: active"]
            held = (await house.allocator.list(ALICE)).allocations
            await house.allocator.release(id_of(held[0]), ALICE)

    assert order == ["urgent: active", "large: active"]
    assert small.state == "refused"
    assert small.summary == (
        "Refused: 1 waiting before you for the same resources. Nothing was reserved."
    )
    assert small.fits_in_s is None
    assert small.unknown == {"fits_in_s": "it depends on the 1 waiting before"}
    assert small.next == "wait_s=45 to stand in the line"
    assert elsewhere.state == "active"


async def test_a_cancelled_wait_leaves_the_line_and_nothing_reserved(house: House) -> None:
    blocker = await house.ask(resources={"cpu": "8 cores"})
    answers: list[Allocation] = []

    async def wait(cores: int) -> None:
        answers.append(await house.ask(resources={"cpu": f"{cores} cores"}, wait_s=45))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as impatient:
                impatient.start_soon(wait, 8)
                await until_waiting(house, 1)
                tasks.start_soon(wait, 2)
                await until_waiting(house, 2)
                impatient.cancel_scope.cancel()
            await house.allocator.release(id_of(blocker), ALICE)

    assert [answer.granted for answer in answers] == [{"cpu": 2.0}]
    assert (await house.allocator.utilization())["cpu"].allocated == 2.0


@pytest.mark.parametrize(("request_id", "held"), [(None, 0), ("job-1", 1)])
async def test_a_lease_that_nobody_hears_of_is_given_back_unless_a_retry_can_ask_for_it(
    house: House, request_id: str | None, held: int
) -> None:
    await house.allocator.expire()
    grant = house.ledger.admit

    async with anyio.create_task_group() as tasks:

        async def grant_and_hang_up(*arguments: Any, **options: Any) -> Any:
            tasks.cancel_scope.cancel()
            return await grant(*arguments, **options)

        house.ledger.admit = grant_and_hang_up
        await house.ask(resources={"cpu": "2 cores"}, request_id=request_id)

    assert (await house.allocator.list(ALICE)).total == held
    assert all(pool.holds for pool in await house.allocator.audit())


async def test_the_watch_ends_leases_until_it_is_cancelled(house: House) -> None:
    await house.ask(resources={"cpu": 1}, ttl_s=1)
    house.clock.advance(2)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.allocator.run)
            while len(house.happened) < 2:
                await checkpoint()
            tasks.cancel_scope.cancel()

    assert house.happened[-1].state == "expired"


async def test_while_nothing_is_leased_the_watch_waits_to_be_woken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocator_module, "WATCH_S", 0.0)
    asked, any_leased = anyio.Event(), anyio.Event()

    async def until_any() -> None:
        asked.set()
        await any_leased.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.allocator.run, until_any)
            await asked.wait()
            await house.ask(resources={"cpu": 1}, ttl_s=1)
            house.clock.advance(2)
            any_leased.set()
            while house.happened[-1].state != "expired":
                await checkpoint()
            tasks.cancel_scope.cancel()

    assert [event.state for event in house.happened] == ["active", "expired"]


async def until_waiting(house: House, count: int) -> None:
    while house.allocator.waiting != count:
        await checkpoint()
