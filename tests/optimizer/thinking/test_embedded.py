"""The embedded server counts as the npm server does, keeps decisions apart, and stays small."""

from datetime import timedelta

import pytest

from optimizer.errors import McpServerError
from optimizer.mcp_client.connection import connect
from optimizer.mcp_client.process import Command
from optimizer.thinking.embedded import EmbeddedPage, ThoughtHistory
from optimizer.thinking.page import TOOL, tool_arguments
from optimizer.thinking.question import Thought
from optimizer.thinking.thoughts import chain_of_thoughts
from tests import node

from .questions import question

SOON = timedelta(seconds=60)


def thought(number: int = 1, text: str = "cpu is 71.5 %", **more: object) -> Thought:
    return Thought.model_validate({"number": number, "kind": "assess", "text": text} | more)


async def test_the_embedded_server_counts_as_the_npm_server_does() -> None:
    history = ThoughtHistory()
    written = [
        *((one, 8) for one in chain_of_thoughts(question(dropped=2))),
        (thought(9), 3),
        (thought(10, branch_from=2, branch_id="another"), 12),
        (thought(11, branch_from=3, branch_id="another"), 12),
        (thought(12, branch_id="from nowhere"), 12),
    ]

    async with connect(Command(node.sequential_thinking()), within=SOON) as connection:
        for one, total in written:
            answer = await connection.call(TOOL, tool_arguments(one, total), within=SOON)
            count = history.record("d-1", one, total=total)
            assert answer.structured_content == {
                "thoughtNumber": count.number,
                "totalThoughts": count.total,
                "nextThoughtNeeded": one.number < total,
                "branches": list(count.branches),
                "thoughtHistoryLength": count.held,
            }

    assert count.branches == ("d-1:c1", "another")


def test_each_decision_has_its_own_history() -> None:
    history = ThoughtHistory()
    history.record("a", thought(text="one"), total=2)
    history.record("b", thought(text="two"), total=2)

    assert history.record("a", thought(2, text="three"), total=2).held == 2
    assert history.thoughts("a") == ("one", "three")
    assert history.thoughts("b") == ("two",)
    assert history.thoughts("c") == ()


def test_the_decision_written_to_longest_ago_is_forgotten_first() -> None:
    history = ThoughtHistory(max_decisions=2)
    for decision in ("a", "b", "a", "c"):
        history.record(decision, thought(), total=2)

    assert len(history) == 2
    assert history.thoughts("b") == ()
    assert len(history.thoughts("a")) == 2


async def test_a_decision_has_only_so_many_thoughts() -> None:
    page = EmbeddedPage(ThoughtHistory(max_thoughts=1), "a")
    await page.write(thought(), total=2, within=SOON)

    with pytest.raises(McpServerError, match="may have 1 thoughts"):
        await page.write(thought(2), total=2, within=SOON)
