"""Which table shows which answer."""

import json
from collections.abc import Callable, Mapping

from rich.console import RenderableType
from rich.json import JSON

from server.cli.tables.allocations import allocation, allocations, audit, batch, reallocation
from server.cli.tables.catalog import catalog
from server.cli.tables.decisions import application, decision, decisions, explanation
from server.cli.tables.forecast import forecast, skill
from server.cli.tables.health import health, metrics
from server.cli.tables.selection import analysis, selection
from server.cli.tables.state import alerts, census
from server.views import Json

TABLES: Mapping[str, Callable[[Json], RenderableType]] = {
    "get_health": health,
    "get_metrics": metrics,
    "get_alerts": alerts,
    "get_census": census,
    "forecast_workload": forecast,
    "forecast_skill": skill,
    "optimize_resources": decision,
    "apply_decision": application,
    "get_decision": decision,
    "list_decisions": decisions,
    "explain_decision": explanation,
    "get_thoughts": explanation,
    "submit_choice": decision,
    "allocate": allocation,
    "renew_allocation": allocation,
    "release_allocation": allocation,
    "list_allocations": allocations,
    "allocate_batch": batch,
    "audit": audit,
    "reallocate": reallocation,
    "analyze_mcp_selection": selection,
    "get_catalog": catalog,
    "analyze_system_routing": analysis,
    "analyze_validation_strategies": analysis,
}
"""Table by operation; an answer without one is shown as JSON."""


def shown(operation: str, answer: Json) -> RenderableType:
    """An answer for a person."""
    table = TABLES.get(operation)
    return JSON(json.dumps(answer)) if table is None else table(answer)
