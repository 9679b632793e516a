"""Why a decision fell as it did, what was thought, and what it changed."""

from typing import Protocol

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field

from optimizer.decisions.application import Application
from optimizer.decisions.explain import Explanation, ExplanationDetail, explain
from optimizer.decisions.keeper import DecisionKeeper
from optimizer.decisions.objectives import Objective
from optimizer.operations.history import DecisionId, no_such_decision
from optimizer.plugins import Registry


class ExplainRequest(BaseModel):
    """Which decision, and what about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision_id: DecisionId = Field(description="As optimize_resources answered it.")
    detail: ExplanationDetail = Field(
        "why",
        description="why: reasons, runners-up, what would flip it; thoughts: the chain of "
        "thoughts; effect: what it changed.",
    )


class Applied(Protocol):
    """What is needed of what carries decisions out."""

    async def find(self, decision_id: str) -> Application | None:
        """What became of a decision; None when it was not carried out."""


async def explain_decision(
    request: ExplainRequest,
    *,
    keeper: DecisionKeeper,
    objectives: Registry[Objective],
    applications: Applied | None = None,
) -> Explanation:
    """Explain a kept decision from its stored inputs.

    Args:
        request: Which decision, and what about it.
        keeper: Where decisions are kept.
        objectives: The built-in ones and those of plug-ins.
        applications: What became of decisions; None where none is carried out.

    Raises:
        NotFoundError: The decision was never made, or is no longer kept.
        StorageError: The store cannot be read.
    """
    record = await keeper.find(request.decision_id)
    if record is None:
        raise no_such_decision(request.decision_id)
    name = record.decision.strategy
    is_installed = name in objectives
    objective = objectives[name] if is_installed else None
    application = None
    if request.detail == "effect" and applications is not None:
        application = await applications.find(request.decision_id)
    return await anyio.to_thread.run_sync(explain, record, request.detail, objective, application)
