"""The thinker answers within its budget, and says truly how."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import pytest

from optimizer.errors import McpServerError
from optimizer.thinking.page import Page
from optimizer.thinking.question import Thought
from optimizer.thinking.scratchpad import EmbeddedScratchpad
from optimizer.thinking.thinker import Thinker, solver_alone

from .questions import question

BUDGET = timedelta(seconds=100)


class FakePage:
    """Takes some thoughts, then fails or hangs."""

    kind = "stdio"
    stands_in = None

    def __init__(self, after: int, then: Callable[[], Awaitable[None]]) -> None:
        self._left = after
        self._then = then
        self.written: list[Thought] = []

    async def write(self, thought: Thought, *, total: int, within: timedelta) -> None:
        if self._left == 0:
            await self._then()
        self._left -= 1
        self.written.append(thought)


class FakeScratchpad:
    name = "fake"
    warnings: tuple[str, ...] = ()

    def __init__(self, page: FakePage) -> None:
        self._page = page

    @asynccontextmanager
    async def page(self, decision_id: str, *, within: timedelta) -> AsyncIterator[Page]:
        yield self._page  # type: ignore[misc]

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def down() -> None:
    raise McpServerError(server="npm", problem="closed", detail="it went away")


def heard(thoughts: list[Thought]) -> Callable[[Thought], Awaitable[None]]:
    async def listen(thought: Thought) -> None:
        thoughts.append(thought)

    return listen


async def test_a_chain_goes_through_the_scratchpad_and_is_told_thought_by_thought() -> None:
    scratchpad = EmbeddedScratchpad()
    told: list[Thought] = []
    async with Thinker(scratchpad) as thinker:
        verdict = await thinker.think(question(dropped=1), budget=BUDGET, on_thought=heard(told))

    assert verdict.candidate_id == "c0"
    assert verdict.reasoning.path == "scratchpad+solver"
    assert verdict.reasoning.scratchpad == "embedded"
    assert verdict.reasoning.warnings == ()
    assert tuple(told) == verdict.reasoning.thoughts
    assert scratchpad.history.thoughts("d-1") == tuple(thought.text for thought in told)


async def test_a_scratchpad_that_goes_down_midway_leaves_the_thoughts_in_memory() -> None:
    page = FakePage(3, down)
    told: list[Thought] = []
    verdict = await Thinker(FakeScratchpad(page)).think(
        question(), budget=BUDGET, on_thought=heard(told)
    )

    assert len(page.written) == 3
    assert len(told) == len(verdict.reasoning.thoughts) == 6
    assert verdict.candidate_id == "c0"
    assert verdict.reasoning.path == "solver_without_scratchpad"
    assert verdict.reasoning.scratchpad == "none"
    assert verdict.reasoning.warnings == ("scratchpad_closed",)


@pytest.mark.parametrize("budget", [timedelta(0), timedelta(milliseconds=20)])
async def test_a_hanging_scratchpad_does_not_outlast_the_budget(budget: timedelta) -> None:
    page = FakePage(1, anyio.sleep_forever)

    with anyio.fail_after(60):
        verdict = await Thinker(FakeScratchpad(page)).think(question(), budget=budget)

    assert verdict.candidate_id == "c0"
    assert len(verdict.reasoning.thoughts) == 6
    assert verdict.reasoning.path == "solver_without_scratchpad"
    assert verdict.reasoning.warnings == ("thinking_budget_spent",)


async def test_a_listener_that_fails_or_hangs_does_not_stop_the_answer() -> None:
    async def fails(thought: Thought) -> None:
        raise ValueError(thought.text)

    async def hangs(thought: Thought) -> None:
        await anyio.sleep_forever()

    async with Thinker(EmbeddedScratchpad()) as thinker:
        failed = await thinker.think(question(), budget=BUDGET, on_thought=fails)
        hung = await thinker.think(question(), budget=timedelta(milliseconds=50), on_thought=hangs)

    assert failed.reasoning.path == "scratchpad+solver"
    assert hung.candidate_id == "c0"
    assert hung.reasoning.warnings == ("thinking_budget_spent",)


async def test_a_cancelled_caller_is_cancelled_and_the_next_one_is_served() -> None:
    is_stuck = True

    async def sticks() -> None:
        if is_stuck:
            await anyio.sleep_forever()

    thinker = Thinker(FakeScratchpad(FakePage(1, sticks)))
    with anyio.move_on_after(0) as scope:
        await thinker.think(question(), budget=BUDGET)
    is_stuck = False
    verdict = await thinker.think(question("d-2"), budget=BUDGET)

    assert scope.cancelled_caught
    assert verdict.reasoning.path == "scratchpad+solver"


async def test_a_closed_thinker_opens_again() -> None:
    thinker = Thinker(EmbeddedScratchpad())
    for turn in range(2):
        verdict = await thinker.think(question(f"d-{turn}"), budget=BUDGET)
        assert verdict.reasoning.path == "scratchpad+solver"
        await thinker.close()
        await thinker.close()


def test_a_thinker_serves_several_event_loops_closed_or_not() -> None:
    thinker = Thinker(EmbeddedScratchpad())

    async def think(close: bool) -> str:
        verdict = await thinker.think(question(), budget=BUDGET)
        if close:
            await thinker.close()
        return verdict.reasoning.path

    paths = [asyncio.run(think(close)) for close in (False, True, False)]

    assert paths == ["scratchpad+solver"] * 3


async def test_a_hundred_decisions_at_once_are_all_recorded() -> None:
    verdicts = []
    async with Thinker(EmbeddedScratchpad()) as thinker, anyio.create_task_group() as tasks:

        async def think(turn: int) -> None:
            verdicts.append(await thinker.think(question(f"d-{turn}"), budget=BUDGET))

        for turn in range(100):
            tasks.start_soon(think, turn)

    assert {verdict.reasoning.path for verdict in verdicts} == {"scratchpad+solver"}


async def test_a_question_without_candidates_has_no_choice() -> None:
    async with Thinker(EmbeddedScratchpad()) as thinker:
        verdict = await thinker.think(question(candidates=0, dropped=2), budget=BUDGET)

    assert verdict.candidate_id is None
    assert verdict.reasoning.path == "scratchpad+solver"


def test_without_thinking_the_solver_answers_alone() -> None:
    verdict = solver_alone(question())

    assert verdict.candidate_id == "c0"
    assert verdict.reasoning.path == "solver_only:off"
    assert verdict.reasoning.thoughts == ()
