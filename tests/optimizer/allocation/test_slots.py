from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation.slots import choose_slots
from optimizer.errors import ConfigurationError, InvalidRequestError
from tests.optimizer.allocation.house import ALICE, BOB, Configured, House

Build = Callable[..., House]


async def test_no_two_leases_hold_the_same_device(build: Build) -> None:
    house = build(gpus=4)

    leases = [await house.ask(resources={"gpu": "1 gpu"}) for _ in range(4)]
    fifth = await house.ask(resources={"gpu": "1 gpu"})

    assert [lease.slots["gpu"] for lease in leases] == [(0,), (1,), (2,), (3,)]
    assert fifth.state == "refused"


async def test_a_device_that_was_given_back_is_given_out_again(build: Build) -> None:
    house = build(gpus=2)
    first = await house.ask(resources={"gpu": "1 gpu"}, ttl_s=60)
    await house.ask(resources={"gpu": "1 gpu"}, ttl_s=600)
    assert first.allocation_id is not None
    await house.allocator.release(first.allocation_id, ALICE)

    again = await house.ask(BOB, resources={"gpu": "1 gpu"}, ttl_s=60)
    house.clock.advance(61)
    third = await house.ask(BOB, resources={"gpu": "1 gpu"})

    assert again.slots == third.slots == {"gpu": (0,)}


async def test_a_request_may_name_the_device(build: Build) -> None:
    house = build(gpus=4)

    lease = await house.ask(resources={"gpu:2": "1 gpu", "gpu:3": 50})
    other = await house.ask(BOB, resources={"gpu:2": "1 gpu"})
    rest = await house.ask(BOB, resources={"gpu:3": 50})

    assert lease.granted == {"gpu": 1.5}
    assert lease.slots == {"gpu": (2, 3)}
    assert other.state == "refused"
    assert other.summary == (
        "Refused: gpu 1 device asked, and gpu:2 is not so free. Nothing was reserved."
    )
    assert rest.slots == {"gpu": (3,)}


async def test_halves_share_a_device_and_a_whole_one_is_not_made_of_two_halves(
    build: Build,
) -> None:
    house = build(gpus=2)
    await house.ask(resources={"gpu:0": "0.5 gpu"})
    half = await house.ask(resources={"gpu": "0.5 gpu"})
    await house.ask(resources={"gpu": "0.6 gpu"})
    assert half.allocation_id is not None
    await house.allocator.release(half.allocation_id, ALICE)

    refused = await house.ask(BOB, resources={"gpu": "0.7 gpu"})

    assert half.slots == {"gpu": (0,)}
    assert refused.state == "refused"
    assert refused.free_now == {"gpu": 0.9}
    assert refused.summary == (
        "Refused: gpu 0.7 device asked, and none of the 2 is so free. Nothing was reserved."
    )
    assert refused.unknown["fits_in_s"] == "it depends on which gpu is released"


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ({"gpu:4": "1 gpu"}, "gpu has 4, from gpu:0 to gpu:3"),
        ({"gpu:1": "2 gpus"}, "more than one"),
        ({"gpu": "1 gpu", "gpu:1": "1 gpu"}, "name indices or an amount"),
        ({"cpu:0": "1 core"}, "there is no resource 'cpu:0' here"),
    ],
)
async def test_what_is_no_index_is_refused_and_nothing_reserved(
    build: Build, resources: dict[str, str], says: str
) -> None:
    house = build(gpus=4)

    with pytest.raises(InvalidRequestError, match=says):
        await house.ask(resources=resources)
    assert all(pool.allocated == 0 for pool in (await house.allocator.utilization()).values())


async def test_named_slots_are_indexed_where_the_operator_says_so(build: Build) -> None:
    house = build(browser=Configured(4, indexed=True), seat=Configured(2))

    lease = await house.ask(resources={"browser": 2, "seat": 1})

    assert lease.slots == {"browser": (0, 1)}


@pytest.mark.parametrize("capacity", ["2.5 gpus", 5000])
async def test_a_pool_that_is_not_counted_in_whole_ones_cannot_be_indexed(
    build: Build, capacity: str | int
) -> None:
    name = "gpu" if isinstance(capacity, str) else "slots"

    with pytest.raises(ConfigurationError, match="whole number of devices or slots up to 4096"):
        build(**{name: Configured(capacity, indexed=True)})


@given(
    free=st.dictionaries(st.integers(0, 7), st.integers(0, 4), max_size=8),
    parts=st.integers(1, 20),
)
def test_what_is_chosen_is_free_and_adds_up(free: dict[int, int], parts: int) -> None:
    chosen = choose_slots(free, parts, size=4)

    if chosen is not None:
        assert sum(chosen.values()) == parts
        assert all(0 < held <= free[slot] for slot, held in chosen.items())
        assert sum(held < 4 for held in chosen.values()) <= 1
