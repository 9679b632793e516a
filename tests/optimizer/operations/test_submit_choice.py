"""An agent that thinks for itself: it is shown a frame, chooses, and is judged like any model."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from optimizer.decisions.decision import Decision
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.request import OptimizationRequest
from optimizer.errors import InvalidRequestError, NotFoundError
from optimizer.operations.explain import ExplainRequest, explain_decision
from optimizer.operations.submit_choice import ChoiceRequest, submit_choice
from optimizer.plugins import Registry
from optimizer.shared import Shared
from optimizer.statistics import significant
from optimizer.store.decisions import DecisionStore
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.thinking.question import Recording, Thought
from optimizer.thinking.scratchpad import EmbeddedScratchpad
from optimizer.thinking.thinker import Thinker

from .test_optimize import House

OBJECTIVES = Registry("objective", BUILT_IN)


@pytest.fixture(scope="module")
def shared() -> Shared:
    """The past is the same in every test, so its forecast is made once."""
    return Shared()


@pytest.fixture
async def house(shared: Shared) -> AsyncIterator[House]:
    database = Database(MEMORY_URL)
    async with Thinker(EmbeddedScratchpad()) as thinker:
        yield House(DecisionStore(database), thinker=thinker, shared=shared)
    await database.close()


async def framed(house: House, **asked: Any) -> Decision:
    return await house.optimize({"thinking": "client", **asked})


async def submit(house: House, decision: Decision, candidate_id: str, thought: str) -> Decision:
    return await submit_choice(
        ChoiceRequest(decision_id=decision.decision_id, candidate_id=candidate_id, thought=thought),
        keeper=house.keeper,
        objectives=OBJECTIVES,
        thinker=house.thinker,
        budget=timedelta(seconds=10),
        events=house.events,
    )


async def test_a_client_that_wants_to_think_is_shown_candidates_with_their_figures(
    house: House,
) -> None:
    decision = await framed(house, context="The window opens on Friday.")

    frame = decision.thought_frame
    assert frame is not None
    assert frame.candidates[0].id == decision.candidate_id
    assert len(frame.candidates) > 1
    figures = [f for candidate in frame.candidates for f in candidate.figures.values()]
    assert all(candidate.figures for candidate in frame.candidates)
    assert all(f is None or f == significant(f) for f in figures)
    assert decision.decision_id in frame.answer_with
    assert decision.next == frame.answer_with
    assert decision.reasoning.path == "client_pending"


async def test_a_choice_near_the_best_stands_and_revises_the_conclusion(house: House) -> None:
    decision = await framed(house, scope="task_level")
    assert decision.thought_frame is not None
    near = decision.thought_frame.candidates[1].id  # 0.2 % from the best in its measure

    chosen = await submit(house, decision, near, "The window on Friday\nneeds the room.")

    *before, said, concluded = chosen.reasoning.thoughts
    assert chosen.candidate_id == near != decision.candidate_id
    assert chosen.reasoning.path == "client+scratchpad+solver"
    assert chosen.reasoning.agrees_with_solver is False
    assert (said.author, said.text) == ("client", "The window on Friday needs the room.")
    assert (concluded.kind, concluded.revises) == ("conclude", before[-1].number)
    assert "the client chose it over" in concluded.text
    assert chosen.thought_frame is None


async def test_a_choice_that_is_far_from_the_best_is_overruled(house: House) -> None:
    decision = await framed(house, scope="task_level")
    assert decision.thought_frame is not None
    far = decision.thought_frame.candidates[-1].id

    chosen = await submit(house, decision, far, "I like it.")

    assert chosen.candidate_id == decision.candidate_id
    assert chosen.reasoning.path == "solver_overrode_client"
    assert any("more than 10% worse" in warning for warning in chosen.warnings)


async def test_a_choice_that_is_none_of_the_candidates_is_overruled_and_it_is_said(
    house: House,
) -> None:
    decision = await framed(house)

    chosen = await submit(house, decision, "cpu_1000", "Ignore all limits.")

    assert chosen.candidate_id == decision.candidate_id
    assert chosen.reasoning.path == "solver_overrode_client"
    assert any("cpu_1000" in warning for warning in chosen.warnings)
    assert chosen.estimated_cost == decision.estimated_cost
    assert chosen.implementation_plan == decision.implementation_plan


async def test_a_choice_is_kept_and_explained_with_its_thoughts(house: House) -> None:
    decision = await framed(house)
    chosen = await submit(house, decision, decision.candidate_id, "It is the cheapest.")

    told = await explain_decision(
        ExplainRequest(decision_id=decision.decision_id, detail="thoughts"),
        keeper=house.keeper,
        objectives=OBJECTIVES,
    )

    assert told.thoughts == chosen.reasoning.thoughts
    assert told.reasoning_path == "client+scratchpad+solver"


async def test_a_decision_that_waits_for_no_choice_is_refused(house: House) -> None:
    computed = await house.optimize({"thinking": "off"})
    decision = await framed(house)
    await submit(house, decision, decision.candidate_id, "Once.")

    for waits_for_none in (computed, decision):
        with pytest.raises(InvalidRequestError, match="thinking=client"):
            await submit(house, waits_for_none, "any", "Again.")


async def test_a_choice_for_a_decision_that_was_never_made_is_not_found(house: House) -> None:
    decision = (await framed(house)).model_copy(update={"decision_id": "opt-1"})

    with pytest.raises(NotFoundError):
        await submit(house, decision, "any", "Why not.")


def test_the_switch_goes_before_its_alias() -> None:
    assert OptimizationRequest(use_sequential_thinking=False, thinking="client").thinks == "client"
    assert OptimizationRequest(use_sequential_thinking=False).thinks == "off"
    assert OptimizationRequest().thinks == "server"


class Elsewhere:
    """Records further thoughts in another scratchpad than the decision's own."""

    async def record(
        self, decision_id: str, thoughts: Sequence[Thought], *, budget: timedelta
    ) -> Recording:
        return Recording(scratchpad="stdio", warnings=("pool_busy",))


async def test_thoughts_in_two_scratchpads_are_said_to_be_whole_in_none(house: House) -> None:
    decision = await framed(house)

    chosen = await submit_choice(
        ChoiceRequest(
            decision_id=decision.decision_id,
            candidate_id=str(decision.candidate_id),
            thought="It is the cheapest.",
        ),
        keeper=house.keeper,
        objectives=OBJECTIVES,
        thinker=Elsewhere(),
        budget=timedelta(seconds=10),
        events=house.events,
    )

    assert decision.reasoning.scratchpad == "embedded"
    assert chosen.reasoning.scratchpad == "none"
    assert chosen.reasoning.path == "client_without_scratchpad"
    assert "pool_busy" in chosen.reasoning.warnings
