from datetime import timedelta

import pytest

from optimizer.allocation.pool import (
    Balance,
    ResourcePool,
    build_pools,
    pool_state,
    room_parts,
)
from optimizer.allocation.window import Window
from optimizer.errors import ConfigurationError
from optimizer.machine.capacity import Capacity
from optimizer.quantities import RESOURCES
from tests.optimizer.allocation.house import Configured

GIB = 2.0**30

FOUND = {
    "cpu": Capacity("cpu", 8.0, "core", "cgroup v2"),
    "network": Capacity("network", None, "byte/s", "sysfs", "no link says its speed"),
}


def test_every_resource_of_the_mission_has_a_pool() -> None:
    pools = build_pools(FOUND, {}, host="here")

    assert set(pools) == set(RESOURCES)
    assert pools["cpu"].capacity == 8.0
    assert pools["cpu"].capacity_source == "cgroup v2"


def test_a_capacity_that_nobody_knows_is_null_with_its_reason() -> None:
    pools = build_pools(FOUND, {}, host="here")

    network = pool_state(pools["network"], Balance())
    tokens = pool_state(pools["mcp_tokens"], Balance(leased=10, spent=5))

    assert network.total is None
    assert network.available is None
    assert network.unknown["total"] == "no link says its speed"
    assert "pools.mcp_tokens" in tokens.unknown["available"]
    assert (tokens.allocated, tokens.spent) == (10, 5)


def test_the_operator_names_pools_and_corrects_found_ones() -> None:
    pools = build_pools(
        FOUND,
        {
            "cpu": Configured("50 %", reserve=0.25),
            "browser": Configured(4),
            "github_api": Configured("5000/h"),
            "usd": Configured("20 USD/day at 06:00"),
            "openai_usd": Configured("$5/day"),
        },
        host="here",
    )

    assert (pools["cpu"].capacity, pools["cpu"].reserve) == (4.0, 0.25)
    assert pools["cpu"].capacity_source == "sro.toml pools.cpu"
    assert (pools["browser"].unit, pools["browser"].kind) == ("slot", "incompressible")
    assert (pools["github_api"].kind, pools["github_api"].window) == ("budget", Window("hour"))
    assert pools["usd"].window == Window("day", timedelta(hours=6))
    assert (pools["openai_usd"].unit, pools["openai_usd"].kind) == ("usd", "budget")


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("cpu", Configured(4)),
        ("browser", Configured("many")),
        ("browser", Configured("2-4")),
        ("cpu", Configured("4 cores/h")),
        ("usd", Configured("20 USD/day at 25:00")),
        ("browser", Configured(float("nan"))),
    ],
)
def test_a_capacity_that_cannot_be_read_stops_the_start_and_names_the_key(
    name: str, setting: Configured
) -> None:
    with pytest.raises(ConfigurationError, match=rf"pools\.{name}"):
        build_pools(FOUND, {name: setting}, host="here")


def test_free_is_capacity_less_reserve_unmanaged_and_leases() -> None:
    pool = ResourcePool(RESOURCES["cpu"], "here", 8.0, "test", reserve=0.25)
    balance = Balance(leased=1_500_000)

    assert room_parts(pool, balance, unmanaged=0.5) == 4_000_000
    state = pool_state(pool, balance, unmanaged=0.5)
    assert (state.total, state.allocated, state.unmanaged) == (8.0, 1.5, 0.5)
    assert (state.reserved, state.available) == (2.0, 4.0)
    assert state.summary == "4 cores free of 8 cores"


def test_demand_that_nobody_measures_is_not_none_but_unknown() -> None:
    tokens = ResourcePool(RESOURCES["mcp_tokens"], "here", None, "not configured")
    no_gpu = ResourcePool(RESOURCES["gpu"], "here", 0.0, "no NVIDIA device in /proc")

    state = pool_state(tokens, Balance())

    assert state.unmanaged is None
    assert "not measured" in state.unknown["unmanaged"]
    assert state.summary == "no limit known"
    assert pool_state(tokens, Balance(leased=3)).summary == (
        "no limit known, 3 tokens leased or spent"
    )
    assert pool_state(no_gpu, Balance()).unmanaged == 0.0


def test_free_is_never_below_nothing_though_room_is() -> None:
    pool = ResourcePool(RESOURCES["cpu"], "here", 8.0, "test")

    balance = Balance(leased=5_000_000)

    assert pool_state(pool, balance, unmanaged=6.0).available == 0
    assert room_parts(pool, balance, unmanaged=6.0) == -3_000_000


def test_what_is_overdrawn_is_not_free() -> None:
    pool = ResourcePool(RESOURCES["usd"], "here", 20.0, "test", window=Window("day"))
    balance = Balance(spent=15_000_000, overdrawn=5_000_000)

    state = pool_state(pool, balance)

    assert (state.available, state.spent) == (0.0, 20.0)
    assert state.summary == "$0.00 free of $20.00 per day"
