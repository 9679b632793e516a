"""Two servers on one PostgreSQL: whatever one of them made is there on the other, at every door."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from mcp import Client
from sqlalchemy import text

from optimizer.store.engine import Database
from server.control import ask
from tests.postgres import Cluster
from tests.processes import until
from tests.serving import serving


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    return cluster.new_url()


@pytest.fixture(scope="module")
def addresses(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Where two servers are that have looked at their machine."""
    with ExitStack() as stack:
        found, sockets = [], []
        for name in ("one", "other"):
            folder: Path = tmp_path_factory.mktemp(name)
            settings = {"DATABASE_URL": url, "SRO_SOCKET": str(folder / "sro.sock")}
            settings |= {"SRO_CONFIG": str(folder / "sro.toml"), "TOOLSETS": "thinking"}
            (folder / "sro.toml").write_text("pools.seat.capacity = 2\n")
            found.append(stack.enter_context(serving(folder, **settings, MONITORING_INTERVAL="1")))
            sockets.append(settings["SRO_SOCKET"])
        for path in sockets:
            until(lambda path=path: (ask(path, "status") or {}).get("samples"))
        yield found


@pytest.fixture(params=["forth", "back"])
async def two(request: pytest.FixtureRequest, addresses: list[str]) -> AsyncIterator["Two"]:
    """Doors of both, each server once as the one that makes and once as the one that is asked."""
    one, other = addresses if request.param == "forth" else reversed(addresses)
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(300))
        enter = stack.enter_async_context
        yield Two(
            await enter(httpx.AsyncClient(base_url=f"{one}/api/v1", timeout=300)),
            await enter(httpx.AsyncClient(base_url=f"{other}/api/v1", timeout=300)),
            await enter(Client(f"{one}/mcp")),
            await enter(Client(f"{other}/mcp")),
        )


@dataclass(frozen=True)
class Two:
    """REST and MCP of two servers."""

    one: httpx.AsyncClient
    other: httpx.AsyncClient
    agent_of_one: Client
    agent_of_other: Client


async def told(agent: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers."""
    result = await agent.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def read(client: httpx.AsyncClient, path: str, **query: str | int) -> Any:
    """What a page answers."""
    return (await client.get(path, params=query)).raise_for_status().json()


async def test_a_decision_reads_the_same_on_both(two: Two) -> None:
    made = await told(two.agent_of_one, "optimize_resources")
    path = f"/decisions/{made['decision_id']}"

    for page in ("", "/explanation", "/thoughts"):
        assert await read(two.one, path + page) == await read(two.other, path + page)
    explained = [
        await told(agent, "explain_decision", decision_id=made["decision_id"], detail="thoughts")
        for agent in (two.agent_of_one, two.agent_of_other)
    ]
    assert explained[0] == explained[1]
    assert len(explained[0]["thoughts"]) >= 3


async def test_the_history_of_either_lists_what_both_decided(two: Two) -> None:
    made = [
        (await told(agent, "optimize_resources"))["decision_id"]
        for agent in (two.agent_of_one, two.agent_of_other, two.agent_of_one)
    ]

    pages = [
        await read(client, "/optimization-history", limit=3) for client in (two.one, two.other)
    ]

    assert pages[0] == pages[1]
    listed = [decision["decision_id"] for decision in pages[0]["optimization_history"]]
    assert listed == made[::-1]


async def test_a_choice_may_be_handed_to_the_other(two: Two) -> None:
    made = await told(two.agent_of_one, "optimize_resources", thinking="client")
    mine = made["thought_frame"]["candidates"][0]["id"]

    await told(
        two.agent_of_other,
        "submit_choice",
        decision_id=made["decision_id"],
        candidate_id=mine,
        thought="The first is as good as any.",
    )

    assert (await read(two.one, f"/decisions/{made['decision_id']}"))["candidate_id"] == mine


async def test_a_lease_lives_on_both(two: Two) -> None:
    asked = {"resources": {"seat": 1}, "ttl_s": 600, "request_id": f"once-{uuid4()}"}

    lease = await told(two.agent_of_one, "allocate", **asked)
    again = (await two.other.post("/allocate", json=asked)).raise_for_status().json()
    identifier = lease["allocation_id"]
    renewed = await told(
        two.agent_of_other, "renew_allocation", allocation_id=identifier, ttl_s=900
    )
    held = await read(two.one, "/allocations")
    released = await two.other.delete(f"/allocations/{identifier}")
    once_more = await two.one.delete(f"/allocations/{identifier}")

    assert again["allocation_id"] == identifier
    assert (renewed["state"], held["allocations"][0]["ttl_s"]) == ("active", 900)
    assert released.json()["state"] == "released"
    assert (once_more.status_code, once_more.json()["code"]) == (409, "lease_ended")
    assert (await read(two.one, "/allocations"))["allocations"] == []


async def test_the_audit_of_either_counts_what_both_granted(two: Two) -> None:
    leases = [
        await told(agent, "allocate", resources={"seat": 1}, ttl_s=600)
        for agent in (two.agent_of_one, two.agent_of_other)
    ]
    third = await two.one.post("/allocate", json={"resources": {"seat": 1}})
    audits = [await read(client, "/audit") for client in (two.one, two.other)]
    for lease in leases:
        await told(two.agent_of_other, "release_allocation", allocation_id=lease["allocation_id"])

    assert third.status_code == 409
    assert [audit["holds"] for audit in audits] == [True, True]
    assert audits[0]["pools"] == audits[1]["pools"]
    [seats] = [pool for pool in audits[0]["pools"] if pool["resource"] == "seat"]
    assert (seats["from_log"], seats["from_leases"], seats["allocated"]) == (2, 2, 2)


async def test_who_waits_at_one_gets_what_the_other_releases(two: Two) -> None:
    both = await told(two.agent_of_one, "allocate", resources={"seat": 2}, ttl_s=600)
    answers: list[dict[str, Any]] = []

    async def wait() -> None:
        answers.append(await told(two.agent_of_other, "allocate", resources={"seat": 1}, wait_s=30))

    async with anyio.create_task_group() as waiting:
        waiting.start_soon(wait)
        held = [(await read(two.other, "/allocations"))["total"] for _ in range(3)]
        assert (held, answers) == ([1, 1, 1], [])
        await told(two.agent_of_one, "release_allocation", allocation_id=both["allocation_id"])

    assert answers[0]["granted"] == {"seat": 1}
    await told(two.agent_of_one, "release_allocation", allocation_id=answers[0]["allocation_id"])


@pytest.mark.usefixtures("addresses")
def test_of_two_servers_of_one_host_one_writes_its_samples(url: str) -> None:
    async def claims() -> int:
        database = Database(url)
        try:
            return await database.read(
                lambda connection: int(
                    connection.scalar(
                        text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
                    )
                    or 0
                )
            )
        finally:
            await database.close()

    assert asyncio.run(claims()) == 1
