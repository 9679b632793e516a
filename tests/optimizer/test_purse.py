from pathlib import Path

import pytest

from optimizer.events import Event, LeaseChanged
from optimizer.purse import LedgerPurse, is_spending
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sro.toml").write_text(
        '[pools.mcp_tokens]\ncapacity = 3000\n[pools.usd]\ncapacity = "0.05 USD"\nkind = "budget"\n'
    )
    return tmp_path


async def test_what_thinking_did_not_spend_is_given_back(folder: Path) -> None:
    settings = load_settings(environment={"DATA_DIR": str(folder)}, config_file=folder / "sro.toml")
    async with SequentialResourceOptimizer(settings=settings) as sro:
        purse = LedgerPurse(lambda: sro.resource_allocator)
        reservation = await purse.reserve("opt-1", tokens=2000, usd=0.02)
        too_much = await purse.reserve("opt-2", tokens=2000, usd=0.02)
        assert reservation is not None
        await purse.settle(reservation, tokens=150, usd=0.001, is_estimated=False)
        pools = await sro.resource_allocator.utilization()

    assert too_much is None
    assert (pools["mcp_tokens"].spent, pools["usd"].spent) == (150, 0.001)
    assert pools["mcp_tokens"].allocated == 0


async def test_an_estimate_settles_at_the_reservation(folder: Path) -> None:
    settings = load_settings(environment={"DATA_DIR": str(folder)}, config_file=folder / "sro.toml")
    async with SequentialResourceOptimizer(settings=settings) as sro:
        purse = LedgerPurse(lambda: sro.resource_allocator)
        reservation = await purse.reserve("opt-1", tokens=2000, usd=0.02)
        assert reservation is not None
        await purse.settle(reservation, tokens=2000, usd=0.02, is_estimated=True)
        pools = await sro.resource_allocator.utilization()

    assert (pools["mcp_tokens"].spent, pools["usd"].spent) == (2000, 0.02)


async def test_what_is_known_is_settled_exactly_beside_what_is_not(folder: Path) -> None:
    settings = load_settings(environment={"DATA_DIR": str(folder)}, config_file=folder / "sro.toml")
    async with SequentialResourceOptimizer(settings=settings) as sro:
        purse = LedgerPurse(lambda: sro.resource_allocator)
        without_cost = await purse.reserve("opt-1", tokens=500, usd=0.02)
        for_nothing = await purse.reserve("opt-2", tokens=500, usd=0.02)
        assert without_cost is not None
        assert for_nothing is not None
        await purse.settle(without_cost, tokens=150, usd=0.02, is_estimated=True)
        await purse.settle(for_nothing, tokens=50, usd=0.0, is_estimated=False)
        pools = await sro.resource_allocator.utilization()

    assert (pools["mcp_tokens"].spent, pools["usd"].spent) == (200, 0.02)


async def test_what_thinking_spends_is_told_apart_from_what_others_lease(folder: Path) -> None:
    settings = load_settings(environment={"DATA_DIR": str(folder)}, config_file=folder / "sro.toml")
    heard: list[Event] = []
    async with SequentialResourceOptimizer(settings=settings) as sro:
        sro.events.subscribe(heard.append)
        purse = LedgerPurse(lambda: sro.resource_allocator)
        reservation = await purse.reserve("opt-1", tokens=2000, usd=0.02)
        assert reservation is not None
        await purse.settle(reservation, tokens=150, usd=0.001, is_estimated=False)
        await sro.allocate({"resources": {"mcp_tokens": 5}})

    leases = [event for event in heard if isinstance(event, LeaseChanged)]
    assert [(event.state, is_spending(event)) for event in leases] == [
        ("active", True),
        ("released", True),
        ("active", False),
    ]
