"""analyze_mcp_selection: which MCP server for a task. Starts nothing, changes nothing."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool
from typing_extensions import TypedDict

from optimizer.cost_benefit.analysis import (
    McpSelectionAnalysis,
    OptionView,
    Recommendation,
    Rejection,
)
from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.cost_benefit.descriptor import MAX_CANDIDATES
from optimizer.cost_benefit.figure import spoken
from optimizer.cost_benefit.requirements import Mode
from optimizer.errors import InvalidRequestError


class SelectMcpRequest(BaseModel):
    """A choice among MCP servers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    available_mcps: Annotated[list[dict[str, Any]], Field(max_length=MAX_CANDIDATES)] = Field(
        default_factory=list,
        description="Candidates: id (or name), and what is known of cost (USD per call), "
        "performance (0-1), reliability (0-1), latency_ms, capabilities, description, tools. "
        "Without any, those of sro://catalog.",
    )
    task_requirements: dict[str, Any] = Field(
        default_factory=dict,
        description="task (text), complexity low|medium|high, budget (USD per task), "
        "performance_target, max_latency_ms, min_reliability, capabilities, value_of_success_usd.",
    )
    mode: Mode = Field("single", description="One server, an order to try, or a covering set.")
    use_sequential_thinking: StrictBool = Field(
        False, description="Whether the choice among near-equal servers is thought over."
    )


class BriefSelection(TypedDict):
    """What an agent reads of an analysis."""

    status: str
    chosen: Recommendation
    figures: dict[str, str]
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
        "figures": _figures(analysis),
        "fallback_chain": chain["mcp_ids"] if chain else None,
        "set": cover["serves"] if cover else None,
        "missing": cover["missing"] if cover else [],
        "alternatives": recommendations["alternatives"][:MAX_SHOWN],
        "rejected": sorted(analysis["rejected"], key=_is_by_words)[:MAX_SHOWN],
        "more_rejected": max(0, len(analysis["rejected"]) - MAX_SHOWN),
        "switch_points": [point["statement"] for point in analysis["switch_points"]],
        "assumptions": _assumptions(analysis),
        "unknown": analysis["unknown"],
        "warnings": analysis["warnings"],
    }


def _assumptions(analysis: McpSelectionAnalysis) -> dict[str, str]:
    """What the scores rest on; how an unknown figure is charged only where one is unknown."""
    options = analysis["options"]
    unneeded = {
        name
        for name, figure in (("unknown_cost_usd", "cost_usd"), ("unknown_latency_ms", "latency_ms"))
        if all(option[figure]["value"] is not None for option in options)  # type: ignore[literal-required]
    }
    return {
        each["name"]: f"{each['value']:.4g} {each['unit']}, {each['source']}"
        for each in analysis["assumptions"]
        if each["name"] not in unneeded
    }


def _is_by_words(rejection: Rejection) -> bool:
    """Whether its words reject it; that is the least news to whoever wrote the task."""
    return rejection["limit"] == "min_relevance"


def _figures(analysis: McpSelectionAnalysis) -> dict[str, str]:
    """What the choice rests on: each figure of the chosen candidate with its source."""
    identifier = analysis["recommendations"]["primary_recommendation"]["mcp_id"]
    for option in analysis["options"]:
        if option["mcp_id"] == identifier:
            return _shown(option)
    return {}


def _shown(option: OptionView) -> dict[str, str]:
    reliability = option["reliability"]
    low, high = reliability["interval"]
    shown = {
        name: f"{spoken(figure['value'])} {figure['unit']}, {figure['source']}"
        if figure["value"] is not None
        else f"not known: {figure['source']}"
        for name, figure in (
            ("cost_usd", option["cost_usd"]),
            ("latency_ms", option["latency_ms"]),
            ("context_tokens", option["context_tokens"]),
            ("quality", option["quality"]),
        )
    }
    shown["reliability"] = (
        f"{reliability['value']:.3g} ({low:.3g} to {high:.3g}); {reliability['source']}"
    )
    return shown
