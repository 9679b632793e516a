"""SequentialResourceOptimizer: a thin facade that builds the rooms and hands requests to them."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from optimizer.allocation.allocator import AllocationList, ResourceAllocator
from optimizer.allocation.audit import AuditReport
from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.catalog.configured import Candidates
from optimizer.catalog.outcomes import Witness
from optimizer.catalog.profiler import Profiler
from optimizer.clock import Clock, utc_now
from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.cost_benefit.route_selection import RoutingAnalysis
from optimizer.cost_benefit.validation_selection import ValidationAnalysis
from optimizer.decisions.application import Application
from optimizer.decisions.decision import Decision
from optimizer.decisions.explain import Explanation
from optimizer.decisions.objectives import Objective
from optimizer.decisions.request import OptimizationRequest
from optimizer.enforcement.runs import Runs
from optimizer.errors import InvalidRequestError
from optimizer.forecasting.forecast import Forecast
from optimizer.holding import HeldLease, hold
from optimizer.identity import LOCAL, Principal
from optimizer.machine.capacity import Capacity
from optimizer.monitoring.health import explain
from optimizer.monitoring.imports_prometheus import fetch_history
from optimizer.monitoring.sample import is_about_lease
from optimizer.operations.alerts import Alerts, AlertsRequest, get_alerts
from optimizer.operations.allocate import allocate
from optimizer.operations.allocate_batch import BatchAnswer, BatchRequest, allocate_batch
from optimizer.operations.analyses import (
    AnalyzeRoutingRequest,
    AnalyzeValidationRequest,
    analyze_routing,
    analyze_validation,
)
from optimizer.operations.apply import ApplyRequest
from optimizer.operations.audit import AuditRequest, audit
from optimizer.operations.catalog import CatalogReport, CatalogRequest, get_catalog
from optimizer.operations.census import CensusRequest, McpCensus
from optimizer.operations.explain import ExplainRequest, explain_decision
from optimizer.operations.forecast import ForecastRequest
from optimizer.operations.forecast_skill import (
    ForecastSkill,
    ForecastSkillRequest,
    forecast_skill,
)
from optimizer.operations.health import HealthReport, HealthRequest, get_health
from optimizer.operations.history import (
    DecisionRequest,
    History,
    HistoryRequest,
    get_decision,
    list_decisions,
)
from optimizer.operations.import_history import (
    ImportReport,
    OnProgress,
    fill_history,
    import_history,
    read_csv,
    read_sysstat,
)
from optimizer.operations.list_allocations import ListAllocationsRequest, list_allocations
from optimizer.operations.metrics import (
    USE_WINDOW,
    MetricsHistory,
    MetricsReport,
    MetricsRequest,
    get_metrics,
    get_metrics_history,
)
from optimizer.operations.optimize import optimize_resources
from optimizer.operations.profile_mcp import ProfileReport, ProfileRequest, profile_mcp
from optimizer.operations.reallocate import (
    ReallocateRequest,
    ReallocationReport,
    reallocate,
)
from optimizer.operations.record_calls import record_calls
from optimizer.operations.release import ReleaseRequest, release_allocation
from optimizer.operations.renew import RenewRequest, renew_allocation
from optimizer.operations.report_usage import ReportUsageRequest, UsageRecorded, report_usage
from optimizer.operations.see_tools import see_tools
from optimizer.operations.select_mcp import SelectMcpRequest, select_mcp
from optimizer.operations.submit_choice import ChoiceRequest, submit_choice
from optimizer.operations.synthesis import (
    reallocation_choice,
    synthesise_forecast,
    synthesise_selection,
)
from optimizer.plugins import Registry
from optimizer.rooms import Rooms
from optimizer.settings import Settings, load_settings
from optimizer.store.decisions import MOST_KEPT
from optimizer.thinking.question import OnThought
from optimizer.version import VERSION

logger = logging.getLogger("sequential_resource_optimization")

RequestT = TypeVar("RequestT", bound=BaseModel)


class SequentialResourceOptimizer:
    """Measures, forecasts, weighs, allocates and decides, for this machine.

    Construction opens nothing and needs no event loop. Use it as `async with`, which samples while
    the body runs, or call any method at once: what it needs is opened on first use.

    Args:
        openrouter_api_key: Key of the language model's service; None takes OPENROUTER_API_KEY.
        sequential_thinking_mcp_endpoint: Where thoughts are recorded; None takes
            SEQUENTIAL_THINKING_MCP_ENDPOINT, and that empty is the embedded server.
        optimization_config: The reference document's dictionary; it goes before the environment.
        settings: Everything at once, instead of the three above, the environment and sro.toml.
        strategies: Further objectives, beside the built-in ones and those of installed packages.
        clock: The wall clock.

    Attributes:
        performance_monitor: How the machine is and was.
        predictive_planner: Forecasts from history.
        cost_benefit_analyzer: Analyses of options.
        resource_allocator: Leases.
        storage: How much is written, and what was dropped to stay below the limit.
        troubles: What the process around this object knows to be broken: a word, and what it means;
            the health tells it.
        advice: The same of what should be different and makes nothing worse now.
        optimization_history: The decisions that this object made, oldest first; the store keeps
            those of everybody.

    Raises:
        ConfigurationError: A setting has a value that is not allowed.
    """

    def __init__(
        self,
        openrouter_api_key: str | None = None,
        sequential_thinking_mcp_endpoint: str | None = None,
        optimization_config: Mapping[str, Any] | None = None,
        *,
        settings: Settings | None = None,
        strategies: Iterable[Objective] = (),
        clock: Clock = utc_now,
    ) -> None:
        self._rooms = Rooms(
            settings
            or load_settings(
                arguments={
                    "openrouter_api_key": openrouter_api_key,
                    "sequential_thinking_mcp_endpoint": sequential_thinking_mcp_endpoint,
                },
                optimization_config=optimization_config,
            ),
            strategies=strategies,
            clock=clock,
        )
        self.events = self._rooms.events
        self.troubles = self._rooms.troubles
        self.advice = self._rooms.advice
        self.performance_monitor = self._rooms.monitor
        self.predictive_planner = self._rooms.planner
        self.cost_benefit_analyzer = self._rooms.analyzer
        self.storage = self._rooms.storage
        self.optimization_history: deque[Decision] = deque(maxlen=MOST_KEPT)
        self._users = 0

    @property
    def settings(self) -> Settings:
        """What it goes by now."""
        return self._rooms.settings

    @property
    def objectives(self) -> Registry[Objective]:
        """What a decision can be asked to strive for, by name."""
        return self._rooms.objectives

    @property
    def store_url(self) -> str:
        """Where the store is, without a password."""
        return self._rooms.database.shown_url

    @property
    def capacities(self) -> dict[str, Capacity]:
        """What this process may use of this machine, by resource; found out on first use."""
        return self._rooms.capacities.now

    @property
    def resource_allocator(self) -> ResourceAllocator:
        """Leases of what this machine may use."""
        return self._rooms.allocator

    @property
    def runs(self) -> Runs:
        """Commands that run under leases on this machine."""
        return self._rooms.runs

    async def __aenter__(self) -> Self:
        """Start monitoring; entered again, it stays started until the last exit."""
        self._users += 1
        await self.start_performance_monitoring()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop monitoring and close what was opened, at the last exit."""
        self._users -= 1
        if self._users == 0:
            await self.stop_performance_monitoring()

    async def start_performance_monitoring(self) -> None:
        """Open the store, sample on an interval, and end leases that are over.

        Raises:
            StorageError: The store cannot be opened.
        """
        await self._rooms.open()

    async def stop_performance_monitoring(self) -> None:
        """Stop sampling and close the store and the thinking server; the next use opens them."""
        await self._rooms.close()

    async def reload(self, settings: Settings) -> tuple[str, ...]:
        """Go by other settings from now on, as far as a running process can.

        Returns:
            The settings that count only after a restart.

        Raises:
            ConfigurationError: A value is not allowed; nothing was changed.
        """
        return await self._rooms.reload(settings)

    async def reload_history(self) -> None:
        """Take over history that another process wrote to the store, for example an import."""
        await self._rooms.reload_history()

    async def get_health(
        self, request: HealthRequest | None = None, *, principal: Principal = LOCAL
    ) -> HealthReport:
        """How the machine is, what it has, and what is free to allocate."""
        asked = request or HealthRequest()
        problems = self._rooms.problems()

        async def look() -> HealthReport:
            await self._rooms.look()
            return await get_health(
                asked,
                monitor=self.performance_monitor,
                keeper=self._rooms.samples,
                capacities=self.capacities,
                pools=await self.resource_allocator.utilization(),
                version=VERSION,
                problems=problems,
                advice=self.advice,
            )

        return await self._rooms.shared.answer(
            "health", (*self._rooms.state(), asked, *problems), look
        )

    async def get_metrics(
        self, request: MetricsRequest | None = None, *, principal: Principal = LOCAL
    ) -> MetricsReport:
        """The latest sample, where it is going, and the pools."""

        async def look() -> MetricsReport:
            await self._rooms.look()
            held = await self.resource_allocator.list(principal, whose="all", limit=1)
            return await get_metrics(
                request or MetricsRequest(),
                monitor=self.performance_monitor,
                pools=held.pools,
                total_allocations=held.total,
                census=self._rooms.counted.latest,
                spent=await self._rooms.outcomes.spent_since(self._rooms.clock() - USE_WINDOW),
            )

        return await self._rooms.shared.answer("metrics", self._rooms.state(), look)

    async def get_census(
        self, request: CensusRequest | None = None, *, principal: Principal = LOCAL
    ) -> McpCensus:
        """Which MCP servers run on this machine: copies, memory, and those without a host."""
        return await self._rooms.counted.census()

    async def metrics_history(self, minutes: int) -> MetricsHistory:
        """The last minutes, thinned to a few means."""
        return get_metrics_history(minutes, monitor=self.performance_monitor)

    async def forecast_workload(
        self,
        request: ForecastRequest | None = None,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> Forecast:
        """What load is coming."""
        forecast = await self._rooms.forecast(request)
        if request is None or not request.use_sequential_thinking:
            return forecast
        return await synthesise_forecast(
            forecast,
            thinker=self._rooms.thinker,
            budget=self._rooms.policy.thinking_budget,
            on_thought=on_thought,
        )

    async def forecast_skill(
        self, request: ForecastSkillRequest | None = None, *, principal: Principal = LOCAL
    ) -> ForecastSkill:
        """How the forecasts that were served did, against what came afterwards."""
        return await forecast_skill(request or ForecastSkillRequest(), of=self._rooms.forecasting)

    async def get_alerts(
        self, request: AlertsRequest | None = None, *, principal: Principal = LOCAL
    ) -> Alerts:
        """What is beyond a threshold now or expected to be, and what was before."""
        return await get_alerts(
            request or AlertsRequest(),
            standing=self.performance_monitor.alerts,
            host=self._rooms.host,
            keeper=self._rooms.alerts,
        )

    async def optimize_resources(
        self,
        optimization_request: OptimizationRequest | Mapping[str, Any] | None = None,
        use_sequential_thinking: bool | None = None,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> Decision:
        """Decide about a scope under limits; the decision is kept and proposes only.

        Args:
            optimization_request: scope, primary_objective, constraints; see OptimizationRequest.
            use_sequential_thinking: Over the request's own, when it is not None.
            principal: Who asks.
            on_thought: Told of each thought.

        Raises:
            InvalidRequestError: Something in the request is not allowed.
            StorageError: The decision cannot be kept.
        """
        request = _read(OptimizationRequest, optimization_request)
        if use_sequential_thinking is not None:
            request = request.model_copy(
                update={"use_sequential_thinking": use_sequential_thinking, "thinking": None}
            )
        await self._rooms.look()
        decision = await optimize_resources(
            request,
            monitor=self.performance_monitor,
            forecasting=self._rooms.forecasting,
            allocator=self.resource_allocator,
            prices=self._rooms.prices,
            fronts=self._rooms.fronts,
            objectives=self.objectives,
            thinker=self._rooms.thinker,
            keeper=self._rooms.decisions,
            events=self.events,
            clock=self._rooms.clock,
            policy=self._rooms.policy,
            experience=self._rooms.experience,
            elsewhere=self._rooms.elsewhere,
            job=await self._rooms.job(request, principal),
            on_thought=on_thought,
        )
        self.optimization_history.append(decision)
        return decision

    async def explain_decision(
        self, request: ExplainRequest, *, principal: Principal = LOCAL
    ) -> Explanation:
        """Why a kept decision fell so."""
        return await explain_decision(
            request,
            keeper=self._rooms.decisions,
            objectives=self.objectives,
            applications=self._rooms.applications,
        )

    async def get_thoughts(
        self, request: DecisionRequest, *, principal: Principal = LOCAL
    ) -> Explanation:
        """The chain of thoughts of a kept decision."""
        asked = ExplainRequest(decision_id=request.decision_id, detail="thoughts")
        return await self.explain_decision(asked, principal=principal)

    async def submit_choice(
        self, request: ChoiceRequest, *, principal: Principal = LOCAL
    ) -> Decision:
        """Judge what the agent that asked chose among a decision's candidates."""
        return await submit_choice(
            request,
            keeper=self._rooms.decisions,
            objectives=self.objectives,
            thinker=self._rooms.thinker,
            budget=self._rooms.policy.thinking_budget,
            events=self.events,
        )

    async def apply_decision(
        self, request: ApplyRequest, *, principal: Principal = LOCAL
    ) -> Application:
        """Carry a kept decision out, or try it; only operators may."""
        return await self._rooms.applications.apply(request, principal)

    async def list_decisions(
        self, request: HistoryRequest | None = None, *, principal: Principal = LOCAL
    ) -> History:
        """The newest decisions of everybody on this store."""
        return await list_decisions(request or HistoryRequest(), keeper=self._rooms.decisions)

    async def get_decision(
        self, request: DecisionRequest, *, principal: Principal = LOCAL
    ) -> Decision:
        """One kept decision."""
        return await get_decision(request, keeper=self._rooms.decisions)

    async def analyze_mcp_selection(
        self,
        request: SelectMcpRequest,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> McpSelectionAnalysis:
        """Which MCP server to use for a task."""
        analysis = await select_mcp(request, analyzer=self.cost_benefit_analyzer)
        if not request.use_sequential_thinking:
            return analysis
        return await synthesise_selection(
            analysis,
            task=str(request.task_requirements.get("task", "")),
            thinker=self._rooms.thinker,
            budget=self._rooms.policy.thinking_budget,
            on_thought=on_thought,
        )

    async def analyze_system_routing(
        self, request: AnalyzeRoutingRequest, *, principal: Principal = LOCAL
    ) -> RoutingAnalysis:
        """Which system to send a task to."""
        return await analyze_routing(request, analyzer=self.cost_benefit_analyzer)

    async def analyze_validation_strategies(
        self, request: AnalyzeValidationRequest, *, principal: Principal = LOCAL
    ) -> ValidationAnalysis:
        """How to validate, and how often."""
        return await analyze_validation(request, analyzer=self.cost_benefit_analyzer)

    async def get_catalog(
        self, request: CatalogRequest | None = None, *, principal: Principal = LOCAL
    ) -> CatalogReport:
        """Which MCP servers may be chosen, and what was measured of each."""
        return await get_catalog(
            request or CatalogRequest(),
            candidates=self._rooms.candidates,
            entries=self._rooms.catalog,
            measurements=self._rooms.outcomes,
            now=self._rooms.clock(),
        )

    async def profile_mcp(
        self, request: ProfileRequest, *, principal: Principal = LOCAL
    ) -> ProfileReport:
        """Start servers of the operator's allow-list in cages, and measure them."""
        return await profile_mcp(
            request, candidates=self._rooms.candidates, profiler=self._rooms.profiler
        )

    @property
    def profiler(self) -> Profiler:
        """Measures servers that the caller names with their commands; no door offers it."""
        return self._rooms.profiler

    @property
    def candidates(self) -> Candidates:
        """What is configured of MCP servers."""
        return self._rooms.candidates

    async def report_usage(
        self, request: ReportUsageRequest, *, principal: Principal = LOCAL
    ) -> UsageRecorded:
        """Record calls that this program could not see itself."""
        return await report_usage(
            request, outcomes=self._rooms.outcomes, clock=self._rooms.clock, principal=principal
        )

    async def allocate(
        self, request: AllocationRequest | Mapping[str, Any], *, principal: Principal = LOCAL
    ) -> Allocation:
        """Reserve resources as a lease, or say why not and what fits when."""
        await self._rooms.look()
        return await allocate(
            _read(AllocationRequest, request),
            allocator=self.resource_allocator,
            principal=principal,
        )

    async def allocate_batch(
        self, request: BatchRequest | Mapping[str, Any], *, principal: Principal = LOCAL
    ) -> BatchAnswer:
        """Reserve for many requests at once, so that together they are worth most."""
        return await allocate_batch(
            _read(BatchRequest, request), allocator=self.resource_allocator, principal=principal
        )

    async def audit(
        self, request: AuditRequest | None = None, *, principal: Principal = LOCAL
    ) -> AuditReport:
        """Prove that the ledger adds up: every pool from the log and from the leases."""
        return await audit(allocator=self.resource_allocator)

    async def reallocate(
        self,
        request: ReallocateRequest | None = None,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> ReallocationReport:
        """Who should hold more and who less; carried out if an operator asks for that."""
        budget = self._rooms.policy.thinking_budget
        return await reallocate(
            request or ReallocateRequest(),
            controller=self._rooms.reallocation,
            principal=principal,
            choose=reallocation_choice(self._rooms.thinker, budget=budget, on_thought=on_thought),
        )

    async def renew_allocation(
        self, request: RenewRequest, *, principal: Principal = LOCAL
    ) -> Allocation:
        """Keep a lease of the caller's longer."""
        renewed = await renew_allocation(
            request, allocator=self.resource_allocator, principal=principal
        )
        return self._observed(renewed)

    async def bind_allocation(
        self,
        allocation_id: str,
        *,
        pids: Sequence[int] = (),
        cgroup: str | None = None,
        principal: Principal = LOCAL,
    ) -> None:
        """Say what runs under a lease of the principal's; its use is then told apart.

        For code that knows whose they are (`sro run`, the peer of a socket); no door offers it.
        """
        await self._rooms.bind(allocation_id, pids, cgroup, principal)

    async def record_calls(
        self,
        mcp: str,
        calls: Iterable[Mapping[str, Any]],
        *,
        witness: Witness,
        principal: Principal = LOCAL,
    ) -> int:
        """Record calls of an MCP server that we saw ourselves; no door offers it."""
        return await record_calls(
            mcp,
            calls,
            witness=witness,
            outcomes=self._rooms.outcomes,
            clock=self._rooms.clock,
            principal=principal,
        )

    async def see_tools(
        self,
        mcp: str,
        tools: Sequence[object],
        *,
        command: Sequence[str],
        principal: Principal = LOCAL,
    ) -> str | None:
        """Hold a tool list that we saw pass against what is known; no door offers it."""
        return await see_tools(
            mcp,
            tools,
            command=command,
            catalog=self._rooms.catalog,
            clock=self._rooms.clock,
            principal=principal,
        )

    async def release_allocation(
        self, request: ReleaseRequest, *, principal: Principal = LOCAL
    ) -> Allocation:
        """Give a lease of the caller's back."""
        return await release_allocation(
            request, allocator=self.resource_allocator, principal=principal
        )

    async def list_allocations(
        self, request: ListAllocationsRequest | None = None, *, principal: Principal = LOCAL
    ) -> AllocationList:
        """Leases that are held, and what is free."""
        await self._rooms.look()
        found = await list_allocations(
            request or ListAllocationsRequest(),
            allocator=self.resource_allocator,
            principal=principal,
        )
        shown = tuple(self._observed(allocation) for allocation in found.allocations)
        return found.model_copy(update={"allocations": shown})

    @asynccontextmanager
    async def lease(
        self,
        *,
        ttl_s: int = 900,
        purpose: str = "",
        min_fraction: float = 1.0,
        wait_s: float = 0.0,
        priority_level: str = "normal",
        strategy: str = "balanced",
        **resources: float | str,
    ) -> AsyncIterator[HeldLease]:
        """Hold resources while the body runs: renewed inside, released at the end.

        Args:
            ttl_s: Seconds that the lease outlives this process by, should it die.
            purpose: What it is for.
            min_fraction: Least share that is of use.
            wait_s: Seconds to wait for room, at most 45.
            priority_level: low, normal, high or critical.
            strategy: How much between min_fraction and all.
            **resources: Amounts by resource, for example `cpu="2 cores"`.

        Raises:
            LeaseRefusedError: There is no room; its `allocation` says what fits when.
        """
        request = {
            "resources": resources,
            "ttl_s": ttl_s,
            "purpose": purpose,
            "min_fraction": min_fraction,
            "wait_s": wait_s,
            "priority_level": priority_level,
            "strategy": strategy,
        }
        async with hold(self, _read(AllocationRequest, request)) as held:
            yield held

    async def import_history(
        self, lines: Iterable[str], *, on_progress: OnProgress | None = None, sysstat: bool = False
    ) -> ImportReport:
        """Fill this machine's history, so that a forecast need not wait.

        Args:
            lines: A CSV table, or what `sadf -j` printed.
            on_progress: Hears of every batch.
            sysstat: Whether it is the latter.
        """
        report = await import_history(
            lines,
            host=self._rooms.host,
            keeper=self._rooms.samples,
            clock=self._rooms.clock,
            on_progress=on_progress,
            parse=read_sysstat if sysstat else read_csv,
        )
        await self._rooms.reload_history()
        return report

    async def import_prometheus(
        self, url: str, *, instance: str, days: int, on_progress: OnProgress | None = None
    ) -> ImportReport:
        """Fill this machine's history with what a Prometheus server recorded of it.

        Args:
            url: Of the server.
            instance: The label of this machine's node_exporter, for example `localhost:9100`.
            days: How far back.
            on_progress: Hears of every batch.
        """
        now = self._rooms.clock()
        imported = await fetch_history(
            url, instance=instance, start=now - timedelta(days=days), end=now
        )
        report = await fill_history(
            imported,
            host=self._rooms.host,
            keeper=self._rooms.samples,
            now=now,
            on_progress=on_progress,
        )
        await self._rooms.reload_history()
        return report

    def strategies(self) -> dict[str, dict[str, str]]:
        """What can be asked for by name: each part with its one line."""
        return {
            "objectives": _described(self.objectives),
            "allocation_strategies": _described(self._rooms.allocation_strategies),
            "forecast_models": _described(self.predictive_planner.models),
        }

    def _observed(self, allocation: Allocation) -> Allocation:
        """The same, with what its processes used in the last sample."""
        use = self.performance_monitor.lease_use.get(allocation.allocation_id or "")
        if use is None:
            return allocation
        unknown = {name: why for name, why in allocation.unknown.items() if name != "observed"}
        overuse = (
            explain(alert)
            for alert in self.performance_monitor.alerts
            if is_about_lease(alert.metric, use.number)
        )
        return allocation.model_copy(
            update={
                "observed": dict(use.used),
                "unknown": unknown,
                "notices": (*allocation.notices, *overuse),
            }
        )


def _described(parts: Iterable[object]) -> dict[str, str]:
    """The first sentence that each part says of itself."""
    described = {}
    for part in parts:
        text = getattr(part, "description", None) or type(part).__doc__ or ""
        described[str(getattr(part, "name", ""))] = str(text).strip().partition("\n")[0]
    return described


def _read(model: type[RequestT], values: RequestT | Mapping[str, Any] | None) -> RequestT:
    """A request from a dictionary.

    Raises:
        InvalidRequestError: A value or a key is not allowed; the message names the first.
    """
    if isinstance(values, model):
        return values
    try:
        return model.model_validate({} if values is None else values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidRequestError(f"{field}: {reason}".removeprefix(": "), field=field) from None
