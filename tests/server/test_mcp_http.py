"""Whether an MCP answer over HTTP comes in one piece or as a stream."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from optimizer.settings import Settings
from server.gate import Gate
from server.mcp_http import McpEndpoint
from server.mcp_surface import create_mcp_surface
from server.security import BearerToken
from server.transport import BoundedBody
from tests.doors.fakes import FakeOptimizer

MODERN = "2026-07-28"
ERAS = ("2025-06-18", "2025-11-25", MODERN)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    surface = create_mcp_surface(FakeOptimizer(), lasting=False)
    endpoint = McpEndpoint(surface.server)
    app = BearerToken(BoundedBody(endpoint), gate=Gate(Settings()))
    transport = httpx.ASGITransport(app=app)
    async with endpoint.running(), httpx.AsyncClient(transport=transport) as client:
        yield client


async def call(client: httpx.AsyncClient, era: str, **meta: Any) -> httpx.Response:
    if era == MODERN:
        meta |= {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    params = {"name": "optimize_resources", "arguments": {}, "_meta": meta}
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": era,
        "mcp-method": "tools/call",
        "mcp-name": "optimize_resources",
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return await client.post("http://localhost/mcp", json=body, headers=headers)


@pytest.mark.parametrize("era", ERAS)
async def test_who_asks_for_no_news_is_answered_in_one_piece(
    client: httpx.AsyncClient, era: str
) -> None:
    response = await call(client, era)

    assert response.headers["content-type"].startswith("application/json")
    assert response.json()["result"]["structuredContent"]["decision_id"]


@pytest.mark.parametrize("era", ERAS)
async def test_who_asks_for_progress_hears_it_before_the_answer(
    client: httpx.AsyncClient, era: str
) -> None:
    response = await call(client, era, progressToken="mine")

    assert response.headers["content-type"].startswith("text/event-stream")
    assert "notifications/progress" in response.text
    assert response.text.index("notifications/progress") < response.text.index("decision_id")
