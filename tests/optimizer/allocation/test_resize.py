"""What a decision may do to leases: shrink them, bound them by quotas, put work off."""

from datetime import timedelta

import pytest

from optimizer.allocation.deferral import Deferral
from optimizer.allocation.lease import public_name
from optimizer.errors import LeaseRefusedError, NotFoundError
from optimizer.identity import Principal
from tests.optimizer.allocation.house import House

BOB = Principal("bob")


async def named(house: House, **resources: object) -> str:
    lease = await house.ask(resources=resources)
    return public_name(lease.allocation_id or "")


async def test_a_lease_that_shrinks_gives_back_the_rest_and_the_books_agree(house: House) -> None:
    name = await named(house, cpu="6 cores")

    shrunk = await house.allocator.resize(name, "cpu", 2.0)

    assert shrunk.granted == {"cpu": 2.0}
    assert (shrunk.allocation_id, shrunk.state) == (None, "partial")
    assert (await house.allocator.utilization())["cpu"].available == 6.0
    assert all(audit.holds for audit in await house.allocator.audit())


async def test_it_grows_back_into_what_is_free_and_no_further(house: House) -> None:
    name = await named(house, cpu="6 cores")
    await house.allocator.resize(name, "cpu", 2.0)
    await house.ask(BOB, resources={"cpu": "4 cores"})

    with pytest.raises(LeaseRefusedError, match="not free"):
        await house.allocator.resize(name, "cpu", 6.0)
    grown = await house.allocator.resize(name, "cpu", 4.0)

    assert grown.granted == {"cpu": 4.0}
    assert all(audit.holds for audit in await house.allocator.audit())


async def test_it_never_holds_more_than_was_requested(house: House) -> None:
    name = await named(house, cpu="2 cores")

    with pytest.raises(LeaseRefusedError, match="never asked"):
        await house.allocator.resize(name, "cpu", 3.0)


async def test_a_lease_that_is_over_cannot_be_resized(house: House) -> None:
    name = await named(house, cpu="2 cores")
    house.clock.advance(seconds=1000)

    with pytest.raises(NotFoundError):
        await house.allocator.resize(name, "cpu", 1.0)


async def test_a_quota_that_is_replaced_counts_from_the_next_request_on(house: House) -> None:
    house.allocator.terms.quotas = house.allocator.terms.quotas.replaced("*", "cpu", 2_000_000)

    refused = await house.ask(resources={"cpu": "3 cores"})
    house.allocator.terms.quotas = house.allocator.terms.quotas.replaced("*", "cpu", None)
    granted = await house.ask(resources={"cpu": "3 cores"})

    assert (refused.state, refused.binding_resource) == ("refused", "quota")
    assert granted.state == "active"


async def test_low_priority_is_put_off_until_the_quiet_window_and_nobody_else(house: House) -> None:
    until = house.clock() + timedelta(hours=2)
    house.allocator.terms.deferral = Deferral(until, house.clock)

    low = await house.ask(resources={"cpu": "1 core"}, priority_level="low", wait_s=1.0)
    normal = await house.ask(resources={"cpu": "1 core"})
    house.clock.advance(seconds=7200)
    later = await house.ask(resources={"cpu": "1 core"}, priority_level="low")

    assert (low.state, low.binding_resource, low.fits_in_s) == ("refused", "deferral", 7200.0)
    assert (normal.state, later.state) == ("active", "active")
