"""OpenTelemetry: the SDK's middleware makes a span of each MCP request once somebody listens."""

from collections.abc import Iterator

import pytest
from mcp import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server.mcp_surface import create_mcp_surface
from tests.doors.fakes import FakeOptimizer


@pytest.fixture(scope="module")
def spans() -> Iterator[InMemorySpanExporter]:
    """What an operator's exporter would get; OpenTelemetry takes one provider a process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    provider.shutdown()


async def test_a_tool_call_is_a_span_with_the_tool_in_its_name(
    spans: InMemorySpanExporter, optimizer: FakeOptimizer
) -> None:
    surface = create_mcp_surface(optimizer, lasting=False)

    async with Client(surface.server) as client:
        await client.call_tool("get_health", {})

    assert any("get_health" in span.name for span in spans.get_finished_spans())
