"""What optimize_resources answers, and what is kept to explain it."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, NotRequired

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat
from typing_extensions import TypedDict

from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import Rules
from optimizer.decisions.request import OptimizationRequest, Scope
from optimizer.decisions.snapshot import Snapshot
from optimizer.thinking.question import Candidate, Reasoning

SCHEMA_VERSION = 1
"""Version of the stored shape of a decision and its inputs."""

Status = Literal["optimal", "feasible", "infeasible", "insufficient_data"]
ConfidenceBasis = Literal["forecast_backtest", "settled_decisions"]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConstraintCheck(_Noun):
    """One limit, and whether the decision holds it."""

    name: str
    limit: float | str
    actual: float | None = Field(description="The limited figure of the decision.")
    slack: float | None = Field(description="How far it is inside the limit; negative is broken.")
    unit: str
    held: bool | None = Field(description="null when it cannot be checked; then see reason.")
    reason: str | None = None


class Relaxation(_Noun):
    """A change of one limit that makes a decision possible, alone or with those beside it."""

    name: str
    limit: float
    needed: float | None = Field(description="null when no value of this limit alone is enough.")
    unit: str
    description: str


class Conflict(_Noun):
    """Limits that cannot all hold; leave out any one of the set and the rest can."""

    irreducible_set: tuple[str, ...]
    relaxations: tuple[Relaxation, ...] = Field(description="Of each of the set, alone.")
    together: tuple[Relaxation, ...] = Field(
        (), description="Where none is enough alone: values that are enough together."
    )


class ParetoPoint(_Noun):
    """One undominated choice of levels."""

    id: str
    amounts: Mapping[str, float] = Field(description="What changes, in the resource's unit.")
    cost_usd_month: float | None
    performance: float | None = Field(description="Improvement of the response time, in %.")
    reliability: float | None
    usd_month_to_next: float | None = Field(
        description="What the next dearer point costs more, in USD per month."
    )


class Verification(TypedDict):
    """What must be seen after a step."""

    metric: str
    op: Literal["<=", ">=", "==", "!="]
    value: float | str
    within_s: int


class ImplementationStep(TypedDict):
    """One step of a plan; subscriptable as in the reference document."""

    step: int
    action: str
    description: str
    estimated_duration: Annotated[str, Field(description='For example "10_minutes".')]
    duration_source: Literal["measured", "default"]
    target: str | None
    from_value: float | None
    to_value: float | None
    unit: str | None
    depends_on: list[int]
    rollback: str | None
    verify: Verification | None
    carried_out_by: Annotated[
        str,
        Field(
            description="What carries it out: an actuator, or `caller`; `operator` means advice."
        ),
    ]
    resources: NotRequired[
        Annotated[dict[str, str], Field(description="Of a reservation: what allocate takes.")]
    ]


class ThoughtFrame(_Noun):
    """What an agent that wants to think for itself chooses among."""

    question: str
    facts: tuple[str, ...] = Field(description="Measured, forecast and learnt, a sentence each.")
    candidates: tuple[Candidate, ...] = Field(description="As the solver ranks them, best first.")
    solver_says: str = Field(description="Why the solver ranks the first candidate first.")
    answer_with: str = Field(description="How the choice is handed in.")


class Decision(_Noun):
    """A plan for a scope that holds its limits, or names the conflict. null is unknown."""

    decision_id: str
    strategy: str = Field(description="The objective that was used.")
    scope: Scope
    status: Status
    estimated_cost: float | None = Field(description="USD per month (730 h) after the plan.")
    estimated_performance: float | None = Field(
        description="Improvement of the response time, in %."
    )
    estimated_reliability: float | None = Field(
        description="Reduction of the probability of exhaustion or failure, in %."
    )
    confidence_score: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = Field(
        description="Probability that all limits hold over the horizon; see confidence_basis."
    )
    implementation_plan: list[ImplementationStep]
    cost_delta: float | None = Field(
        description="USD per month more than no change, or than a lease of all that is free."
    )
    cost_bounds: tuple[float, float] | None = Field(
        None, description="Of estimated_cost, by the spread of prices and of expected attempts."
    )
    reliability: float | None = Field(
        description="Probability that nothing runs out and a request does not fail, at least "
        "(of few requests this is low though none failed); min_reliability limits it."
    )
    reliability_bounds: tuple[float, float] | None = Field(
        description="By the cautious and by the kindest reading of the evidence."
    )
    performance_bounds: tuple[float, float] | None = Field(
        description="The improvement, in %, over the forecast's 80 % band of CPU demand."
    )
    confidence_basis: ConfidenceBasis | None
    confidence_n: int | None = Field(description="Observations behind the confidence.")
    constraints: tuple[ConstraintCheck, ...]
    conflict: Conflict | None
    candidate_id: str | None = Field(description="The chosen levels; null when infeasible.")
    pareto: tuple[ParetoPoint, ...] = Field(max_length=20)
    reasoning: Reasoning
    objective_asked: str | None = Field(
        description="As the request named it; null when it did not."
    )
    objective_because: str = Field(description="Why this objective was used.")
    summary: str = Field(description="The decision in one or two sentences.")
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    unknown: Mapping[str, str] = Field(description="Why a figure is null, by its name.")
    inputs_hash: str = Field(description="SHA-256 of what it was computed from.")
    horizon_hours: int
    host: str
    created_at: AwareDatetime
    computed_at: AwareDatetime = Field(description="When the figures it starts from were measured.")
    thought_frame: ThoughtFrame | None = Field(
        None, description="With thinking=client: what you choose among; null once you have chosen."
    )
    next: str = Field(description="What to do now.")

    def text(self, rest: str | None = None) -> str:
        """As JSON: what is kept.

        Args:
            rest: It as JSON without `OWN`, where somebody made that once for all who ask the same.
        """
        if rest is None:
            return self.model_dump_json()
        own = self.model_dump_json(include=set(OWN))
        return f"{own[:-1]},{rest[1:]}"


OWN = frozenset({"decision_id", "created_at", "reasoning", "next"})
"""What differs between the decisions of those who ask the same of one state."""


class Inputs(_Noun):
    """Everything that a decision was computed from."""

    snapshot: Snapshot
    request: OptimizationRequest
    objective: str
    rules: Rules
    job: Job = NO_JOB

    def text(self, of_snapshot: str | None = None) -> str:
        """As JSON: what is kept, and what the hash is of.

        Args:
            of_snapshot: The snapshot as JSON, where somebody made that once for all who start from
                it.
        """
        if of_snapshot is None:
            return self.model_dump_json()
        rest = self.model_dump_json(exclude={"snapshot"})
        return f'{{"snapshot":{of_snapshot},{rest[1:]}'


class Record(_Noun):
    """A decision with its inputs, as it is kept."""

    decision: Decision
    inputs: Inputs


class Written(NamedTuple):
    """A record as JSON.

    Attributes:
        decision: The decision.
        inputs: What it was computed from.
    """

    decision: str
    inputs: str
