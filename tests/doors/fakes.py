"""An optimizer that answers at once, for tests of the doors alone."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel

from optimizer.errors import DependencyError, NotFoundError
from optimizer.events import EventBus
from optimizer.identity import LOCAL, Principal
from optimizer.thinking.question import Thought
from server.operation import OnThought

ANSWERS: Mapping[str, dict[str, Any]] = {
    "get_health": {
        "status": "healthy",
        "cpu_usage": 45.2,
        "memory_usage": 67.8,
        "reliability_score": None,
        "issues": [],
        "warnings": ["elevated_memory_usage"],
        "unknown": {"reliability_score": "no requests were seen yet"},
    },
    "get_metrics": {"current_metrics": {"cpu_usage": 45.2, "memory_usage": 67.8}},
    "forecast_workload": {"forecast_available": False, "reason": "3 samples recorded, 48 needed"},
    "optimize_resources": {"decision_id": "opt-1", "strategy": "balanced_optimization"},
    "explain_decision": {"decision_id": "opt-1", "why": "it is the cheapest"},
    "get_decision": {"decision_id": "opt-1", "strategy": "balanced_optimization"},
    "list_decisions": {"optimization_history": [{"decision_id": "opt-1"}], "total": 1},
    "analyze_mcp_selection": {"recommendations": {"primary_recommendation": {"mcp_id": "a"}}},
    "allocate": {"allocation_id": "alc-1", "state": "active"},
    "renew_allocation": {"allocation_id": "alc-1", "state": "active"},
    "release_allocation": {"allocation_id": "alc-1", "state": "released"},
    "list_allocations": {"allocations": [], "total": 0},
    "report_usage": {"recorded": 1},
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


class FakeOptimizer:
    """Answers every operation from `ANSWERS` and remembers what it was asked."""

    def __init__(self) -> None:
        self.events = EventBus()
        self.asked: list[tuple[str, BaseModel, Principal]] = []
        self.running = False

    async def __aenter__(self) -> Self:
        self.running = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.running = False

    def strategies(self) -> dict[str, Any]:
        return {"objectives": {"balanced_optimization": "the best of three", "green_first": "…"}}

    async def metrics_history(self, minutes: int) -> dict[str, Any]:
        return {"minutes": minutes, "samples": []}

    async def optimize_resources(
        self,
        request: BaseModel,
        *,
        principal: Principal = LOCAL,
        on_thought: OnThought | None = None,
    ) -> dict[str, Any]:
        if on_thought is not None:
            await on_thought(Thought(number=1, kind="assess", text="CPU is at 45.2 %"))
        return self._answer("optimize_resources", request, principal)

    async def allocate(self, request: BaseModel, *, principal: Principal = LOCAL) -> dict[str, Any]:
        if HUGE in getattr(request, "resources", {}).values():
            self.asked.append(("allocate", request, principal))
            return {"state": "refused", "alternatives": [{"granted": {"cpu": 2.0}}]}
        return self._answer("allocate", request, principal)

    def __getattr__(self, name: str) -> Any:
        if name not in ANSWERS:
            raise AttributeError(name)

        async def call(request: BaseModel, *, principal: Principal = LOCAL) -> dict[str, Any]:
            return self._answer(name, request, principal)

        return call

    def _answer(self, name: str, request: BaseModel, principal: Principal) -> dict[str, Any]:
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
        return dict(ANSWERS[name])
