"""submit_choice: the agent that asked with thinking=client hands in what it chose."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Protocol

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field

from optimizer.decisions.answer import answer
from optimizer.decisions.asking import ask, chosen_by_client
from optimizer.decisions.decision import Decision, Record
from optimizer.decisions.explain import solved_again
from optimizer.decisions.focus import read_focus
from optimizer.decisions.keeper import DecisionKeeper
from optimizer.decisions.objectives import Objective
from optimizer.decisions.past import told
from optimizer.decisions.solve import judge
from optimizer.decisions.strategy import Meant
from optimizer.errors import InvalidRequestError
from optimizer.events import DecisionMade, EventBus
from optimizer.operations.history import DecisionId, no_such_decision
from optimizer.plugins import Registry
from optimizer.thinking.question import Recording, Thought
from optimizer.thinking.thoughts import clients_thoughts


class ChoiceRequest(BaseModel):
    """What an agent chose, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision_id: DecisionId = Field(description="A decision made with thinking=client.")
    candidate_id: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="One of the candidates of its thought_frame."
    )
    thought: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="Why, in a sentence or two."
    )


class Records(Protocol):
    """What this operation needs of the thinking room."""

    async def record(
        self, decision_id: str, thoughts: Sequence[Thought], *, budget: timedelta
    ) -> Recording:
        """Write further thoughts of a decision."""


async def submit_choice(
    request: ChoiceRequest,
    *,
    keeper: DecisionKeeper,
    objectives: Registry[Objective],
    thinker: Records,
    budget: timedelta,
    events: EventBus,
) -> Decision:
    """Judge an agent's choice as a language model's is judged, and keep what stands.

    Args:
        request: The choice.
        keeper: Where decisions are kept.
        objectives: The built-in ones and those of plug-ins.
        thinker: Records the agent's thought.
        budget: The most time that recording may take.
        events: Told that the decision changed.

    Returns:
        The decision, with the choice that stands now.

    Raises:
        NotFoundError: The decision was never made, or is no longer kept.
        InvalidRequestError: It does not wait for a choice; nothing was changed.
        StorageError: The store cannot be read or written.
    """
    record = await keeper.find(request.decision_id)
    if record is None:
        raise no_such_decision(request.decision_id)
    _check(record.decision)
    decided, inputs = record.decision, record.inputs
    solution = await anyio.to_thread.run_sync(solved_again, inputs, objectives[decided.strategy])
    known = told(inputs.snapshot.remembered, inputs.request.scope)
    question = ask(solution, decided.decision_id, known)
    ruling = judge(solution, request.candidate_id)
    stands = ruling.stands.id if ruling.stands else None
    further = clients_thoughts(
        question, decided.reasoning.thoughts, request.thought, stands, refusal=ruling.refusal
    )
    recording = await thinker.record(decided.decision_id, further, budget=budget)
    chosen = answer(
        solution,
        ruling.stands,
        chosen_by_client(
            decided.reasoning,
            question,
            request.candidate_id,
            further=further,
            recording=recording,
            refusal=ruling.refusal,
        ),
        decision_id=decided.decision_id,
        meant=Meant(decided.strategy, decided.objective_because),
        focus=read_focus(inputs.request.constraints, inputs.snapshot, inputs.job),
        inputs=inputs,
        created_at=decided.created_at,
        further_warnings=(ruling.refusal,) if ruling.refusal else (),
    )
    await keeper.replace(Record(decision=chosen, inputs=inputs))
    events.publish(DecisionMade(at=chosen.created_at, decision_id=chosen.decision_id))
    return chosen


def _check(decision: Decision) -> None:
    if decision.thought_frame is None:
        raise InvalidRequestError(
            f"decision {decision.decision_id} waits for no choice (its reasoning.path is "
            f"{decision.reasoning.path}); ask optimize_resources with thinking=client, and choose "
            "once. Nothing was changed",
            field="decision_id",
        )
