"""CostBenefitAnalyzer: the analyses behind one class, fed with what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import anyio.to_thread

from optimizer.catalog.outcomes import Measured
from optimizer.clock import Clock, utc_now
from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.cost_benefit.descriptor import read_options
from optimizer.cost_benefit.mcp_selection import select_mcp_servers
from optimizer.cost_benefit.reading import read
from optimizer.cost_benefit.requirements import read_requirements
from optimizer.cost_benefit.route_selection import RoutingAnalysis, select_route
from optimizer.cost_benefit.routing import RoutingRequirements, read_routes
from optimizer.cost_benefit.validation import ValidationRequirements, read_strategies
from optimizer.cost_benefit.validation_selection import ValidationAnalysis, select_validation


class Measurements(Protocol):
    """Where recorded calls are summarised."""

    async def measured(self, mcps: Sequence[str], *, now: datetime) -> Mapping[str, Measured]:
        """What is on record about these servers, discounted to `now`; absent where nothing is."""


class CostBenefitAnalyzer:
    """Chooses among options by what they cost and what they bring.

    Args:
        measurements: Recorded calls; without them only claims and priors count.
        clock: The present moment.
    """

    def __init__(self, *, measurements: Measurements | None = None, clock: Clock = utc_now) -> None:
        self._measurements = measurements
        self._clock = clock

    async def analyze_mcp_selection(
        self,
        available_mcps: Sequence[Mapping[str, Any]],
        task_requirements: Mapping[str, Any] | None = None,
    ) -> McpSelectionAnalysis:
        """Choose an MCP server, a chain of fallbacks, or a set, for a task. Starts nothing.

        Args:
            available_mcps: Candidates: id or name, and what is known of cost, performance,
                reliability, latency_ms, capabilities, description, tools.
            task_requirements: What the task needs, see `Requirements`; None for all defaults.

        Returns:
            The analysis; `["recommendations"]["primary_recommendation"]["mcp_id"]` is the answer.

        Raises:
            InvalidRequestError: A candidate or a requirement is not allowed.
        """
        requirements = read_requirements(task_requirements)
        options = await anyio.to_thread.run_sync(read_options, available_mcps)
        if self._measurements is not None:
            found = await self._measurements.measured(
                [option.id for option in options], now=self._clock()
            )
            options = [replace(option, measured=found.get(option.id)) for option in options]
        return await anyio.to_thread.run_sync(select_mcp_servers, options, requirements)

    async def analyze_system_routing(
        self,
        available_systems: Sequence[Mapping[str, Any]],
        task_requirements: Mapping[str, Any] | None = None,
    ) -> RoutingAnalysis:
        """Choose the system to send a task to, by expected cost with errors and retries.

        Args:
            available_systems: Routes, see `Route`.
            task_requirements: Losses, price of waiting and limits, see `RoutingRequirements`.

        Raises:
            InvalidRequestError: A route or a requirement is not allowed.
        """
        requirements = read(RoutingRequirements, task_requirements, where="task_requirements")
        routes = read_routes(available_systems)
        return await anyio.to_thread.run_sync(select_route, routes, requirements)

    async def analyze_validation_strategies(
        self,
        strategies: Sequence[Mapping[str, Any]],
        requirements: Mapping[str, Any],
    ) -> ValidationAnalysis:
        """Choose how to validate, and how many cycles, by expected cost with escaping errors.

        Args:
            strategies: Ways to validate, see `Strategy`.
            requirements: What is validated, see `ValidationRequirements`; prior_error is needed.

        Raises:
            InvalidRequestError: A strategy or a requirement is not allowed.
        """
        read_needs = read(ValidationRequirements, requirements, where="requirements")
        options = read_strategies(strategies)
        return await anyio.to_thread.run_sync(select_validation, options, read_needs)
