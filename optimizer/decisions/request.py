"""What is asked of optimize_resources."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_validator

Scope = Literal["task_level", "session_level", "system_level", "global_level"]
Detail = Literal["brief", "full"]
Thinking = Literal["off", "server", "client"]

SCOPES: dict[Scope, str] = {
    "task_level": "one task's lease out of what is free, its route, MCP servers and validation",
    "session_level": "the same; what your leases cost and spent counts against max_cost",
    "system_level": "leases, quotas, budgets and capacity of this machine, and when its work runs",
    "global_level": "the same over every host in the store, and which host a lease is on",
}
"""The scopes and what each may move."""

SCOPE_ALIASES: dict[str, Scope] = {
    "task": "task_level",
    "session": "session_level",
    "system": "system_level",
    "global": "global_level",
}
"""What the neighbours call the scopes."""

Number = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]

Amount = Annotated[
    Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
    | Annotated[str, Field(min_length=1, max_length=64)],
    Field(description="A number is % of the machine; a unit makes it absolute."),
]


def refuse_unknown(value: Any, model: type[BaseModel], *, what: str) -> Any:
    """Pass a mapping through unless it has a key that the model has not.

    Args:
        value: What is about to be validated; only mappings are looked at.
        model: The model whose fields are the allowed keys.
        what: What a key is called in the message.

    Raises:
        ValueError: There is such a key; the message names the nearest allowed one, or all.
    """
    if not isinstance(value, Mapping):
        return value
    known = list(model.model_fields)
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}."
            raise ValueError(f"there is no {what} {str(key)[:60]!r}; {hint} Nothing was changed.")
    return value


class Constraints(BaseModel):
    """The limits that a decision must hold; one that is left out limits nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_cost: Number | None = Field(
        None, description="Most that the whole scope may cost, in USD per month (730 h)."
    )
    min_reliability: Annotated[Number, Field(le=1)] | None = Field(
        None,
        description="Least probability, 0 to 1, that nothing runs out and no request fails "
        "within the forecast horizon.",
    )
    max_resource_increase: Number | None = Field(
        None, description="Most that a resource may grow, as a fraction: 0.5 is 50 %."
    )
    max_latency_ms: Number | None = Field(
        None, description="Longest mean response time, in milliseconds."
    )
    min_performance: Annotated[float, Field(strict=True, le=100, allow_inf_nan=False)] | None = (
        Field(
            None,
            description="Least improvement of the response time, in %; negative allows slower.",
        )
    )
    focus: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Only this resource, or the workload of this label, may be moved."
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        return refuse_unknown(value, cls, what="constraint")


class Task(BaseModel):
    """What one task may choose beside its lease; a choice whose options are not given is absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    available_systems: Annotated[list[dict[str, Any]], Field(max_length=20)] = Field(
        default_factory=list,
        description="Where the task can go, as in analyze_system_routing: id, cost_usd, and what "
        "is known of latency_ms, success_rate, quality. The first is what you would do.",
    )
    available_mcps: Annotated[list[dict[str, Any]], Field(max_length=100)] = Field(
        default_factory=list,
        description="MCP servers, as in analyze_mcp_selection. Without any, and with "
        "requirements.task, those of sro://catalog.",
    )
    strategies: Annotated[list[dict[str, Any]], Field(max_length=8)] = Field(
        default_factory=list,
        description="Ways to validate, as in analyze_validation_strategies: id, cycle_cost_usd, "
        "detection, cycle_latency_ms, repeats, max_cycles.",
    )
    requirements: dict[str, Any] = Field(
        default_factory=dict,
        description="What those three analyses take: task (words), capabilities, mode, "
        "max_attempts, prior_error, max_cycles, max_escaped, budget (USD of each), ...",
    )
    needs: dict[Literal["cpu", "memory"], Amount] = Field(
        default_factory=dict,
        description="The most that the task uses, as in allocate: {cpu: 2 cores, memory: 3 GiB}. "
        "Without it the work is taken to need what the leases of constraints.focus were seen to "
        "use, else what this machine uses.",
    )
    work_s: Number | None = Field(
        None,
        description="Seconds that the task itself computes on the cpu that it needs, else on all "
        "that is free; then its lease is charged for that long, else for the whole month.",
    )
    times_per_month: Annotated[Number, Field(le=1e9)] = Field(
        1.0, description="How often it is done, for the cost per month."
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        return refuse_unknown(value, cls, what="member of task")


class OptimizationRequest(BaseModel):
    """Which scope to optimise, for what, under which limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Scope = Field("system_level", description="What may be moved.")
    primary_objective: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None,
        description="What to optimise for: balanced_optimization, performance_maximization, "
        "cost_minimization, reliability_optimization, emergency, or an installed strategy. "
        "By default the configured one.",
    )
    constraints: Constraints = Field(Constraints(), description="Limits that must hold.")
    task: Task | None = Field(
        None, description="At task and session level: what else may be chosen for the task."
    )
    use_sequential_thinking: StrictBool | None = Field(
        None,
        description="Whether the decision is thought over, and its thoughts are kept: true is "
        "thinking=server, false thinking=off. By default true.",
    )
    thinking: Thinking | None = Field(
        None,
        description="Who thinks it over: off is nobody; server is this server and its language "
        "model, if it has one; client is you, who then answer with submit_choice. Goes "
        "before use_sequential_thinking.",
    )
    context: Annotated[str, Field(max_length=2000)] = Field(
        "",
        description="What no figure shows, in words: maintenance windows, seasons, contracts. Only "
        "whoever thinks the decision over reads it; it moves no limit.",
    )
    detail: Detail = Field("brief", description="How much of the decision is shown.")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        return refuse_unknown(value, cls, what="argument")

    @model_validator(mode="after")
    def _a_task_has_a_lease(self) -> Self:
        if self.task is not None and self.scope not in ("task_level", "session_level"):
            raise ValueError(
                f"task is for scope task_level or session_level; {self.scope} moves machines. "
                "Leave task out, or change the scope. Nothing was decided."
            )
        return self

    @property
    def thinks(self) -> Thinking:
        """Who thinks the decision over."""
        return self.thinking or ("off" if self.use_sequential_thinking is False else "server")

    @field_validator("scope", mode="before")
    @classmethod
    def _scope_alias(cls, value: object) -> object:
        return SCOPE_ALIASES.get(value, value) if isinstance(value, str) else value
