"""A decision that was carried out: which steps, with what outcome, and how to take them back."""

from collections.abc import Sequence
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

ApplicationState = Literal[
    "rehearsed",
    "refused",
    "verifying",
    "applied",
    "rolled_back",
    "rollback_failed",
    "advice",
]
"""rehearsed: nothing was touched; refused: a step could not be carried out and nothing was touched;
verifying: carried out, its predicates are watched; rollback_failed: a step of it could not be taken
back; advice: the plan changes nothing that this machine can carry out."""


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


def taken_back(outcomes: Sequence[StepOutcome]) -> ApplicationState:
    """The state of a decision whose steps were taken back, as far as they could be."""
    return "rollback_failed" if _stuck(outcomes) else "rolled_back"


def what_is_back(outcomes: Sequence[StepOutcome]) -> str:
    """What was taken back, and what somebody has to take back by hand."""
    stuck = _stuck(outcomes)
    if not stuck:
        return "what had been done was taken back"
    steps = f"step {stuck[0]}" if len(stuck) == 1 else f"steps {', '.join(map(str, stuck))}"
    return f"{steps} could not be taken back: see why in its detail, and take it back by hand"


def _stuck(outcomes: Sequence[StepOutcome]) -> list[int]:
    return [outcome.step for outcome in outcomes if outcome.state == "rollback_failed"]
