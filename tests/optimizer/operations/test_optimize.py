from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import numpy as np
import pytest

from optimizer.allocation.lease import Lease
from optimizer.allocation.pool import PoolState
from optimizer.allocation.quota import Quotas
from optimizer.decisions.decision import Decision
from optimizer.decisions.fronts import Fronts
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.request import OptimizationRequest
from optimizer.errors import InvalidRequestError, NotFoundError
from optimizer.events import DecisionMade, Event, EventBus
from optimizer.forecasting.planner import BUILT_IN as MODELS
from optimizer.forecasting.planner import Planned, PredictivePlanner
from optimizer.machine.attribution import LeaseUse
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import Health, HealthStatus, Sample
from optimizer.operations.explain import ExplainRequest, explain_decision
from optimizer.operations.forecast import Forecasting
from optimizer.operations.history import (
    DecisionRequest,
    HistoryRequest,
    get_decision,
    list_decisions,
)
from optimizer.operations.optimize import Policy, optimize_resources
from optimizer.plugins import Registry
from optimizer.prices import FARGATE
from optimizer.quantities import RESOURCES
from optimizer.shared import Shared
from optimizer.store.decisions import DecisionStore
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.thinking.question import Question, Reasoning, Thought, Verdict

START = datetime(2026, 11, 2, tzinfo=UTC)
HOURS = 240
NOW = START + timedelta(hours=HOURS)
GIB = 2**30


class FakeMonitor:
    """Ten days of a steady machine: CPU 50 %, memory 60 %, storage 30 %, with daily swings."""

    def __init__(self, hours: int = HOURS) -> None:
        self.host = "box"
        self.version = 1
        self.is_running = True
        self.hours = hours
        self.status: HealthStatus = "healthy"
        self.looks = 0
        self.lease_use: Mapping[str, LeaseUse] = {}
        self.cpu = 50.0

    @property
    def latest(self) -> Sample | None:
        return self.get_current_metrics() if self.is_running else None

    def get_current_metrics(self) -> Sample:
        self.looks += 1
        return Sample(
            host=self.host,
            timestamp=NOW,
            cpu_usage=self.cpu,
            memory_usage=60.0,
            storage_usage=30.0,
            cpu_cores=8,
            memory_bytes=16 * GIB,
            memory_used_bytes=int(9.6 * GIB),
            storage_bytes=64 * GIB,
        )

    def health(self) -> Health:
        return Health(
            status=self.status,
            host=self.host,
            cpu_usage=self.cpu,
            memory_usage=60.0,
            reliability_score=None,
            issues=("high_cpu_usage",) if self.status == "critical" else (),
            warnings=(),
            sampled_at=NOW,
            computed_at=NOW,
        )

    def series(self, metric: str, *, step: timedelta) -> Series:
        count = min(self.hours, HOURS) * round(timedelta(hours=1) / step)
        hours = np.arange(count) * (step / timedelta(hours=1))
        level = {"cpu_usage": 50.0, "memory_usage": 60.0, "storage_usage": 30.0}.get(metric, 0.0)
        noise = np.random.default_rng(7).normal(0, 2, count)
        values = np.clip(level + 5 * np.sin(hours / 24 * 2 * np.pi) + noise, 0, 100)
        return Series(metric, values.astype(np.float64), step, NOW - count * step)


class FakePools:
    """Nothing is leased."""

    quotas = Quotas({}, {})

    async def held(self) -> Sequence[Lease]:
        return ()

    async def utilization(self) -> Mapping[str, PoolState]:
        totals = {"cpu": 8.0, "memory": 16.0 * GIB, "storage": 64.0 * GIB, "network": None}
        return {
            name: PoolState(
                resource=name,
                host="box",
                unit=RESOURCES[name].unit,
                kind=RESOURCES[name].kind,
                total=total,
                allocated=0.0,
                spent=None,
                unmanaged=0.0,
                reserved=None if total is None else 0.0,
                available=None if total is None else total / 2,
                summary="",
                source="test",
                unknown={} if total is not None else {"total": "the kernel does not say"},
            )
            for name, total in totals.items()
        }


@dataclass
class FakeThinker:
    """Chooses what a test tells it to."""

    choose: Callable[[Question], str | None] = lambda question: question.candidates[0].id
    questions: list[Question] = field(default_factory=list)

    async def think(
        self,
        question: Question,
        *,
        budget: timedelta,
        on_thought: Callable[[Thought], Awaitable[None]] | None = None,
        judge: Callable[[str], str | None] | None = None,
        ask_model: bool = True,
    ) -> Verdict:
        self.questions.append(question)
        thought = Thought(number=1, kind="assess", text=question.situation[0])
        if on_thought is not None:
            await on_thought(thought)
        chosen = self.choose(question) if question.candidates else None
        reasoning = Reasoning(
            path="scratchpad+solver", scratchpad="embedded", thoughts=(thought,), ms=1.0
        )
        return Verdict(candidate_id=chosen, reasoning=reasoning)


class CountingPlanner(PredictivePlanner):
    """A planner that counts what it plans."""

    def __init__(self) -> None:
        super().__init__(Registry("forecast model", MODELS), clock=lambda: NOW)
        self.plans = 0

    def planned(self, *args: Any, **kwargs: Any) -> Planned:
        """Count, and plan."""
        self.plans += 1
        return super().planned(*args, **kwargs)


@dataclass
class House:
    """The rooms that a decision goes through."""

    keeper: DecisionStore
    monitor: FakeMonitor = field(default_factory=FakeMonitor)
    thinker: FakeThinker = field(default_factory=FakeThinker)
    fronts: Fronts = field(default_factory=Fronts)
    shared: Shared = field(default_factory=Shared)
    planner: CountingPlanner = field(default_factory=CountingPlanner)
    events: EventBus = field(default_factory=EventBus)
    policy: Policy = field(
        default_factory=lambda: Policy(thresholds={"cpu_usage": 85.0, "memory_usage": 90.0})
    )

    async def optimize(self, asked: dict[str, Any] | None = None, **more: Any) -> Decision:
        return await optimize_resources(
            OptimizationRequest.model_validate(asked or {}),
            monitor=self.monitor,
            forecasting=Forecasting(self.monitor, self.planner, shared=self.shared),
            allocator=FakePools(),
            prices=FARGATE,
            fronts=self.fronts,
            objectives=Registry("objective", BUILT_IN),
            thinker=self.thinker,
            keeper=self.keeper,
            events=self.events,
            clock=lambda: NOW,
            policy=self.policy,
            **more,
        )


@pytest.fixture(scope="module")
def shared() -> Shared:
    """The past is the same in every test, so its forecast is made once."""
    return Shared()


@pytest.fixture
async def house(shared: Shared) -> AsyncIterator[House]:
    database = Database(MEMORY_URL)
    yield House(DecisionStore(database), shared=shared)
    await database.close()


REFERENCE = {
    "scope": "system_level",
    "primary_objective": "balanced_optimization",
    "constraints": {"max_cost": 1000.0, "min_reliability": 0.95},
    "use_sequential_thinking": True,
}


async def test_the_reference_documents_request_gets_every_figure_and_holds_its_limits(
    house: House,
) -> None:
    decision = await house.optimize(REFERENCE)

    assert decision.status == "optimal"
    assert decision.strategy == "balanced_optimization"
    assert decision.estimated_cost is not None
    assert decision.estimated_cost <= 1000
    assert decision.reliability is not None
    assert decision.reliability >= 0.95
    assert decision.estimated_performance is not None
    assert decision.estimated_reliability is not None
    assert decision.confidence_score is not None
    assert decision.confidence_basis == "forecast_backtest"
    assert [check.held for check in decision.constraints] == [True, True]
    assert decision.implementation_plan[0]["step"] == 1
    assert decision.unknown == {}


async def test_while_history_is_short_figures_are_null_with_a_reason_and_nothing_shrinks(
    house: House,
) -> None:
    house.monitor.hours = 1
    house.shared = Shared()

    decision = await house.optimize(REFERENCE)

    assert decision.status == "insufficient_data"
    assert decision.reliability is None
    assert "history" in decision.unknown["estimated_reliability"]
    assert "confidence_score" in decision.unknown
    assert decision.constraints[1].held is None
    assert decision.estimated_cost is not None


async def test_limits_that_cannot_hold_are_named_and_nothing_is_planned(house: House) -> None:
    decision = await house.optimize({"constraints": {"max_cost": 1.0}})

    assert decision.status == "infeasible"
    assert decision.implementation_plan == []
    assert decision.estimated_cost is None
    assert decision.conflict is not None
    assert decision.conflict.irreducible_set == ("max_cost",)
    assert decision.conflict.relaxations[0].needed is not None
    assert "max_cost" in decision.next


async def test_concurrent_requests_share_one_look_at_the_machine(house: House) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(house.optimize)

    forecast_looks = house.monitor.looks
    await house.optimize()

    assert await house.keeper.count() == 11
    assert house.monitor.looks - forecast_looks <= 2


async def test_a_new_sample_is_looked_at(house: House) -> None:
    before = await house.optimize()
    house.monitor.version += 1
    house.monitor.cpu = 90.0
    after = await house.optimize()

    assert before.inputs_hash != after.inputs_hash


async def test_within_one_recorded_hour_the_forecast_is_made_once(house: House) -> None:
    house.shared = Shared()
    await house.optimize()
    house.monitor.version += 1
    await house.optimize()

    assert house.planner.plans == 1


async def test_the_same_inputs_give_the_same_hash_and_choice(house: House) -> None:
    one, other = await house.optimize(REFERENCE), await house.optimize(REFERENCE)

    assert one.inputs_hash == other.inputs_hash
    assert one.candidate_id == other.candidate_id
    assert one.decision_id != other.decision_id


async def test_without_monitoring_a_sample_is_taken_on_demand(house: House) -> None:
    house.monitor.is_running = False

    decision = await house.optimize()

    assert decision.estimated_cost is not None


async def test_an_emergency_is_said(house: House) -> None:
    house.monitor.status = "critical"

    decision = await house.optimize()
    asked = await house.optimize({"primary_objective": "cost_minimization"})

    assert decision.strategy == "reliability_optimization"
    assert "critical (high_cpu_usage)" in decision.objective_because
    assert asked.strategy == "cost_minimization"


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ("cost_conscious", "cost_minimization"),
        ("default", "balanced_optimization"),
        ("time_critical", "performance_maximization"),
        ("quality_priority", "reliability_optimization"),
        ("validation_efficiency", "cost_minimization"),
    ],
)
async def test_aliases_are_read_and_said(house: House, asked: str, used: str) -> None:
    decision = await house.optimize({"primary_objective": asked})

    assert decision.strategy == used
    assert decision.objective_asked == asked
    assert asked in decision.objective_because


async def test_an_unknown_objective_is_refused_with_those_that_exist(house: House) -> None:
    with pytest.raises(InvalidRequestError, match="balanced_optimization"):
        await house.optimize({"primary_objective": "world_peace"})

    assert await house.keeper.count() == 0


async def test_without_thinking_the_computed_choice_is_answered(house: House) -> None:
    decision = await house.optimize({"use_sequential_thinking": False})

    assert house.thinker.questions == []
    assert decision.reasoning.path == "solver_only:off"
    assert decision.status == "optimal"


async def test_thoughts_are_told_and_kept(house: House) -> None:
    told: list[Thought] = []

    async def listen(thought: Thought) -> None:
        told.append(thought)

    decision = await house.optimize(on_thought=listen)

    assert tuple(told) == decision.reasoning.thoughts
    assert house.thinker.questions[0].decision_id == decision.decision_id
    assert len(house.thinker.questions[0].candidates) <= 5


async def test_a_thinker_that_invents_a_candidate_is_overruled_and_it_is_said(
    house: House,
) -> None:
    computed = await house.optimize({"use_sequential_thinking": False})
    house.thinker.choose = lambda question: "cpu_1000"

    decision = await house.optimize()

    assert decision.candidate_id == computed.candidate_id
    assert decision.reasoning.path == "solver_overrode_llm"
    assert "judge_refused" in decision.reasoning.warnings
    assert any("cpu_1000" in warning for warning in decision.warnings)


async def test_an_infeasible_request_is_thought_over_too(house: House) -> None:
    decision = await house.optimize({"constraints": {"max_cost": 1.0}})

    assert decision.reasoning.path == "scratchpad+solver"
    assert "max_cost" in house.thinker.questions[0].chosen_because


async def test_a_focus_that_is_not_known_lists_what_is(house: House) -> None:
    decision = await house.optimize(
        {"scope": "task_level", "constraints": {"focus": "graph_processing"}}
    )

    check = decision.constraints[-1]
    assert (check.name, check.held) == ("focus", None)
    assert any("cpu, memory" in warning for warning in decision.warnings)


async def test_a_decision_is_announced(house: House) -> None:
    seen: list[Event] = []
    house.events.subscribe(seen.append)

    decision = await house.optimize()

    assert seen == [DecisionMade(at=NOW, decision_id=decision.decision_id)]


async def test_decisions_are_listed_and_found(house: House) -> None:
    first, second = await house.optimize(), await house.optimize(REFERENCE)

    history = await list_decisions(HistoryRequest(limit=1), keeper=house.keeper)
    found = await get_decision(DecisionRequest(decision_id=first.decision_id), keeper=house.keeper)

    assert history.total == 2
    assert [d.decision_id for d in history.optimization_history] == [second.decision_id]
    assert found == first


async def test_a_decision_that_was_never_made_is_not_found(house: House) -> None:
    with pytest.raises(NotFoundError, match="optimization-history"):
        await get_decision(DecisionRequest(decision_id="opt-1"), keeper=house.keeper)


async def explain(house: House, decision: Decision, detail: str = "why") -> Any:
    return await explain_decision(
        ExplainRequest.model_validate({"decision_id": decision.decision_id, "detail": detail}),
        keeper=house.keeper,
        objectives=Registry("objective", BUILT_IN),
    )


async def test_a_decision_replays_from_what_was_kept_and_says_what_would_flip_it(
    house: House,
) -> None:
    decision = await house.optimize(REFERENCE)

    explanation = await explain(house, decision)

    assert explanation.why.replayed
    assert decision.candidate_id in explanation.why.because
    assert explanation.why.alternatives
    inputs = {flip.input for flip in explanation.why.flips}
    assert "demand of cpu" in inputs
    assert "max_cost" in inputs


async def test_thoughts_and_effect_are_answered_from_what_is_known(house: House) -> None:
    decision = await house.optimize()

    thoughts = await explain(house, decision, "thoughts")
    effect = await explain(house, decision, "effect")

    assert thoughts.thoughts == decision.reasoning.thoughts
    assert effect.effect is None
    assert "carried out" in effect.unknown["effect"]


async def test_an_infeasible_decision_is_explained(house: House) -> None:
    decision = await house.optimize({"constraints": {"max_cost": 1.0}})

    explanation = await explain(house, decision)

    assert explanation.why.replayed
    assert "max_cost" in explanation.why.because
    assert explanation.why.flips == ()
