from typing import Any

import anyio
import pytest

from optimizer.allocation.quota import Quotas
from optimizer.errors import ConfigurationError
from optimizer.identity import Principal

ALICE = Principal("alice")
BOB = Principal("bob")


@pytest.fixture
def house(build: Any) -> Any:
    house = build()
    configured = {"*": {"cpu": "3 cores"}, "alice": {"cpu": "2 cores", "memory": "50 %"}}
    house.allocator.terms.quotas = Quotas(configured, house.pools)
    return house


async def test_a_principal_holds_no_more_than_its_quota(house: Any) -> None:
    await house.ask(ALICE, resources={"cpu": "1.5 cores"})

    refusal = await house.ask(ALICE, resources={"cpu": "1 core"})
    rest = await house.ask(ALICE, resources={"cpu": "0.5 cores"})

    assert refusal.state == "refused"
    assert refusal.binding_resource == "quota"
    assert refusal.summary == (
        "Refused: cpu 1 core asked, 0.5 core left of the 2 cores that you may hold (your quota). "
        "Nothing was reserved."
    )
    assert refusal.next == "min_fraction=0.5, or release what you hold of cpu"
    assert refusal.fits_in_s is None
    assert "when you release" in refusal.unknown["fits_in_s"]
    assert rest.state == "active"


async def test_what_is_beyond_a_quota_is_not_to_be_waited_for(house: Any) -> None:
    refusal = await house.ask(ALICE, resources={"cpu": "3 cores"})

    assert refusal.next.endswith("ask for at most 2 cores, all of your quota")
    assert refusal.unknown["fits_in_s"] == "it asks for more cpu than your quota"


async def test_the_star_holds_for_everybody_who_is_not_named(house: Any) -> None:
    answers = [await house.ask(BOB, resources={"cpu": "3 cores"}) for _ in range(2)]

    assert [answer.state for answer in answers] == ["active", "refused"]


async def test_what_is_given_back_may_be_had_again(house: Any) -> None:
    lease = await house.ask(ALICE, resources={"cpu": "2 cores"})
    await house.allocator.release(lease.allocation_id, ALICE)

    assert (await house.ask(ALICE, resources={"cpu": "2 cores"})).state == "active"


async def test_less_than_was_asked_is_cut_to_the_quota(house: Any) -> None:
    lease = await house.ask(ALICE, resources={"cpu": "4 cores"}, min_fraction=0.1)

    assert 0.4 <= lease.granted["cpu"] <= 2


async def test_a_quota_is_not_waited_for_and_blocks_nobody(house: Any) -> None:
    await house.ask(ALICE, resources={"cpu": "2 cores"})

    with anyio.fail_after(60):
        refusal = await house.ask(ALICE, resources={"cpu": "1 core"}, wait_s=45)

    assert refusal.binding_resource == "quota"
    assert house.allocator.waiting == 0


async def test_a_full_pool_binds_before_a_quota_that_has_room(house: Any) -> None:
    await house.ask(BOB, resources={"cpu": "3 cores"})
    house.unmanaged["cpu"] = 4.5

    refusal = await house.ask(ALICE, resources={"cpu": "1 core"})

    assert refusal.binding_resource == "cpu"


async def test_many_at_once_hold_no_more_than_the_quota(house: Any) -> None:
    answers: list[Any] = []

    async def ask() -> None:
        answers.append(await house.ask(ALICE, resources={"cpu": "0.5 cores"}))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)

    assert sorted(answer.state for answer in answers) == ["active"] * 4 + ["refused"] * 16


@pytest.mark.parametrize(
    ("quota", "fragment"),
    [({"cores": 1}, "there is no such pool"), ({"cpu": "some"}, "is not an amount")],
)
async def test_a_quota_that_cannot_be_read_is_named(
    quota: dict[str, Any], fragment: str, house: Any
) -> None:
    with pytest.raises(ConfigurationError, match=rf"quotas\.bob\.\w+: .*{fragment}"):
        Quotas({"bob": quota}, house.pools)
