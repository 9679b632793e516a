from datetime import timedelta

from optimizer.allocation.headroom import Ahead, easings, pressure
from tests.optimizer.allocation.house import FakeClock, House

START = FakeClock().now


def ahead(*amounts: float) -> Ahead:
    """One amount for each of the next minutes."""
    ends = [START + timedelta(minutes=1 + step) for step in range(len(amounts))]
    return Ahead(ends, amounts, 0.95)


async def test_what_is_foreseen_is_not_leased_and_the_refusal_says_so(house: House) -> None:
    house.unmanaged["cpu"] = 1.0
    house.ahead["cpu"] = ahead(1, 2, 6, 6, 2, 1)

    refused = await house.ask(resources={"cpu": "4 cores"}, ttl_s=300)

    assert refused.state == "refused"
    assert refused.summary == (
        "Refused: cpu 4 cores asked, which is free now; demand without a lease is forecast to "
        "leave 2 cores of 8 cores by 10:03 UTC. Nothing was reserved."
    )
    assert refused.fits_in_s == 240


async def test_a_lease_that_ends_before_the_demand_comes_is_granted(house: House) -> None:
    house.ahead["cpu"] = ahead(1, 2, 6)

    assert (await house.ask(resources={"cpu": "6 cores"}, ttl_s=120)).state == "active"
    assert (await house.ask(resources={"cpu": "6 cores"}, ttl_s=180)).state == "refused"


async def test_both_the_end_of_a_lease_and_the_forecast_count_for_when_it_fits(
    house: House,
) -> None:
    await house.ask(resources={"cpu": "3 cores"}, ttl_s=30)
    house.ahead["cpu"] = ahead(4, 1, 1, 1)

    refused = await house.ask(resources={"cpu": "7 cores"}, ttl_s=60)

    assert refused.fits_in_s == 60


async def test_what_is_used_now_counts_though_less_is_foreseen(house: House) -> None:
    house.unmanaged["cpu"] = 5.0
    house.ahead["cpu"] = ahead(1, 1)

    assert (await house.ask(resources={"cpu": "4 cores"}, ttl_s=60)).state == "refused"


def test_the_pressure_is_the_greatest_within_the_time_of_the_lease() -> None:
    found = pressure(ahead(1, 5, 3), START, 120)

    assert found is not None
    assert (found.amount, found.at) == (5, START + timedelta(minutes=2))
    assert pressure(ahead(1, 5, 3), START + timedelta(minutes=3), 60) is None


def test_room_is_freed_when_the_stretch_that_a_lease_would_meet_is_quieter() -> None:
    freed = easings("cpu", "core", ahead(6, 4, 4, 2), START, 60, 0.0)

    assert [(f.at - START, dict(f.parts)) for f in freed] == [
        (timedelta(minutes=1), {"cpu": 2_000_000}),
        (timedelta(minutes=3), {"cpu": 2_000_000}),
    ]
