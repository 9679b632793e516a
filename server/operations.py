"""One table: operation → MCP tool, REST route, command.

Every door reads this table and nothing else, so a tool, its REST twin and its command take the same
arguments, check them in the same words and do the same thing.
"""

from dataclasses import replace
from types import MappingProxyType

from mcp_types import ToolAnnotations

from server import draft_requests as requests
from server import views
from server.operation import Command, Operation, Rest, Tool

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
RECORDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
GIVES_BACK = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="get_health",
        request=requests.HealthRequest,
        view=views.full,
        rest=Rest("GET", "/health", "Health of the machine now", cached=True),
        command=Command("health", "What this machine is like now, and what is free."),
        tool=Tool(
            description=(
                "State of this machine now, what is free to allocate, and problems. "
                "Call it before heavy work."
            ),
            hints=READS,
            about={"host": ""},
        ),
    ),
    Operation(
        name="get_metrics",
        request=requests.MetricsRequest,
        view=views.full,
        rest=Rest("GET", "/metrics", "Current metrics, trends and pools", cached=True),
        command=Command("metrics", "The latest sample, trends and pools."),
    ),
    Operation(
        name="forecast_workload",
        request=requests.ForecastRequest,
        view=views.full,
        rest=Rest("GET", "/forecast", "Workload forecast, hour by hour", cached=True),
        command=Command("forecast", "What load is coming."),
        tool=Tool(
            description=(
                "What load is coming to this machine, with an 80 % band and the forecast's own "
                "track record. Use it to find a quiet window. Changes nothing."
            ),
            hints=READS,
        ),
    ),
    Operation(
        name="optimize_resources",
        request=requests.OptimizeRequest,
        view=views.full,
        rest=Rest("POST", "/optimize", "Decide on resources under limits"),
        command=Command("optimize", "Plan capacity under limits."),
        writes=True,
        thinks=True,
        unchanged="Nothing was decided.",
        tool=Tool(
            description=(
                "Plan capacity and leases of a whole scope under limits. It only proposes; "
                "to reserve for your own job use allocate."
            ),
            hints=RECORDS,
        ),
    ),
    Operation(
        name="explain_decision",
        request=requests.ExplainRequest,
        view=views.full,
        rest=Rest(
            "GET",
            "/decisions/{decision_id}/explanation",
            "Why a decision fell so",
            statuses=(404, 422, 503),
        ),
        command=Command("explain", "Why a decision fell so.", positional=("decision_id",)),
        tool=Tool(
            description=(
                "Why a decision fell so, what would flip it, and what it changed in fact."
            ),
            hints=READS,
        ),
    ),
    Operation(
        name="get_decision",
        request=requests.DecisionRequest,
        view=views.full,
        rest=Rest("GET", "/decisions/{decision_id}", "One decision", statuses=(404, 422, 503)),
        command=Command("decision", "One decision.", positional=("decision_id",)),
    ),
    Operation(
        name="list_decisions",
        request=requests.ListDecisionsRequest,
        view=views.full,
        rest=Rest("GET", "/optimization-history", "Recent decisions, newest first"),
        command=Command("decisions", "Recent decisions, newest first."),
    ),
    Operation(
        name="analyze_mcp_selection",
        request=requests.SelectRequest,
        view=views.full,
        rest=Rest("POST", "/analyze/mcp-selection", "Choose MCP servers for a task"),
        command=Command("select", "Choose MCP servers for a task."),
        tool=Tool(
            description=(
                "Which MCP server to use for a task, from measured cost, latency, failures and "
                "relevance. Starts nothing."
            ),
            hints=READS,
        ),
    ),
    Operation(
        name="allocate",
        request=requests.AllocateRequest,
        view=views.full,
        rest=Rest("POST", "/allocate", "Reserve resources as a lease", statuses=(409, 422, 503)),
        command=Command("allocate", "Reserve resources as a lease."),
        writes=True,
        unchanged="Nothing was reserved.",
        tool=Tool(
            description=(
                "Reserve resources as a lease that ends by itself. Answers the lease, or why not "
                "and what fits when."
            ),
            hints=RECORDS,
        ),
    ),
    Operation(
        name="renew_allocation",
        request=requests.RenewRequest,
        view=views.full,
        rest=Rest(
            "POST",
            "/allocations/{allocation_id}/renew",
            "Keep a lease longer",
            statuses=(404, 409, 422, 503),
        ),
        command=Command("renew", "Keep a lease longer.", positional=("allocation_id",)),
        writes=True,
        tool=Tool(description="Keep a lease of yours longer.", hints=RECORDS),
    ),
    Operation(
        name="release_allocation",
        request=requests.ReleaseRequest,
        view=views.full,
        rest=Rest(
            "DELETE",
            "/allocations/{allocation_id}",
            "Give a lease back",
            statuses=(404, 409, 422, 503),
        ),
        command=Command("release", "Give a lease back.", positional=("allocation_id",)),
        writes=True,
        tool=Tool(description="Give a lease back and settle what it spent.", hints=GIVES_BACK),
    ),
    Operation(
        name="list_allocations",
        request=requests.ListAllocationsRequest,
        view=views.full,
        rest=Rest("GET", "/allocations", "Leases held, and what is free"),
        command=Command("allocations", "Leases held, and what is free."),
        tool=Tool(description="Leases held, what they use in fact, and what is free.", hints=READS),
    ),
    Operation(
        name="report_usage",
        request=requests.UsageRequest,
        view=views.full,
        rest=Rest("POST", "/usage", "Report calls that were not seen here"),
        command=Command("report", "Report MCP calls that were not seen here."),
        writes=True,
        unchanged="Nothing was recorded.",
        tool=Tool(
            description=(
                "Report calls of MCP tools that went past us, so that choices rest on what "
                "happened. Only what we could not see ourselves."
            ),
            hints=RECORDS,
        ),
    ),
)

BY_NAME = MappingProxyType({operation.name: operation for operation in OPERATIONS})
"""The table by name of operation."""

PROBE: Operation = replace(BY_NAME["get_health"], view=views.full)
"""`/health` at the root, for probes, which ask for it without a token."""

TOOLS: tuple[Operation, ...] = tuple(op for op in OPERATIONS if op.tool is not None)
"""What agents see; at most ten, for good."""
