"""What a request is about beside the machine, from a real ledger and real analyses."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from optimizer.allocation.pool import build_pools
from optimizer.allocation.quota import Quotas
from optimizer.catalog.host_configs import HostConfig
from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import Rules
from optimizer.decisions.observe import LEAST_HELD
from optimizer.decisions.request import OptimizationRequest
from optimizer.errors import InvalidRequestError
from optimizer.identity import Principal
from optimizer.machine.attribution import LeaseUse
from optimizer.machine.capacity import Capacity
from optimizer.operations.job import job_of
from optimizer.prices import FARGATE
from optimizer.settings_tables import PoolSetting
from optimizer.store.engine import MEMORY_URL, Database
from tests.optimizer.allocation.conftest import GIB, FakeClock, House

ALICE, BOB = Principal("alice"), Principal("bob")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    found = {
        "cpu": Capacity("cpu", 8.0, "core", "test"),
        "memory": Capacity("memory", 16.0 * GIB, "byte", "test"),
    }
    pools = build_pools(found, {"usd": PoolSetting(capacity="20 USD/day")}, host="box")
    database = Database(MEMORY_URL)
    yield House(FakeClock(), database, pools)
    await database.close()


async def job(
    house: House,
    principal: Principal = ALICE,
    *,
    uses: Mapping[str, LeaseUse] | None = None,
    **asked: Any,
) -> Job:
    return await job_of(
        OptimizationRequest.model_validate(asked),
        principal,
        analyzer=CostBenefitAnalyzer(configured=lambda: HostConfig(())),
        allocator=house.allocator,
        prices=FARGATE,
        rules=Rules(validation_cycles=(1, 2)),
        uses=uses or {},
        now=house.clock(),
    )


async def test_a_session_has_what_its_own_leases_cost_and_spent(house: House) -> None:
    await house.ask(principal=ALICE, resources={"cpu": "2 cores", "usd": 3})
    call = await house.ask(principal=ALICE, resources={"usd": 4})
    await house.ask(principal=BOB, resources={"cpu": "1 core", "usd": 5})
    await house.allocator.release(call.allocation_id or "", ALICE, used={"usd": 1.5})
    house.allocator.terms.quotas = Quotas({"*": {"usd": 6}}, house.allocator.pools)

    session = (await job(house, scope="session_level")).session

    assert session is not None
    assert session.leases == 1
    assert session.held_usd_month == pytest.approx(2 * 0.04048 * 730 + 3)
    assert session.spent_usd == pytest.approx(1.5)
    assert session.left_usd == pytest.approx(3)


async def test_what_a_task_says_it_needs_is_read_as_allocate_reads_it(house: House) -> None:
    needs = (
        await job(house, scope="task_level", task={"needs": {"cpu": 25, "memory": "3 GiB"}})
    ).needs

    assert {name: need.amount for name, need in needs.items()} == {"cpu": 2.0, "memory": 3.0 * GIB}

    with pytest.raises(InvalidRequestError, match="no range; write its upper end"):
        await job(house, scope="task_level", task={"needs": {"memory": "2-6 GiB"}})
    with pytest.raises(InvalidRequestError, match="is not a unit"):
        await job(house, scope="task_level", task={"needs": {"cpu": "3 GiB"}})


async def test_leases_that_were_seen_say_what_their_workload_needs(house: House) -> None:
    mine = await house.ask(
        principal=ALICE, resources={"cpu": "4 cores"}, purpose="index", ttl_s=7200
    )
    name = mine.allocation_id or ""
    uses = {name: LeaseUse(granted={"cpu": 4.0}, used={"cpu": 1.2, "memory": 2.0 * GIB})}
    asked = {"scope": "task_level", "constraints": {"focus": "index"}}

    young = (await job(house, uses=uses, **asked)).needs
    house.clock.advance(seconds=LEAST_HELD.total_seconds())
    seen = (await job(house, uses=uses, **asked)).needs
    unseen = (await job(house, uses={}, **asked)).needs
    other = (await job(house, principal=BOB, uses=uses, **asked)).needs
    stated = (await job(house, uses=uses, task={"needs": {"cpu": "3 cores"}}, **asked)).needs

    assert (young, unseen, other) == ({}, {}, {})
    assert (seen["cpu"].amount, seen["cpu"].counted) == (pytest.approx(1.8), 1.2)
    assert seen["cpu"].because == "what runs under 'index' uses 1.2 cores now, times 1.5"
    assert seen["memory"].amount == 3.0 * GIB
    assert (stated["cpu"].amount, stated["memory"].amount) == (3.0, 3.0 * GIB)


async def test_what_was_spent_long_ago_is_no_longer_counted(house: House) -> None:
    call = await house.ask(principal=ALICE, resources={"usd": 4})
    await house.allocator.release(call.allocation_id or "", ALICE, used={"usd": 1.5})
    house.clock.advance(seconds=timedelta(days=31).total_seconds())

    session = (await job(house, scope="session_level")).session

    assert session is not None
    assert session.spent_usd == 0


async def test_the_workloads_of_a_focus_are_the_askers_own(house: House) -> None:
    await house.ask(principal=ALICE, resources={"memory": "1 GiB"}, purpose="index")
    await house.ask(principal=BOB, resources={"cpu": "1 core"}, purpose="secret")

    found = await job(house, constraints={"focus": "index"})

    assert dict(found.workloads) == {"index": ("memory",)}
    assert await job(house) is NO_JOB


async def test_without_options_every_choice_is_absent_with_its_reason(house: House) -> None:
    found = await job(house, scope="task_level", task={"requirements": {"task": "read a file"}})

    assert found.choices == ()
    assert set(found.absent) == {"route", "validation", "mcp"}
    assert "no server is configured or profiled here" in found.absent["mcp"]


async def test_each_requirement_goes_to_the_choice_that_knows_it(house: House) -> None:
    found = await job(
        house,
        scope="task_level",
        task={
            "available_systems": [{"id": "a", "cost": 1}, {"id": "b", "cost": 2, "latency_ms": 9}],
            "available_mcps": [{"id": "web", "cost": 0.5}],
            "strategies": [{"id": "tests", "cost": 0.1, "detection": 0.5}],
            "requirements": {"max_attempts": 2, "max_cycles": 1, "complexity": "high"},
        },
    )

    ways = {choice.name: [way.id for way in choice.ways] for choice in found.choices}
    assert ways == {"route": ["a, none", "a, tests x1", "b, none", "b, tests x1"], "mcp": ["web"]}
    assert found.choices[1].ways[0].usd == pytest.approx(4 * 0.5)
    assert not found.absent


async def test_a_set_is_compared_with_those_without_its_dearest_member(house: House) -> None:
    servers = [
        {"id": "dear", "cost": 0.2, "capabilities": ["search", "files"], "reliability": 0.99},
        {"id": "web", "cost": 0.01, "capabilities": ["search"]},
        {"id": "disk", "cost": 0.01, "capabilities": ["files"]},
    ]
    needs = {"mode": "set", "capabilities": ["search", "files"]}

    found = await job(
        house, scope="task_level", task={"available_mcps": servers, "requirements": needs}
    )

    assert {way.id for way in found.choices[0].ways} >= {"disk, web"}


@pytest.mark.parametrize(
    ("task", "named"),
    [
        ({"requirements": {"max_cycle": 3}}, "did you mean max_cycles"),
        ({"strategies": [{"id": "x", "cost": 1, "detection": 0.5}]}, "prior_error is missing"),
        ({"requirements": {"task": "x", "mode": "fallback_chain"}}, "give single or set"),
        ({"available_systems": [{"id": "x"}]}, "cost_usd"),
    ],
)
async def test_what_is_wrong_with_a_task_is_named(
    house: House, task: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        await job(house, scope="task_level", task=task)
