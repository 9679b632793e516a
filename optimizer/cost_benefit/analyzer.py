"""CostBenefitAnalyzer: the analyses behind one class, fed with what was measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import anyio.to_thread

from optimizer.catalog.entry import CatalogEntry
from optimizer.catalog.host_configs import HostConfig
from optimizer.catalog.outcomes import Measured
from optimizer.clock import Clock, utc_now
from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.cost_benefit.descriptor import read_options
from optimizer.cost_benefit.known import with_profile
from optimizer.cost_benefit.mcp_selection import select_mcp_servers
from optimizer.cost_benefit.reading import read
from optimizer.cost_benefit.requirements import read_requirements
from optimizer.cost_benefit.route_selection import RoutingAnalysis, select_route
from optimizer.cost_benefit.routing import RoutingRequirements, read_routes
from optimizer.cost_benefit.validation import ValidationRequirements, read_strategies
from optimizer.cost_benefit.validation_selection import ValidationAnalysis, select_validation
from optimizer.errors import InvalidRequestError


class Measurements(Protocol):
    """Where recorded calls are summarised."""

    async def measured(self, mcps: Sequence[str], *, now: datetime) -> Mapping[str, Measured]:
        """What is on record about these servers, discounted to `now`; absent where nothing is."""


class Profiles(Protocol):
    """Where profiles of servers are kept."""

    async def entries(self) -> Mapping[str, CatalogEntry]:
        """Every profiled server by id."""


class CostBenefitAnalyzer:
    """Chooses among options by what they cost and what they bring.

    Args:
        measurements: Recorded calls; without them only claims and priors count.
        catalog: Profiles of servers; they fill in what a candidate leaves out.
        configured: The servers of host configurations; they and the profiled ones are the
            candidates when a caller names none.
        clock: The present moment.
    """

    def __init__(
        self,
        *,
        measurements: Measurements | None = None,
        catalog: Profiles | None = None,
        configured: Callable[[], HostConfig] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._measurements = measurements
        self._catalog = catalog
        self._configured = configured
        self._clock = clock

    async def analyze_mcp_selection(
        self,
        available_mcps: Sequence[Mapping[str, Any]] = (),
        task_requirements: Mapping[str, Any] | None = None,
    ) -> McpSelectionAnalysis:
        """Choose an MCP server, a chain of fallbacks, or a set, for a task. Starts nothing.

        Args:
            available_mcps: Candidates: id or name, and what is known of cost, performance,
                reliability, latency_ms, capabilities, description, tools. Without any, the
                configured and the profiled servers are the candidates.
            task_requirements: What the task needs, see `Requirements`; None for all defaults.

        Returns:
            The analysis; `["recommendations"]["primary_recommendation"]["mcp_id"]` is the answer.

        Raises:
            InvalidRequestError: A candidate or a requirement is not allowed.
        """
        requirements = read_requirements(task_requirements)
        profiles = {} if self._catalog is None else await self._catalog.entries()
        left_out: Mapping[str, str] = {}
        if not available_mcps:
            available_mcps, left_out = await anyio.to_thread.run_sync(self._known, profiles)
        options = await anyio.to_thread.run_sync(read_options, available_mcps)
        options = [with_profile(option, profiles.get(option.id)) for option in options]
        if self._measurements is not None:
            found = await self._measurements.measured(
                [option.id for option in options], now=self._clock()
            )
            options = [replace(option, measured=found.get(option.id)) for option in options]
        analysis = await anyio.to_thread.run_sync(select_mcp_servers, options, requirements)
        analysis["unknown"] |= {name: f"left out: {why}" for name, why in left_out.items()}
        return analysis

    def _known(
        self, profiles: Mapping[str, CatalogEntry]
    ) -> tuple[list[Mapping[str, Any]], Mapping[str, str]]:
        """Every configured or profiled server by id, and what of the configurations is left out.

        Raises:
            InvalidRequestError: There is none.
        """
        config = HostConfig(()) if self._configured is None else self._configured()
        ids = sorted({*profiles, *(server.id for server in config.servers)})
        if not ids:
            raise InvalidRequestError(
                "available_mcps: is empty, and no server is configured or profiled here; give "
                "candidates with an id or name, set [candidates] host_configs in sro.toml, or run "
                "`sro profile --config FILE`. Nothing was analysed",
                field="available_mcps",
            )
        return [{"id": identifier} for identifier in ids], config.left_out

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
