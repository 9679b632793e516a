"""A store that several machines share, seen by one of them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from optimizer.monitoring.sample import Sample
from optimizer.operations.optimize import Policy
from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.prices import FARGATE
from optimizer.settings import Settings

GIB = 2**30


def sample(host: str, at: datetime) -> Sample:
    return Sample(
        host=host,
        timestamp=at,
        cpu_usage=40.0,
        memory_usage=50.0,
        storage_usage=10.0,
        cpu_cores=4,
        memory_bytes=8 * GIB,
        memory_used_bytes=4 * GIB,
        storage_bytes=100 * GIB,
    )


@pytest.fixture
async def optimizer() -> AsyncIterator[SequentialResourceOptimizer]:
    settings = Settings(database_url="sqlite:///:memory:", log_file="")
    async with SequentialResourceOptimizer(settings=settings) as optimizer:
        yield optimizer


async def test_a_global_decision_sees_the_machines_of_the_store_and_names_those_left_out(
    optimizer: SequentialResourceOptimizer,
) -> None:
    rooms, now = optimizer._rooms, datetime.now(UTC)
    await rooms.samples.add(sample("second", now))
    await rooms.samples.add(sample("gone", now - timedelta(hours=3)))

    states, unseen = await rooms.elsewhere.look(FARGATE, Policy())
    decision = await optimizer.optimize_resources({"scope": "global_level"}, False)

    assert {state.key for state in states} == {"cpu@second", "memory@second", "storage@second"}
    assert unseen.keys() == {"hosts.gone"}
    assert any("second" in assumption for assumption in decision.assumptions)
