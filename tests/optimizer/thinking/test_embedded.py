"""The embedded server keeps the contract of the npm server, and more apart than it."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest
from mcp_types import CallToolResult, RequestParamsMeta, TextContent, Tool

from optimizer.errors import McpServerError
from optimizer.mcp_client.connection import Connection, Target, connect
from optimizer.mcp_client.process import Command
from optimizer.thinking.embedded import DECISION_KEY, TOOL, ThoughtHistory, embedded_server
from tests import node

SOON = timedelta(seconds=30)


def thought(number: object = 1, total: object = 3, **more: object) -> dict[str, Any]:
    return {
        "thought": "cpu is 71.5 %",
        "nextThoughtNeeded": True,
        "thoughtNumber": number,
        "totalThoughts": total,
    } | more


EXCHANGE = [
    thought(),
    thought(2, 3, isRevision=True, revisesThought=1),
    thought(3, 3, branchFromThought=1, branchId="runner-up"),
    thought(4, 3, nextThoughtNeeded=False),
    thought(5, 5, branchFromThought=2, branchId="other", needsMoreThoughts=True),
    thought("6", "7", nextThoughtNeeded="false"),
    thought(7, 7, branchId="without a beginning"),
    thought(8, 8, nextThoughtNeeded="TRUE"),
]

BAD = [
    {},
    thought(0),
    thought(1.5),
    thought(nextThoughtNeeded="maybe"),
    thought(revisesThought=0),
    thought() | {"thought": 7},
]


def texts(answer: CallToolResult) -> list[Any]:
    """The answer's texts, which are JSON."""
    return [json.loads(part.text) for part in answer.content if isinstance(part, TextContent)]


async def play(target: Target) -> tuple[Tool, list[CallToolResult]]:
    async with connect(target, within=SOON) as connection:
        [tool] = await connection.tools(within=SOON)
        return tool, [
            await connection.call(TOOL, arguments, within=SOON) for arguments in EXCHANGE + BAD
        ]


async def test_the_embedded_server_answers_as_the_npm_server_does() -> None:
    npm_tool, npm = await play(Command(node.sequential_thinking()))
    tool, ours = await play(embedded_server(ThoughtHistory()))

    assert [answer.structured_content for answer in ours] == [
        answer.structured_content for answer in npm
    ]
    assert [texts(answer) for answer in ours[: len(EXCHANGE)]] == [
        texts(answer) for answer in npm[: len(EXCHANGE)]
    ]
    assert [answer.is_error for answer in ours] == [answer.is_error for answer in npm]
    assert tool.name == npm_tool.name
    assert tool.annotations == npm_tool.annotations
    for schema, npm_schema in [
        (tool.input_schema, npm_tool.input_schema),
        (tool.output_schema, npm_tool.output_schema),
    ]:
        assert schema is not None
        assert npm_schema is not None
        assert set(schema["properties"]) == set(npm_schema["properties"])
        assert set(schema["required"]) == set(npm_schema["required"])


async def record(connection: Connection, decision: str, text: str) -> CallToolResult:
    meta = cast("RequestParamsMeta", {DECISION_KEY: decision})
    arguments = thought() | {"thought": text}
    return await connection.call(TOOL, arguments, within=SOON, meta=meta)


async def test_each_decision_has_its_own_history() -> None:
    history = ThoughtHistory()
    async with connect(embedded_server(history), within=SOON) as connection:
        await record(connection, "a", "one")
        await record(connection, "b", "two")
        answer = await record(connection, "a", "three")

    assert answer.structured_content is not None
    assert answer.structured_content["thoughtHistoryLength"] == 2
    assert history.thoughts("a") == ("one", "three")
    assert history.thoughts("b") == ("two",)
    assert history.thoughts("c") == ()


async def test_the_decision_written_to_longest_ago_is_forgotten_first() -> None:
    history = ThoughtHistory(max_decisions=2)
    async with connect(embedded_server(history), within=SOON) as connection:
        for decision in ("a", "b", "a", "c"):
            await record(connection, decision, "x")

    assert len(history) == 2
    assert history.thoughts("b") == ()
    assert len(history.thoughts("a")) == 2


async def test_a_decision_has_only_so_many_thoughts_of_only_so_many_characters() -> None:
    async with connect(embedded_server(ThoughtHistory(max_thoughts=1)), within=SOON) as connection:
        await record(connection, "a", "x")
        second = await record(connection, "a", "x")
        long = await record(connection, "b", "x" * 8193)

    assert second.is_error
    assert long.is_error


async def test_another_tool_is_refused() -> None:
    async with connect(embedded_server(ThoughtHistory()), within=SOON) as connection:
        with pytest.raises(McpServerError, match="there is no tool 'think'"):
            await connection.call("think", {}, within=SOON)
