from collections.abc import Callable

import pytest

from optimizer.allocation.lease import AllocationRequest
from optimizer.errors import ForbiddenError, InvalidRequestError
from optimizer.identity import Principal
from optimizer.operations.allocate_batch import BatchRequest, allocate_batch
from tests.optimizer.allocation.house import ALICE, BOB, Configured, House
from tests.optimizer.allocation.published import knapsacks

Build = Callable[..., House]


@pytest.mark.parametrize("number", [0, 3, 4])
async def test_published_knapsacks_are_leased_at_their_optima(build: Build, number: int) -> None:
    problem = knapsacks()[number]
    house = build(**{f"r{i}": Configured(most) for i, most in enumerate(problem.capacities)})
    requests = [
        {
            "resources": {f"r{i}": row[item] for i, row in enumerate(problem.weights) if row[item]},
            "value": value,
        }
        for item, value in enumerate(problem.values)
    ]

    answer = await allocate_batch(
        BatchRequest.model_validate({"requests": requests}),
        allocator=house.allocator,
        principal=ALICE,
    )

    assert answer.value == pytest.approx(problem.optimum)
    assert answer.is_proven
    assert answer.granted == sum(one.allocation_id is not None for one in answer.allocations)
    assert all(pool.holds for pool in await house.allocator.audit())


async def batch(house: House, *cores: int, principal: Principal = ALICE) -> list[str]:
    requests = [AllocationRequest(resources={"cpu": f"{n} cores"}) for n in cores]
    outcome = await house.allocator.allocate_batch(
        requests, principal, values=[float(n) for n in cores]
    )
    return [answer.state for answer in outcome.allocations]


async def test_a_batch_is_worth_more_than_one_by_one(house: House) -> None:
    assert await batch(house, 5, 4, 4) == ["refused", "active", "active"]


async def test_what_a_batch_was_refused_says_what_is_free(house: House) -> None:
    await house.ask(BOB, resources={"cpu": "6 cores"}, ttl_s=60)

    outcome = await house.allocator.allocate_batch(
        [AllocationRequest(resources={"cpu": "4 cores"})], ALICE, values=[None]
    )

    (refused,) = outcome.allocations
    assert refused.state == "refused"
    assert refused.free_now == {"cpu": 2.0}
    assert refused.fits_in_s == 60


async def test_devices_of_a_batch_have_indices_of_their_own(build: Build) -> None:
    house = build(gpus=3)
    requests = [AllocationRequest(resources={"gpu": "1 gpu"}) for _ in range(4)]

    outcome = await house.allocator.allocate_batch(requests, ALICE, values=[None] * 4)

    slots = [answer.slots["gpu"] for answer in outcome.allocations if answer.slots]
    assert sorted(slots) == [(0,), (1,), (2,)]


async def test_a_batch_neither_waits_nor_reads_only(house: House) -> None:
    asked = {"requests": [{"resources": {"cpu": 1}, "wait_s": 5}]}

    with pytest.raises(InvalidRequestError, match=r"requests\.0\.wait_s"):
        await allocate_batch(
            BatchRequest.model_validate(asked), allocator=house.allocator, principal=ALICE
        )
    with pytest.raises(ForbiddenError):
        await batch(house, 1, principal=Principal("reader", role="reader"))
    assert (await house.allocator.list(ALICE)).total == 0
