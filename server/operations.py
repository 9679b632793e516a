"""One table: operation → MCP tool, REST route, command.

Every door reads this table and nothing else, so a tool, its REST twin and its command take the same
arguments, check them in the same words and do the same thing.
"""

from collections.abc import Collection, Iterable
from types import MappingProxyType
from typing import get_args

from mcp_types import ToolAnnotations

from optimizer.allocation.allocator import AllocationList
from optimizer.allocation.audit import AuditReport
from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.cost_benefit.route_selection import RoutingAnalysis
from optimizer.cost_benefit.validation_selection import ValidationAnalysis
from optimizer.decisions.application import Application
from optimizer.decisions.decision import Decision
from optimizer.decisions.explain import Explanation
from optimizer.decisions.request import OptimizationRequest
from optimizer.forecasting.forecast import Forecast
from optimizer.operations.alerts import Alerts, AlertsRequest
from optimizer.operations.allocate_batch import BatchAnswer, BatchRequest
from optimizer.operations.analyses import AnalyzeRoutingRequest, AnalyzeValidationRequest
from optimizer.operations.apply import ApplyRequest
from optimizer.operations.audit import AuditRequest
from optimizer.operations.catalog import CatalogReport, CatalogRequest
from optimizer.operations.census import CensusRequest, McpCensus
from optimizer.operations.explain import ExplainRequest
from optimizer.operations.forecast import ForecastRequest
from optimizer.operations.forecast_skill import ForecastSkill, ForecastSkillRequest
from optimizer.operations.health import HealthReport, HealthRequest
from optimizer.operations.history import DecisionRequest, History, HistoryRequest
from optimizer.operations.list_allocations import ListAllocationsRequest
from optimizer.operations.metrics import MetricsReport, MetricsRequest
from optimizer.operations.profile_mcp import ProfileReport, ProfileRequest
from optimizer.operations.reallocate import ReallocateRequest, ReallocationReport
from optimizer.operations.release import ReleaseRequest
from optimizer.operations.renew import RenewRequest
from optimizer.operations.report_usage import ReportUsageRequest, UsageRecorded
from optimizer.operations.select_mcp import SelectMcpRequest
from optimizer.operations.submit_choice import ChoiceRequest
from optimizer.settings import Toolset
from server import views
from server.operation import Command, Operation, Rest, Tool
from server.schemas import Schema

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(destructive_hint=False, open_world_hint=False)
ENDS = ToolAnnotations(destructive_hint=True, idempotent_hint=True, open_world_hint=False)
STARTS = ToolAnnotations(destructive_hint=False, open_world_hint=True)

DETAIL = frozenset({"detail"})
"""REST always answers in full, so it has no use for it."""


def _answers(*required: str, **properties: Schema) -> Schema:
    """An output schema that promises a few members and allows the rest."""
    schema: Schema = {"type": "object", "properties": properties}
    return schema | {"required": list(required)} if required else schema


_TEXT: Schema = {"type": "string"}
_MAP: Schema = {"type": "object"}
_LIST: Schema = {"type": "array"}
_LEASE = _answers("state", "next", state=_TEXT, allocation_id=_TEXT, next=_TEXT)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="get_health",
        request=HealthRequest,
        answer=HealthReport,
        view=views.health,
        rest=Rest(
            "GET", "/health", "How a machine is now", "State", statuses=(404, 422, 503), cached=True
        ),
        command=Command("health", "How this machine is, and what is free."),
        tool=Tool(
            description=(
                "State of this machine now, what is free to allocate, and problems with what to "
                "do. Call it before heavy work."
            ),
            hints=READS,
            about={"host": "Another machine of the store."},
            answer=_answers("status", status=_TEXT, free=_MAP),
        ),
    ),
    Operation(
        name="get_metrics",
        request=MetricsRequest,
        answer=MetricsReport,
        view=views.full,
        rest=Rest("GET", "/metrics", "The latest sample, trends and pools", "State", cached=True),
        command=Command("metrics", "The latest sample, its trends and the pools."),
    ),
    Operation(
        name="get_alerts",
        request=AlertsRequest,
        answer=Alerts,
        view=views.full,
        rest=Rest("GET", "/alerts", "Alerts that stand, and the latest before", "State"),
        command=Command("alerts", "What is beyond a threshold, and what was."),
    ),
    Operation(
        name="get_census",
        request=CensusRequest,
        answer=McpCensus,
        view=views.full,
        rest=Rest("GET", "/census", "MCP servers of this machine", "State"),
        command=Command("census", "Which MCP servers run here, for whom, in how much memory."),
    ),
    Operation(
        name="forecast_workload",
        request=ForecastRequest,
        answer=Forecast,
        view=views.forecast,
        rest=Rest(
            "GET",
            "/forecast",
            "The load to come",
            "State",
            statuses=(404, 422, 503),
            without=DETAIL,
            cached=True,
        ),
        command=Command("forecast", "What load is coming, hour by hour."),
        thinks=True,
        unchanged="Nothing was forecast.",
        tool=Tool(
            description=(
                "What load is coming, with an 80 % band and the forecast's own track record; "
                "finds a quiet window for heavy work. Changes nothing."
            ),
            hints=READS,
            about={
                "horizon_hours": "",
                "metrics": "Default: CPU, memory, storage, network in.",
                "detail": "summary: peaks, quiet windows, warnings; hourly: every hour too.",
                "host": "",
                "use_sequential_thinking": "",
            },
            answer=_answers("forecast_available", forecast_available={"type": "boolean"}),
        ),
    ),
    Operation(
        name="forecast_skill",
        request=ForecastSkillRequest,
        answer=ForecastSkill,
        view=views.full,
        rest=Rest(
            "GET",
            "/forecast/skill",
            "How served forecasts did, against what came",
            "State",
            statuses=(404, 422, 503),
        ),
        command=Command("forecast-skill", "How served forecasts did, against what came."),
    ),
    Operation(
        name="optimize_resources",
        request=OptimizationRequest,
        answer=Decision,
        view=views.decision,
        rest=Rest(
            "POST", "/optimize", "Decide about a scope under limits", "Decisions", without=DETAIL
        ),
        command=Command("optimize", "Plan capacity under limits; proposes only."),
        writes=True,
        unchanged="Nothing was decided.",
        thinks=True,
        tool=Tool(
            description=(
                "Plan capacity and leases of a whole scope under limits: steps, cost, reliability, "
                "or the limits that conflict. Proposes only; to reserve for your own job use "
                "allocate."
            ),
            hints=WRITES,
            about={
                "scope": "What may be moved: one lease, a session's, this machine, every host.",
                "primary_objective": (
                    "balanced_optimization, performance_maximization, cost_minimization, "
                    "reliability_optimization, or see sro://strategies."
                ),
                "constraints": "",
                "constraints.max_cost": "USD per month.",
                "constraints.min_reliability": "0-1.",
                "constraints.max_resource_increase": "0.5 is 50 %.",
                "constraints.max_latency_ms": "",
                "constraints.min_performance": "Improvement of the response time, %.",
                "constraints.focus": "One resource, or the purpose of leases of yours.",
                "task": "To choose more than a lease: available_systems, available_mcps, "
                "strategies (lists), requirements.",
                "use_sequential_thinking": "",
                "thinking": "client: you choose, by submit_choice.",
                "context": "What no figure shows, in words; for whoever thinks.",
                "detail": "",
            },
            folded=frozenset({"task"}),
            answer=_answers("decision_id", "status", decision_id=_TEXT, status=_TEXT, next=_TEXT),
        ),
    ),
    Operation(
        name="explain_decision",
        request=ExplainRequest,
        answer=Explanation,
        view=views.explanation,
        rest=Rest(
            "GET",
            "/decisions/{decision_id}/explanation",
            "Why a decision fell so",
            "Decisions",
            statuses=(404, 422, 503),
        ),
        command=Command("explain", "Why a decision fell so."),
        tool=Tool(
            description=(
                "Why a decision fell so and what would flip it; its chain of thoughts; what it "
                "changed in fact."
            ),
            hints=READS,
            about={"decision_id": "", "detail": ""},
        ),
    ),
    Operation(
        name="apply_decision",
        request=ApplyRequest,
        answer=Application,
        view=views.full,
        rest=Rest(
            "POST",
            "/decisions/{decision_id}/apply",
            "Carry a decision out, or try it",
            "Decisions",
            statuses=(403, 404, 422, 503),
        ),
        command=Command("apply", "Carry a decision out; only tried unless --no-dry-run is given."),
        writes=True,
        operates=True,
        tool=Tool(
            description=(
                "Carry out a decision of optimize_resources: leases, quotas, deferral, the "
                "operator's own commands. Tried only, unless dry_run is false; verified, and taken "
                "back when a check fails."
            ),
            hints=ENDS,
            about={"decision_id": "", "dry_run": ""},
            answer=_answers("state", "next", state=_TEXT, steps=_LIST, next=_TEXT),
            toolset="operator",
        ),
    ),
    Operation(
        name="get_decision",
        request=DecisionRequest,
        answer=Decision,
        view=views.decision,
        rest=Rest(
            "GET", "/decisions/{decision_id}", "One decision", "Decisions", statuses=(404, 422, 503)
        ),
        command=Command("decision", "One decision."),
    ),
    Operation(
        name="get_thoughts",
        request=DecisionRequest,
        answer=Explanation,
        view=views.explanation,
        rest=Rest(
            "GET",
            "/decisions/{decision_id}/thoughts",
            "The chain of thoughts of a decision",
            "Decisions",
            statuses=(404, 422, 503),
        ),
        command=Command("thoughts", "The chain of thoughts of a decision."),
    ),
    Operation(
        name="submit_choice",
        request=ChoiceRequest,
        answer=Decision,
        view=views.decision,
        rest=Rest(
            "POST",
            "/decisions/{decision_id}/choice",
            "Choose among a decision's candidates",
            "Decisions",
            statuses=(404, 422, 503),
        ),
        command=Command("choose", "Choose among the candidates of a decision."),
        writes=True,
        tool=Tool(
            description=(
                "Hand in what you chose in the thought_frame of a decision made with "
                "thinking=client. It stands if it holds every limit and is within 10 % of the "
                "solver's best."
            ),
            hints=WRITES,
            about={"decision_id": "", "candidate_id": "", "thought": "Why, in a sentence or two."},
            answer=_answers("decision_id", "status", decision_id=_TEXT, status=_TEXT, next=_TEXT),
            toolset="thinking",
        ),
    ),
    Operation(
        name="list_decisions",
        request=HistoryRequest,
        answer=History,
        view=views.decisions,
        rest=Rest("GET", "/optimization-history", "Decisions, newest first", "Decisions"),
        command=Command("decisions", "Decisions that were made, newest first."),
    ),
    Operation(
        name="analyze_mcp_selection",
        request=SelectMcpRequest,
        answer=McpSelectionAnalysis,
        view=views.selection,
        rest=Rest("POST", "/analyze/mcp-selection", "Which MCP server for a task", "MCP servers"),
        command=Command("select", "Which MCP server for a task."),
        thinks=True,
        unchanged="Nothing was analysed.",
        tool=Tool(
            description=(
                "Which MCP server for a task, from measured cost, latency, failures and "
                "relevance. Starts nothing."
            ),
            hints=READS,
            about={
                "available_mcps": (
                    "Each: id; what is known of cost (USD per call), performance (0-1), "
                    "reliability (0-1), latency_ms, description, tools. None: sro://catalog."
                ),
                "task_requirements": (
                    "task (text), complexity low|medium|high, budget (USD), performance_target, "
                    "max_latency_ms, min_reliability."
                ),
                "mode": "One, an order to try, or a covering set.",
                "use_sequential_thinking": "",
            },
            answer=_answers("status", "chosen", status=_TEXT, chosen=_MAP),
        ),
    ),
    Operation(
        name="analyze_system_routing",
        request=AnalyzeRoutingRequest,
        answer=RoutingAnalysis,
        view=views.analysis,
        rest=Rest("POST", "/analyze/system-routing", "Which system to send a task to", "Decisions"),
        command=Command("route", "Which system to send a task to."),
        unchanged="Nothing was analysed.",
        tool=Tool(
            description=(
                "Which system (alita, kgot, any you name) to send a task to, by expected cost with "
                "errors and retries; where the choice flips. Changes nothing."
            ),
            hints=READS,
            answer=_answers("chosen", "rationale", rationale=_TEXT, options=_LIST),
            toolset="analysis",
        ),
    ),
    Operation(
        name="analyze_validation_strategies",
        request=AnalyzeValidationRequest,
        answer=ValidationAnalysis,
        view=views.analysis,
        rest=Rest(
            "POST", "/analyze/validation-strategies", "How to validate, how often", "Decisions"
        ),
        command=Command("validation", "How to validate, and how often."),
        unchanged="Nothing was analysed.",
        tool=Tool(
            description=(
                "How to validate a result and how many cycles, by expected cost with the errors "
                "that escape; where the choice flips. Changes nothing."
            ),
            hints=READS,
            answer=_answers("chosen", "rationale", rationale=_TEXT, options=_LIST),
            toolset="analysis",
        ),
    ),
    Operation(
        name="get_catalog",
        request=CatalogRequest,
        answer=CatalogReport,
        view=views.full,
        rest=Rest(
            "GET",
            "/catalog",
            "MCP servers that may be chosen, and what was measured",
            "MCP servers",
            statuses=(404, 422, 503),
        ),
        command=Command("catalog", "MCP servers that may be chosen, and what was measured."),
    ),
    Operation(
        name="profile_mcp",
        request=ProfileRequest,
        answer=ProfileReport,
        view=views.full,
        rest=Rest(
            "POST",
            "/catalog/profile",
            "Start servers of the allow-list in cages, and measure them",
            "MCP servers",
        ),
        command=Command("profile", "Start configured MCP servers in cages, and measure them."),
        writes=True,
        operates=True,
        unchanged="Nothing was started.",
        tool=Tool(
            description=(
                "Start configured MCP servers of the operator's allow-list, each in a cage, and "
                "measure tools, tokens, latency, memory. Takes up to 30 s."
            ),
            hints=STARTS,
            about={"ids": "At most 4; sro://catalog names them."},
            answer=_answers("profiled", profiled=_LIST),
            toolset="operator",
        ),
    ),
    Operation(
        name="allocate",
        request=AllocationRequest,
        answer=Allocation,
        view=views.allocation,
        rest=Rest("POST", "/allocate", "Reserve resources", "Leases", statuses=(409, 422, 503)),
        command=Command("allocate", "Reserve resources as a lease that ends by itself."),
        writes=True,
        unchanged="Nothing was reserved.",
        tool=Tool(
            description=(
                "Reserve resources as a lease that ends by itself. Answers the lease, or why not "
                "and what fits when."
            ),
            hints=WRITES,
            about={
                "resources": (
                    "cpu, memory, storage, network, gpu: a bare number is % of the machine; else "
                    '"2 cores", "8 GiB", guaranteed-burst "2-6 GiB". mcp_tokens, api_calls, '
                    "validation_cycles: a count. usd."
                ),
                "purpose": "",
                "ttl_s": "",
                "min_fraction": "Least useful share of the request.",
                "wait_s": "",
                "priority_level": "",
                "strategy": (
                    "performance_priority, cost_priority, balanced, reliability_priority."
                ),
                "request_id": "Your key: a repeat answers the same lease.",
            },
            without=frozenset({"allow_preemption"}),
            answer=_LEASE,
        ),
    ),
    Operation(
        name="allocate_batch",
        request=BatchRequest,
        answer=BatchAnswer,
        view=views.full,
        rest=Rest("POST", "/allocate/batch", "Reserve for many requests at once", "Leases"),
        command=Command("allocate-batch", "Reserve for many requests, for the most value."),
        writes=True,
        unchanged="Nothing was reserved.",
    ),
    Operation(
        name="audit",
        request=AuditRequest,
        answer=AuditReport,
        view=views.full,
        rest=Rest("GET", "/audit", "Proof that the ledger adds up", "Leases", statuses=(503,)),
        command=Command("audit", "Prove that the ledger adds up, pool by pool.", watched=True),
    ),
    Operation(
        name="reallocate",
        request=ReallocateRequest,
        answer=ReallocationReport,
        view=views.full,
        rest=Rest(
            "POST",
            "/reallocate",
            "Who should hold more and who less",
            "Leases",
            statuses=(403, 422, 503),
        ),
        command=Command("reallocate", "Who should hold more and who less; --apply does it."),
        thinks=True,
        writes=True,
    ),
    Operation(
        name="renew_allocation",
        request=RenewRequest,
        answer=Allocation,
        view=views.allocation,
        rest=Rest(
            "POST",
            "/allocations/{allocation_id}/renew",
            "Keep a lease longer",
            "Leases",
            statuses=(404, 409, 422, 503),
        ),
        command=Command("renew", "Keep a lease longer."),
        writes=True,
        tool=Tool(
            description="Keep a lease of yours longer.",
            hints=WRITES,
            about={"allocation_id": "", "ttl_s": "Default: as before."},
            answer=_LEASE,
        ),
    ),
    Operation(
        name="release_allocation",
        request=ReleaseRequest,
        answer=Allocation,
        view=views.allocation,
        rest=Rest(
            "DELETE",
            "/allocations/{allocation_id}",
            "Give a lease back",
            "Leases",
            statuses=(404, 409, 422, 503),
        ),
        command=Command("release", "Give a lease back."),
        writes=True,
        tool=Tool(
            description="Give a lease of yours back and settle what it spent.",
            hints=ENDS,
            about={"allocation_id": "", "used": "What budgets really cost."},
            answer=_LEASE,
        ),
    ),
    Operation(
        name="list_allocations",
        request=ListAllocationsRequest,
        answer=AllocationList,
        view=views.allocations,
        rest=Rest("GET", "/allocations", "Leases that are held, and what is free", "Leases"),
        command=Command("allocations", "Leases that are held, and what is free.", watched=True),
        tool=Tool(
            description="Leases held, what they use in fact, and what is free.",
            hints=READS,
            about={"whose": "", "limit": ""},
            answer=_answers("allocations", "pools", allocations=_LIST, pools=_MAP),
        ),
    ),
    Operation(
        name="report_usage",
        request=ReportUsageRequest,
        answer=UsageRecorded,
        view=views.full,
        rest=Rest("POST", "/usage", "Report calls that were not seen here", "MCP servers"),
        command=Command("report", "Report MCP calls that were not seen here."),
        writes=True,
        unchanged="Nothing was recorded.",
        tool=Tool(
            description=(
                "Report MCP calls that we could not see ourselves, so that choices rest on what "
                "happened."
            ),
            hints=WRITES,
            about={
                "calls": "",
                "calls.[]": "",
                "calls.[].mcp": "",
                "calls.[].tool": "",
                "calls.[].outcome": "",
                "calls.[].latency_ms": "",
                "calls.[].tokens": "",
                "calls.[].usd": "",
                "calls.[].n": "How many like it.",
            },
            answer=_answers("recorded", recorded={"type": "integer"}),
        ),
    ),
)

BY_NAME = MappingProxyType({operation.name: operation for operation in OPERATIONS})
"""The table by name of operation."""


def listed(
    toolsets: Collection[Toolset] = (), operations: Iterable[Operation] = OPERATIONS
) -> tuple[Operation, ...]:
    """What agents see: the default list, and the tools of the toolsets that are on."""
    return tuple(
        operation
        for operation in operations
        if operation.tool is not None
        and (operation.tool.toolset is None or operation.tool.toolset in toolsets)
    )


TOOLS: tuple[Operation, ...] = listed()
"""The default list; at most ten, for good."""

ALL_TOOLS: tuple[Operation, ...] = listed(get_args(Toolset))
"""The default list and every toolset."""

PROBE: Operation = BY_NAME["get_health"]
"""`/health` at the root, for probes, which ask for it without a token."""
