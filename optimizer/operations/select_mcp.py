"""analyze_mcp_selection: which MCP server for a task. Starts nothing, changes nothing."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from optimizer.cost_benefit.analysis import McpSelectionAnalysis, Recommendation, Rejection
from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.cost_benefit.descriptor import MAX_CANDIDATES
from optimizer.cost_benefit.requirements import Mode
from optimizer.errors import InvalidRequestError


class SelectMcpRequest(BaseModel):
    """A choice among MCP servers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    available_mcps: Annotated[
        list[dict[str, Any]], Field(min_length=1, max_length=MAX_CANDIDATES)
    ] = Field(
        description="Candidates: id (or name), and what is known of cost (USD per call), "
        "performance (0-1), reliability (0-1), latency_ms, capabilities, description, tools."
    )
    task_requirements: dict[str, Any] = Field(
        default_factory=dict,
        description="task (text), complexity low|medium|high, budget (USD per task), "
        "performance_target, max_latency_ms, min_reliability, capabilities, value_of_success_usd.",
    )
    mode: Mode = Field("single", description="One server, an order to try, or a covering set.")


class BriefSelection(TypedDict):
    """What an agent reads of an analysis."""

    status: str
    chosen: Recommendation
    fallback_chain: list[str] | None
    set: dict[str, str] | None
    missing: list[str]
    alternatives: list[Recommendation]
    rejected: list[Rejection]
    more_rejected: int
    switch_points: list[str]
    assumptions: dict[str, str]
    unknown: dict[str, str]
    warnings: list[str]


async def select_mcp(
    request: SelectMcpRequest, *, analyzer: CostBenefitAnalyzer
) -> McpSelectionAnalysis:
    """Choose an MCP server, a chain of fallbacks, or a set.

    Raises:
        InvalidRequestError: A candidate or a requirement is not allowed; nothing was analysed.
    """
    requirements = dict(request.task_requirements)
    inner = requirements.setdefault("mode", request.mode)
    if "mode" in request.model_fields_set and inner != request.mode:
        raise InvalidRequestError(
            f"mode is {request.mode!r} and task_requirements.mode is {inner!r}; give one. "
            "Nothing was analysed",
            field="mode",
        )
    return await analyzer.analyze_mcp_selection(request.available_mcps, requirements)


MAX_SHOWN = 3


def brief(analysis: McpSelectionAnalysis) -> BriefSelection:
    """The part of an analysis that fits an agent's context."""
    recommendations = analysis["recommendations"]
    chain, cover = recommendations["fallback_chain"], recommendations["set"]
    return {
        "status": analysis["status"],
        "chosen": recommendations["primary_recommendation"],
        "fallback_chain": chain["mcp_ids"][:MAX_CANDIDATES] if chain else None,
        "set": cover["serves"] if cover else None,
        "missing": cover["missing"] if cover else [],
        "alternatives": recommendations["alternatives"][:MAX_SHOWN],
        "rejected": analysis["rejected"][:MAX_SHOWN],
        "more_rejected": max(0, len(analysis["rejected"]) - MAX_SHOWN),
        "switch_points": [point["statement"] for point in analysis["switch_points"]],
        "assumptions": {
            assumption["name"]: f"{assumption['value']:.4g} {assumption['unit']}, "
            f"{assumption['source']}"
            for assumption in analysis["assumptions"]
        },
        "unknown": analysis["unknown"],
        "warnings": analysis["warnings"],
    }
