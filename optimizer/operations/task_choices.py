"""What a task may choose, each choice weighed: its route, its MCP servers, its validation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pydantic import AliasChoices, BaseModel

from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.cost_benefit.choices import (
    MCP,
    ROUTE,
    VALIDATION,
    Choice,
    Depths,
    mcp_choice,
    route_choice,
)
from optimizer.cost_benefit.reading import did_you_mean, read
from optimizer.cost_benefit.requirements import Requirements, read_requirements
from optimizer.cost_benefit.routing import RoutingRequirements, read_routes
from optimizer.cost_benefit.validation import ValidationRequirements, read_strategies
from optimizer.decisions.request import Task
from optimizer.errors import InvalidRequestError

MOST_SETS = 3
"""Sets of servers that a decision compares: the best one, and the best without its dearest member,
twice over; each takes an integer program."""

REQUIREMENTS: Mapping[str, type[BaseModel]] = {
    ROUTE: RoutingRequirements,
    MCP: Requirements,
    VALIDATION: ValidationRequirements,
}
"""Which requirements each choice reads of those of the task."""


class Analyzes(Protocol):
    """What is needed of the analyses."""

    async def analyze_mcp_selection(
        self,
        available_mcps: Sequence[Mapping[str, Any]] = (),
        task_requirements: Mapping[str, Any] | None = None,
    ) -> McpSelectionAnalysis:
        """Weigh MCP servers for a task."""


async def choices_of(
    task: Task, analyzer: Analyzes, cycles: Sequence[int]
) -> tuple[list[Choice], dict[str, str]]:
    """The levers of a task, and why each other one is not there.

    Args:
        task: What is said of it.
        analyzer: Weighs MCP servers.
        cycles: Depths of validation to consider.

    Raises:
        InvalidRequestError: Something of the task is not allowed.
    """
    needs = _dealt(task.requirements)
    absent = {
        ROUTE: "no task.available_systems were given",
        VALIDATION: "no task.strategies were given",
        MCP: "neither task.available_mcps nor task.requirements.task was given",
    }
    found: list[Choice] = []
    depths = _depths(task, needs[VALIDATION], cycles)
    if task.available_systems:
        routes = read_routes(task.available_systems)
        requirements = read(RoutingRequirements, needs[ROUTE], where="task.requirements")
        choice = route_choice(routes, requirements, depths)
        _note(choice, found, absent, ROUTE, *((VALIDATION,) if depths else ()))
    elif depths is not None:
        _note(depths.choice(), found, absent, VALIDATION)
    if task.available_mcps or needs[MCP].get("task") or needs[MCP].get("capabilities"):
        try:
            choice = await _servers(task, needs[MCP], analyzer)
        except InvalidRequestError as error:
            if error.field != "available_mcps":
                raise
            absent[MCP] = str(error).removesuffix(". Nothing was analysed")
        else:
            _note(choice, found, absent, MCP)
    return found, absent


def _note(choice: Choice | None, found: list[Choice], absent: dict[str, str], *names: str) -> None:
    """Put a choice among those that were found, or say that its limits reject every way."""
    for name in names:
        if choice is None:
            absent[name] = "the limits of task.requirements reject every way"
        else:
            absent.pop(name)
    if choice is not None:
        found.append(choice)


def _dealt(requirements: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each requirement to the choices that know it.

    Raises:
        InvalidRequestError: No choice knows one.
    """
    known = {name: set(_keys(model)) for name, model in REQUIREMENTS.items()}
    for key in requirements:
        if not any(key in keys for keys in known.values()):
            every = sorted(set().union(*known.values()))
            raise InvalidRequestError(
                f"task.requirements has no key {key[:60]!r}{did_you_mean(key, every)}; allowed: "
                f"{', '.join(every)}. Nothing was decided",
                field=f"task.requirements.{key[:60]}",
            )
    return {
        name: {key: value for key, value in requirements.items() if key in keys}
        for name, keys in known.items()
    }


def _keys(model: type[BaseModel]) -> Iterator[str]:
    """The names and the other names of a model's fields."""
    for name, info in model.model_fields.items():
        yield name
        if isinstance(info.validation_alias, AliasChoices):
            yield from (alias for alias in info.validation_alias.choices if isinstance(alias, str))


def _depths(task: Task, needs: Mapping[str, Any], cycles: Sequence[int]) -> Depths | None:
    """How the result can be validated.

    Raises:
        InvalidRequestError: A strategy is not allowed, or nothing says how many results are wrong.
    """
    if not task.strategies:
        return None
    known = {"prior_error", "error_rate"} & needs.keys()
    if not known and not task.available_systems:
        raise InvalidRequestError(
            "task.requirements.prior_error is missing: the share of results that are wrong before "
            "validation, 0 to 1; without task.available_systems nothing else says it. Nothing was "
            "decided",
            field="task.requirements.prior_error",
        )
    # With systems, how good each one is says it.
    given = needs if known else {**needs, "prior_error": 0.0}
    requirements = read(ValidationRequirements, given, where="task.requirements")
    return Depths(read_strategies(task.strategies), requirements, cycles)


async def _servers(task: Task, needs: Mapping[str, Any], analyzer: Analyzes) -> Choice | None:
    """The servers of the request, else of the catalogue; of sets the best few."""
    requirements = read_requirements(needs)
    if requirements.mode == "fallback_chain":
        raise InvalidRequestError(
            "task.requirements.mode: give single or set; an order to try is what "
            "analyze_mcp_selection answers. Nothing was decided",
            field="task.requirements.mode",
        )
    analyses = [await analyzer.analyze_mcp_selection(task.available_mcps, needs)]
    while requirements.mode == "set" and len(analyses) < MOST_SETS:
        dearest = _dearest(analyses[-1])
        rest = [o["mcp_id"] for o in analyses[-1]["options"] if o["mcp_id"] != dearest]
        if dearest is None or not rest:
            break
        candidates = [c for c in task.available_mcps if (c.get("id") or c.get("name")) != dearest]
        given = candidates or [{"id": name} for name in rest]
        analyses.append(await analyzer.analyze_mcp_selection(given, needs))
    unknown_usd = (
        requirements.unknown_cost_usd
        if "unknown_cost_usd" in requirements.model_fields_set
        else None
    )
    return mcp_choice(analyses, calls=requirements.calls, unknown_usd=unknown_usd)


def _dearest(analysis: McpSelectionAnalysis) -> str | None:
    """The member of a covering set whose calls and tool list cost most."""
    cover = analysis["recommendations"]["set"]
    if cover is None or cover["missing"]:
        return None
    terms = {option["mcp_id"]: option["terms"] for option in analysis["options"]}
    costs = {
        name: (terms[name]["calls"] or 0.0) + (terms[name]["context"] or 0.0)
        for name in cover["mcp_ids"]
    }
    return max(costs, key=lambda name: (costs[name], name), default=None)
