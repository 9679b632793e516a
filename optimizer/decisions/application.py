"""A decision that was carried out: which steps, with what outcome, and how to take them back."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.decisions.effects import Effect

StepState = Literal[
    "would_run",
    "done",
    "held",
    "advice",
    "failed",
    "skipped",
    "rolled_back",
    "rollback_failed",
]
"""would_run: rehearsed; held: changes nothing, and what has to hold does; advice: nothing here can
carry it out."""

ApplicationState = Literal["rehearsed", "refused", "verifying", "applied", "rolled_back", "advice"]
"""rehearsed: nothing was touched; refused: a step could not be carried out and nothing was touched;
verifying: carried out, its predicates are watched; advice: the plan changes nothing that this
machine can carry out."""


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepOutcome(_Noun):
    """What became of one step."""

    step: int
    action: str
    target: str | None
    state: StepState
    detail: str
    seconds: float | None = Field(None, description="How long it took; null where nothing ran.")


class Application(_Noun):
    """A decision carried out, or tried."""

    decision_id: str
    state: ApplicationState
    steps: tuple[StepOutcome, ...]
    principal: str | None = Field(None, description="Who had it carried out.")
    applied_at: AwareDatetime | None = Field(None, description="When the first step began.")
    seconds: float | None = Field(None, description="How long carrying out took.")
    verified_by: AwareDatetime | None = Field(
        None, description="When its predicates will be judged."
    )
    settled_at: AwareDatetime | None = Field(None, description="When they were.")
    effect: Effect | None = Field(None, description="What it changed; null until it is measured.")
    because: str = Field("", description="Why it was refused or taken back.")
    next: str = Field(description="What to do now.")
