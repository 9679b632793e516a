import pytest

from optimizer.allocation.lease import AllocationRequest
from tests.optimizer.allocation.house import ALICE, BOB, GIB, House


async def test_guaranteed_parts_are_never_promised_twice_however_little_is_used(
    house: House,
) -> None:
    for _ in range(8):
        lease = await house.ask(resources={"memory": "2-6 GiB"})
        assert lease.allocation_id is not None
        house.seen[lease.allocation_id] = {"memory": [0.1 * GIB] * 5}

    ninth = await house.ask(BOB, resources={"memory": "1-6 GiB"})

    assert ninth.state == "refused"
    pools = await house.allocator.utilization()
    assert pools["memory"].allocated == 16 * GIB
    assert all(pool.holds for pool in await house.allocator.audit())


async def test_leases_that_nobody_looked_at_count_with_all_that_they_may_use(
    house: House,
) -> None:
    first = await house.ask(resources={"memory": "2-10 GiB"})
    second = await house.ask(BOB, resources={"memory": "2-10 GiB"})

    assert first.burst == {"memory": 10 * GIB}
    assert second.burst == {"memory": 6 * GIB}
    assert second.granted == {"memory": 2 * GIB}


async def test_the_sum_of_what_was_seen_decides_and_the_answer_states_the_risk(
    house: House,
) -> None:
    for _ in range(4):
        lease = await house.ask(resources={"memory": "1-8 GiB"})
        assert lease.allocation_id is not None
        house.seen[lease.allocation_id] = {"memory": [1.0 * GIB] * 19 + [7.0 * GIB]}

    burst = await house.ask(BOB, resources={"memory": "1-8 GiB"})

    assert burst.burst["memory"] > 4 * GIB
    assert 0 < burst.burst_risk["memory"] <= 0.06
    assert "bursts are throttled first" in burst.notices[-1]
    assert f"{burst.burst_risk['memory']:.1%}" in burst.notices[-1]


async def test_demand_that_no_lease_covers_leaves_less_to_burst_into(house: House) -> None:
    house.unmanaged["memory"] = 10.0 * GIB

    lease = await house.ask(ALICE, resources={"memory": "2-10 GiB"})

    assert lease.burst["memory"] == pytest.approx(6 * GIB)


async def test_what_the_same_used_before_decides_of_a_lease_that_nobody_saw_yet(
    house: House,
) -> None:
    await house.ask(resources={"memory": "2-10 GiB"})
    request = AllocationRequest(resources={"memory": "2-10 GiB"})
    seldom = [1.0 * GIB] * 99 + [9.0 * GIB]

    known = await house.allocator.allocate(request, BOB, usual={"memory": seldom})
    house.seen[str(known.allocation_id)] = {"memory": [9.0 * GIB] * 3}
    third = await house.allocator.allocate(request, BOB, usual={"memory": seldom})

    assert known.burst == {"memory": 10 * GIB}
    assert 0 < known.burst_risk["memory"] < 0.05
    assert third.burst == {"memory": 2 * GIB}


async def test_ranges_of_a_batch_burst_no_further_and_state_their_risk(house: House) -> None:
    requests = [AllocationRequest(resources={"memory": "2-10 GiB"})] * 2

    batch = await house.allocator.allocate_batch(requests, ALICE, values=[None, None])

    bursts = sorted(one.burst["memory"] for one in batch.allocations)
    assert bursts == [6 * GIB, 10 * GIB]
    assert all(0 < one.burst_risk["memory"] < 0.05 for one in batch.allocations)
