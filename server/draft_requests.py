"""Stand-ins for the request models until the rooms bring theirs."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class Limits(BaseModel):
    """Limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_cost: FiniteFloat | None = None


class _R(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HealthRequest(_R):
    """HealthRequest."""

    host: str | None = Field(None, description="Machine to ask about; this one by default.")


class MetricsRequest(_R):
    """MetricsRequest."""

    pass


class ForecastRequest(_R):
    """ForecastRequest."""

    horizon_hours: Annotated[int, Field(ge=1, le=168)] = Field(24, description="Hours ahead.")
    metrics: tuple[str, ...] | None = Field(
        None, description="Metrics to forecast; cpu_usage and memory_usage by default."
    )
    detail: Literal["summary", "hourly"] = Field(
        "summary", description="summary: peaks and quiet windows; hourly: every hour."
    )
    host: str | None = Field(None, description="Machine to ask about; this one by default.")


class OptimizeRequest(_R):
    """OptimizeRequest."""

    scope: Literal["task_level", "session_level", "system_level", "global_level"] = "system_level"
    primary_objective: str | None = None
    constraints: Limits = Limits()
    use_sequential_thinking: bool = False
    detail: Literal["brief", "full"] = "brief"


class ExplainRequest(_R):
    """ExplainRequest."""

    decision_id: str
    detail: Literal["why", "thoughts", "effect"] = "why"


class SelectRequest(_R):
    """SelectRequest."""

    available_mcps: list[dict[str, Any]] = Field(min_length=1, max_length=1000)
    task_requirements: dict[str, Any] = Field(default_factory=dict)
    mode: Literal["single", "fallback_chain", "set"] = "single"


class AllocateRequest(_R):
    """AllocateRequest."""

    resources: dict[str, FiniteFloat | str] = Field(min_length=1)
    purpose: str = ""
    ttl_s: Annotated[int, Field(ge=1, le=86400)] = 900
    min_fraction: Annotated[FiniteFloat, Field(gt=0, le=1)] = 1.0
    wait_s: Annotated[FiniteFloat, Field(ge=0, le=45)] = 0
    priority_level: Literal["low", "normal", "high", "critical"] = "normal"
    strategy: str = "balanced"
    request_id: str | None = None


class RenewRequest(_R):
    """RenewRequest."""

    allocation_id: str
    ttl_s: Annotated[int, Field(ge=1, le=86400)] = 900


class ReleaseRequest(_R):
    """ReleaseRequest."""

    allocation_id: str
    used: dict[str, FiniteFloat | str] | None = None


class ListAllocationsRequest(_R):
    """ListAllocationsRequest."""

    whose: Literal["mine", "all"] = "mine"
    limit: Annotated[int, Field(ge=1, le=1000)] = 20


class UsageRequest(_R):
    """UsageRequest."""

    calls: list[dict[str, Any]] = Field(min_length=1, max_length=1000)


class ListDecisionsRequest(_R):
    """ListDecisionsRequest."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 10


class DecisionRequest(_R):
    """DecisionRequest."""

    decision_id: str
