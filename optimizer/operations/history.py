"""The decisions that were made."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from optimizer.decisions.decision import Decision
from optimizer.decisions.keeper import DecisionKeeper
from optimizer.errors import NotFoundError

DecisionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class HistoryRequest(BaseModel):
    """How many decisions to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="Most decisions to list, 1 to 1000."
    )


class History(BaseModel):
    """The newest decisions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimization_history: tuple[Decision, ...] = Field(description="Newest first.")
    total: int = Field(description="How many decisions are kept.")


class DecisionRequest(BaseModel):
    """Which decision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision_id: DecisionId = Field(description="As optimize_resources answered it.")


async def list_decisions(request: HistoryRequest, *, keeper: DecisionKeeper) -> History:
    """The newest decisions and how many are kept.

    Raises:
        StorageError: The store cannot be read.
    """
    return History(
        optimization_history=await keeper.recent(request.limit), total=await keeper.count()
    )


async def get_decision(request: DecisionRequest, *, keeper: DecisionKeeper) -> Decision:
    """One decision.

    Raises:
        NotFoundError: It was never made, or is no longer kept.
        StorageError: The store cannot be read.
    """
    record = await keeper.find(request.decision_id)
    if record is None:
        raise no_such_decision(request.decision_id)
    return record.decision


def no_such_decision(decision_id: str) -> NotFoundError:
    """What to answer when a decision is not kept."""
    return NotFoundError(
        what="decision",
        name=decision_id,
        hint="the newest 1,000 are kept; GET /api/v1/optimization-history lists them",
    )
