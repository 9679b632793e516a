"""Pools that follow what there is: it may change while leases are held."""

import anyio
from anyio.lowlevel import checkpoint

from optimizer.allocation.pool import ResourcePool
from optimizer.machine.capacity import Capacity
from optimizer.quantities import RESOURCES
from tests.optimizer.allocation.house import ALICE, BOB, House


def cores(amount: float) -> dict[str, ResourcePool]:
    return {"cpu": ResourcePool(RESOURCES["cpu"], "here", amount, f"quota of {amount:g}")}


async def test_a_pool_that_shrinks_below_its_leases_has_nothing_free_and_the_books_agree(
    house: House,
) -> None:
    await house.ask(resources={"cpu": "6 cores"})

    await house.allocator.refit(cores(4))

    pool = (await house.allocator.utilization())["cpu"]
    assert (pool.total, pool.allocated, pool.available) == (4.0, 6.0, 0.0)
    assert pool.source == "quota of 4"
    refused = await house.ask(BOB, resources={"cpu": "1 core"})
    assert refused.state == "refused"
    assert all(audit.holds for audit in await house.allocator.audit())


async def test_it_leases_no_more_than_there_is_now_once_they_are_given_back(house: House) -> None:
    lease = await house.ask(resources={"cpu": "6 cores"})
    await house.allocator.refit(cores(4))
    await house.allocator.release(lease.allocation_id or "", ALICE)

    granted = await house.ask(resources={"cpu": 100})
    refused = await house.ask(resources={"cpu": "1 core"})

    assert (granted.granted, refused.state) == ({"cpu": 4.0}, "refused")


async def test_a_share_is_of_what_there_is_now(house: House) -> None:
    assert (await house.ask(resources={"cpu": 25})).granted == {"cpu": 2.0}

    await house.allocator.refit(cores(12))

    assert (await house.ask(resources={"cpu": 25})).granted == {"cpu": 3.0}


async def test_who_waits_gets_what_is_added(house: House) -> None:
    await house.ask(resources={"cpu": "8 cores"})
    answers = []

    async def wait() -> None:
        answers.append(await house.ask(BOB, resources={"cpu": "3 cores"}, wait_s=45))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            while not house.allocator.waiting:
                await checkpoint()
            await house.allocator.refit(cores(12))

    assert answers[0].granted == {"cpu": 3.0}


def test_a_pool_keeps_nothing_of_its_former_size() -> None:
    pool = ResourcePool(RESOURCES["memory"], "here", None, "nobody says", reason="no limit")
    assert pool.leasable_parts is None

    found = Capacity("memory", 1024.0, "byte", "cgroup v2")
    pool.resize(ResourcePool(RESOURCES["memory"], "here", found.amount, found.source))

    assert (pool.capacity_parts, pool.leasable_parts, pool.reason) == (1024, 1024, None)
