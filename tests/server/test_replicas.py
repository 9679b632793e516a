"""Two servers on one PostgreSQL: whatever one of them made is there on the other."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from optimizer.store.engine import Database
from tests.postgres import Cluster
from tests.serving import serving


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    return cluster.new_url()


@pytest.fixture(scope="module")
def replicas(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[httpx.Client]]:
    """Clients of two servers."""
    with ExitStack() as stack:
        clients = []
        for name in ("one", "other"):
            folder: Path = tmp_path_factory.mktemp(name)
            settings = {"DATABASE_URL": url, "SRO_SOCKET": str(folder / "sro.sock")}
            address = stack.enter_context(serving(folder, **settings, MONITORING_INTERVAL="1"))
            clients.append(
                stack.enter_context(httpx.Client(base_url=f"{address}/api/v1", timeout=30))
            )
        yield clients


def test_a_decision_and_its_page_of_the_history_are_on_both(replicas: list[httpx.Client]) -> None:
    one, other = replicas

    made = one.post("/optimize", json={"use_sequential_thinking": False}).raise_for_status().json()

    identifier = made["decision_id"]
    read = other.get(f"/decisions/{identifier}").raise_for_status().json()
    page = other.get("/optimization-history").raise_for_status().json()
    assert read["decision_id"] == identifier
    assert identifier in str(page)


def test_a_lease_of_one_is_seen_and_released_through_the_other(
    replicas: list[httpx.Client],
) -> None:
    one, other = replicas
    asked = {"resources": {"memory": "64 MiB"}, "ttl_s": 600}

    lease = one.post("/allocate", json=asked).raise_for_status().json()

    identifier = lease["allocation_id"]
    assert identifier in other.get("/allocations").raise_for_status().text
    other.delete(f"/allocations/{identifier}").raise_for_status()
    assert identifier not in one.get("/allocations").raise_for_status().text


def test_of_two_servers_of_one_host_one_writes_its_samples(
    replicas: list[httpx.Client], url: str
) -> None:
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
