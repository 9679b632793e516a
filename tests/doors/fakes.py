"""An optimizer that answers at once, for tests of the doors alone."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel

from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.errors import DependencyError, NotFoundError
from optimizer.events import EventBus
from optimizer.identity import LOCAL, Principal
from optimizer.machine.readings import Reading
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.workload import Workload
from optimizer.operations.analyses import (
    AnalyzeRoutingRequest,
    AnalyzeValidationRequest,
    analyze_routing,
    analyze_validation,
)
from optimizer.operations.metrics import MetricsHistory, get_metrics_history
from optimizer.operations.select_mcp import SelectMcpRequest, select_mcp
from optimizer.thinking.question import OnThought
from tests.doors import nouns

ANSWERS: Mapping[str, Any] = {
    "get_health": nouns.HEALTH,
    "get_metrics": nouns.METRICS,
    "get_alerts": nouns.ALERTS,
    "get_census": nouns.CENSUS,
    "forecast_workload": nouns.FORECAST,
    "forecast_skill": nouns.SKILL,
    "optimize_resources": nouns.DECISION,
    "explain_decision": nouns.EXPLANATION,
    "get_thoughts": nouns.EXPLANATION,
    "submit_choice": nouns.DECISION,
    "apply_decision": nouns.APPLICATION,
    "get_decision": nouns.DECISION,
    "list_decisions": nouns.HISTORY,
    "allocate": nouns.LEASE,
    "allocate_batch": nouns.BATCH,
    "audit": nouns.AUDIT,
    "reallocate": nouns.REALLOCATION,
    "renew_allocation": nouns.LEASE,
    "release_allocation": nouns.ENDED,
    "list_allocations": nouns.ALLOCATIONS,
    "get_catalog": nouns.CATALOG,
    "profile_mcp": nouns.PROFILED,
    "report_usage": {"recorded": 1, "on_record": {"a": 1}, "next": "they count from now on"},
}

HUGE = "1000 cores"
"""An amount that the fake refuses."""

ABSENT = "absent"
"""An id that the fake does not know."""

BROKEN = "broken"
"""An id at which something outside is broken."""

CRASH = "crash"
"""An id at which the fake raises what nobody foresaw."""

CANARY = "sk-canary-4f1c9b7a"
"""A secret that must appear nowhere."""


class NoMachine:
    """Must not be read."""

    is_quick = True

    def read(self) -> Reading:
        raise AssertionError("the doors do not read the machine")


class HeardWorkload(Workload):
    """Remembers what the doors counted."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bool] = []

    def record(self, *, ok: bool, latency_ms: float) -> None:
        self.heard.append(ok)


class FakeAllocator:
    """Has one pool."""

    def __init__(self) -> None:
        self.pools = {"cpu": nouns.POOL}


class FakeOptimizer:
    """Answers every operation from `ANSWERS` and remembers what it was asked."""

    def __init__(self) -> None:
        self.events = EventBus()
        self.asked: list[tuple[str, BaseModel, Principal]] = []
        self.running = False
        self.workload = HeardWorkload()
        self.performance_monitor = PerformanceMonitor(
            machine=NoMachine(), workload=self.workload, events=self.events
        )
        self.resource_allocator = FakeAllocator()
        self._analyzer = CostBenefitAnalyzer()

    async def __aenter__(self) -> Self:
        self.running = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.running = False

    def strategies(self) -> dict[str, dict[str, str]]:
        return {
            "objectives": {"balanced_optimization": "the best of three", "green_first": "…"},
            "allocation_strategies": {"balanced": "…"},
        }

    async def metrics_history(self, minutes: int) -> MetricsHistory:
        return get_metrics_history(minutes, monitor=self.performance_monitor)

    async def optimize_resources(
        self,
        request: BaseModel,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> Any:
        if on_thought is not None:
            await on_thought(nouns.THOUGHT)
        return self._answer("optimize_resources", request, principal)

    async def allocate(self, request: BaseModel, *, principal: Principal = LOCAL) -> dict[str, Any]:
        if HUGE in getattr(request, "resources", {}).values():
            self.asked.append(("allocate", request, principal))
            return nouns.REFUSAL
        return self._answer("allocate", request, principal)

    async def forecast_workload(
        self,
        request: BaseModel,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> Any:
        return self._answer("forecast_workload", request, principal)

    async def analyze_mcp_selection(
        self,
        request: SelectMcpRequest,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> Any:
        self.asked.append(("analyze_mcp_selection", request, principal))
        return await select_mcp(request, analyzer=self._analyzer)

    async def analyze_system_routing(
        self, request: AnalyzeRoutingRequest, *, principal: Principal = LOCAL
    ) -> Any:
        self.asked.append(("analyze_system_routing", request, principal))
        return await analyze_routing(request, analyzer=self._analyzer)

    async def analyze_validation_strategies(
        self, request: AnalyzeValidationRequest, *, principal: Principal = LOCAL
    ) -> Any:
        self.asked.append(("analyze_validation_strategies", request, principal))
        return await analyze_validation(request, analyzer=self._analyzer)

    def __getattr__(self, name: str) -> Any:
        if name not in ANSWERS:
            raise AttributeError(name)

        async def call(request: BaseModel, *, principal: Principal = LOCAL) -> Any:
            return self._answer(name, request, principal)

        return call

    def _answer(self, name: str, request: BaseModel, principal: Principal) -> Any:
        identifier = getattr(request, "decision_id", None) or getattr(
            request, "allocation_id", None
        )
        if identifier == ABSENT:
            raise NotFoundError(what="decision", name=ABSENT, hint="see sro://decisions/recent")
        if identifier == BROKEN:
            raise DependencyError("the store cannot be read; check the disk")
        if identifier == CRASH:
            raise RuntimeError(f"a driver said {CANARY} at /secret/path")
        self.asked.append((name, request, principal))
        return ANSWERS[name]
