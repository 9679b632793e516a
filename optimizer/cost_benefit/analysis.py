"""What an analysis of MCP servers answers. Callers read it as a dict."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from optimizer.cost_benefit.figure import FigureView
from optimizer.cost_benefit.limits import CheckView
from optimizer.cost_benefit.posterior import ReliabilityView
from optimizer.cost_benefit.requirements import Mode
from optimizer.cost_benefit.sensitivity import SwitchPointView
from optimizer.thinking.question import Reasoning

Status = Literal["chosen", "nothing_fits", "all_rejected", "not_covered"]


class TermsView(TypedDict):
    """The utility term by term, USD per task; costs are positive."""

    benefit: float | None
    calls: float | None
    waiting: float | None
    context: float | None
    startup: float | None


class OptionView(TypedDict):
    """One candidate, weighed."""

    mcp_id: str
    rank: int
    net_usd: float | None
    terms: TermsView
    relevance: float | None
    quality: FigureView
    performance: FigureView
    reliability: ReliabilityView
    cost_usd: FigureView
    latency_ms: FigureView
    context_tokens: FigureView
    startup_ms: FigureView
    resident_bytes: FigureView
    probability_best: float | None
    dominated_by: str | None
    checks: list[CheckView]
    tools: list[str]
    unknown: dict[str, str]


class Recommendation(TypedDict):
    """A candidate to use; `mcp_id` is null when none can be recommended."""

    mcp_id: str | None
    net_usd: float | None
    p_success: float | None
    probability_best: float | None
    reason: str
    tools: list[str]


class ChainView(TypedDict):
    """Candidates to try in order until one succeeds."""

    mcp_ids: list[str]
    net_usd: float | None
    p_success: float | None
    spend_usd_if_all_tried: float | None


class SetView(TypedDict):
    """Candidates to load together."""

    mcp_ids: list[str]
    serves: dict[str, str]
    missing: list[str]
    net_usd: float | None
    p_success: float | None
    context_tokens: float | None


class Recommendations(TypedDict):
    """What to use."""

    primary_recommendation: Recommendation
    alternatives: list[Recommendation]
    fallback_chain: ChainView | None
    set: SetView | None


class Rejection(TypedDict):
    """A candidate that a limit rejects; it is still scored among the options."""

    mcp_id: str
    limit: str
    reason: str


class AssumptionView(TypedDict):
    """A coefficient of the utility and where it is from."""

    name: str
    value: float
    unit: str
    source: str


class McpSelectionAnalysis(TypedDict):
    """Which MCP servers to use for a task, and why."""

    kind: Literal["mcp"]
    status: Status
    mode: Mode
    recommendations: Recommendations
    options: list[OptionView]
    pareto_set: list[str]
    rejected: list[Rejection]
    switch_points: list[SwitchPointView]
    assumptions: list[AssumptionView]
    unknown: dict[str, str]
    warnings: list[str]
    reasoning: NotRequired[Reasoning]
