"""What is chosen for one task beside its lease, as levels with figures that decisions weigh.

A route, a way to validate and a set of MCP servers are each a `Choice`: a list of `Way`s, the first
of which is how the task is done unless something else is chosen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from optimizer.cost_benefit.analysis import McpSelectionAnalysis, OptionView
from optimizer.cost_benefit.route_selection import broken_limits
from optimizer.cost_benefit.routing import (
    Chances,
    Route,
    RoutingRequirements,
    attempts_interval,
    chances,
)
from optimizer.cost_benefit.validation import Strategy, ValidationRequirements, missed_share

ROUTE, VALIDATION, MCP = "route", "validation", "mcp"

MOST_WAYS = 20
"""MCP servers that one decision compares: those that the analysis ranks first."""

MOST_LABEL = 40
"""Characters of a way's id that are shown in the id of a candidate."""

NonNegative = Annotated[FiniteFloat, Field(ge=0)]
Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Way(_Noun):
    """One level of a choice, with its expected figures for one task."""

    id: str = Field(description="Tells it from the other ways of its choice.")
    text: str = Field(description="What to do, in words.")
    usd: NonNegative | None = Field(description="US dollars; None is not known.")
    usd_interval: tuple[NonNegative, NonNegative] | None = Field(
        None, description="Where `usd` lies with 90 % probability; None where nothing says it."
    )
    seconds: NonNegative | None = Field(description="Waiting; None is not known.")
    p_failure: Probability = Field(
        description="Probability that it fails, or is wrong without anybody noticing."
    )


class Choice(_Noun):
    """A lever of the task: what can be chosen, the first unless something speaks for another."""

    name: str
    ways: Annotated[tuple[Way, ...], Field(min_length=1)]
    left_out: Mapping[str, str] = Field(
        default_factory=dict, description="Ways that its own limits reject, and why."
    )


@dataclass(frozen=True)
class Depths:
    """How a result can be validated.

    Attributes:
        strategies: Ways to validate.
        requirements: What validation may cost and miss.
        cycles: Numbers of cycles to consider.
    """

    strategies: Sequence[Strategy]
    requirements: ValidationRequirements
    cycles: Sequence[int]

    def ways(self, prior_error: float) -> tuple[list[Way], dict[str, str]]:
        """Every strategy with every number of cycles, none first; and those that limits reject.

        Args:
            prior_error: Probability that a result is wrong before validation.
        """
        needs = self.requirements.model_copy(update={"prior_error": prior_error})
        unvalidated = Way(
            id="none", text="do not validate", usd=0.0, seconds=0.0, p_failure=prior_error
        )
        ways, rejected = [], {}
        for strategy in self.strategies:
            most = min(strategy.max_cycles, needs.max_cycles)
            for count in sorted({c for c in self.cycles if 0 < c <= most}):
                way = _depth(strategy, count, prior_error)
                why = _beyond(way, needs)
                if why is None:
                    ways.append(way)
                else:
                    rejected[way.id] = why
        if (why := _beyond(unvalidated, needs)) is not None:
            return ways, {**rejected, unvalidated.id: why}
        return [unvalidated, *ways], rejected

    def choice(self) -> Choice | None:
        """How to validate a result that is there; None when limits reject every way."""
        ways, left_out = self.ways(self.requirements.prior_error)
        return Choice(name=VALIDATION, ways=tuple(ways), left_out=left_out) if ways else None


def route_choice(
    routes: Sequence[Route],
    requirements: RoutingRequirements,
    depths: Depths | None = None,
) -> Choice | None:
    """The systems that could take the task, each with every depth of validation behind it.

    How much there is to find depends on the system, so the two are one choice.

    Args:
        routes: The systems.
        requirements: Attempts and limits.
        depths: How its answer can be validated; None for not at all.

    Returns:
        The choice; None when limits reject every way.
    """
    left_out: dict[str, str] = {}
    ways: list[Way] = []
    for route in routes:
        broken = broken_limits(route, requirements)
        if broken:
            left_out[route.id] = "; ".join(broken)
            continue
        expected = chances(route, requirements)
        taken = _taken(route, expected, requirements)
        if depths is None:
            ways.append(taken)
            continue
        found, rejected = depths.ways((1 - expected.fails) * expected.wrong)
        left_out |= {f"{route.id}, {name}": why for name, why in rejected.items()}
        ways.extend(_validated(taken, depth, expected.fails) for depth in found)
    return Choice(name=ROUTE, ways=tuple(ways), left_out=left_out) if ways else None


def mcp_choice(
    analyses: Sequence[McpSelectionAnalysis], *, calls: int, unknown_usd: float | None
) -> Choice | None:
    """The servers, or the sets of servers, that analyses answer, the best first.

    Args:
        analyses: Of one server for the task: one analysis; of sets: one for each set.
        calls: Calls that the task takes.
        unknown_usd: US dollars a call to charge where a cost is not known; None leaves it unknown.
    """
    ways: dict[str, Way] = {}
    left_out: dict[str, str] = {}
    for analysis in analyses:
        options = {option["mcp_id"]: option for option in analysis["options"]}
        rejected = {item["mcp_id"]: item["reason"] for item in analysis["rejected"]}
        left_out |= rejected
        if analysis["mode"] == "set":
            found = _set(analysis, options, calls, unknown_usd)
            ways |= {} if found is None else {found.id: found}
        else:
            allowed = [option for name, option in options.items() if name not in rejected]
            ways |= {o["mcp_id"]: _server(o, calls, unknown_usd) for o in allowed[:MOST_WAYS]}
    return Choice(name=MCP, ways=tuple(ways.values()), left_out=left_out) if ways else None


def _taken(route: Route, expected: Chances, requirements: RoutingRequirements) -> Way:
    latency = route.latency_ms
    worst, best = attempts_interval(route, requirements)
    return Way(
        id=route.id,
        text=f"send the task to {route.id}",
        usd=expected.attempts * route.cost_usd,
        usd_interval=(best * route.cost_usd, worst * route.cost_usd),
        seconds=None if latency is None else expected.attempts * latency / 1000,
        p_failure=min(1.0, expected.fails + (1 - expected.fails) * expected.wrong),
    )


def _validated(taken: Way, depth: Way, fails: float) -> Way:
    """A route and the validation of what it answers."""
    return Way(
        id=f"{taken.id}, {depth.id}",
        text=f"{taken.text}, and {depth.text}",
        usd=_sum(taken.usd, depth.usd),
        usd_interval=None
        if taken.usd_interval is None or depth.usd is None
        else (taken.usd_interval[0] + depth.usd, taken.usd_interval[1] + depth.usd),
        seconds=_sum(taken.seconds, depth.seconds),
        p_failure=min(1.0, fails + depth.p_failure),
    )


def _depth(strategy: Strategy, cycles: int, prior_error: float) -> Way:
    latency = strategy.cycle_latency_ms
    times = "once" if cycles == 1 else f"{cycles} times"
    return Way(
        id=f"{strategy.id} x{cycles}",
        text=f"validate {times} by {strategy.id}",
        usd=cycles * strategy.cycle_cost_usd,
        seconds=None if latency is None else cycles * latency / 1000,
        p_failure=min(1.0, prior_error * missed_share(strategy, cycles)),
    )


def _beyond(way: Way, needs: ValidationRequirements) -> str | None:
    """The limit of validation that a way breaks, with both numbers."""
    if needs.max_escaped is not None and way.p_failure > needs.max_escaped:
        return f"max_escaped: {way.p_failure:.3g} is over {needs.max_escaped:g}"
    if needs.budget is not None and (way.usd or 0.0) > needs.budget:
        return f"budget: {way.usd:.4g} USD is over {needs.budget:g}"
    return None


def _server(option: OptionView, calls: int, unknown_usd: float | None) -> Way:
    relevance = 1.0 if option["relevance"] is None else option["relevance"]
    quality, success = option["quality"]["value"] or 0.0, option["reliability"]["value"] or 0.0
    return Way(
        id=option["mcp_id"],
        text=f"use the MCP server {option['mcp_id']}",
        usd=_calls_usd(option, calls, unknown_usd),
        seconds=_calls_s(option, calls),
        p_failure=1 - min(1.0, relevance * quality * success),
    )


def _set(
    analysis: McpSelectionAnalysis,
    options: Mapping[str, OptionView],
    calls: int,
    unknown_usd: float | None,
) -> Way | None:
    """The set that an analysis chose; None where it does not cover the task."""
    cover = analysis["recommendations"]["set"]
    if cover is None or cover["missing"] or not cover["mcp_ids"]:
        return None
    served = Counter(cover["serves"].values())
    share = {name: calls * count / served.total() for name, count in served.items()}
    names = ", ".join(cover["mcp_ids"])
    return Way(
        id=names,
        text=f"use the MCP servers {names}",
        usd=_sum(*(_calls_usd(options[name], n, unknown_usd) for name, n in share.items())),
        seconds=_sum(*(_calls_s(options[name], n) for name, n in share.items())),
        p_failure=1 - min(1.0, cover["p_success"] or 0.0),
    )


def _calls_usd(option: OptionView, calls: float, unknown_usd: float | None) -> float | None:
    """What calls of a server cost, with what its tool list takes of the model's context."""
    each = option["cost_usd"]["value"]
    usd = unknown_usd if each is None else each
    return _sum(None if usd is None else calls * usd, option["terms"]["context"] or 0.0)


def _calls_s(option: OptionView, calls: float) -> float | None:
    """Seconds of waiting for calls of a server, its start included where that is known."""
    latency, startup = option["latency_ms"]["value"], option["startup_ms"]["value"]
    return None if latency is None else (calls * latency + (startup or 0.0)) / 1000


def _sum(*figures: float | None) -> float | None:
    """Unknown as soon as one of them is."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None
