"""The story of a decision: what is, what may be, what holds the limits, what is best."""

import secrets
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import anyio.to_thread

from optimizer.allocation.lease import Lease
from optimizer.allocation.pool import PoolState
from optimizer.allocation.quota import EVERYBODY, Quotas
from optimizer.clock import Clock
from optimizer.decisions.decision import Decision, Inputs, Record
from optimizer.decisions.draft import Draft
from optimizer.decisions.focus import Focus, read_focus
from optimizer.decisions.fronts import Frame, Fronts
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.keeper import DecisionKeeper
from optimizer.decisions.objectives import Objective
from optimizer.decisions.observe import Observation, snapshot_of
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.past import Known
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import Lever, ResourceState, Snapshot
from optimizer.decisions.solve import Solution, judge, solve, with_conflict
from optimizer.decisions.strategy import Strategies, meant_objective
from optimizer.events import DecisionMade, EventBus
from optimizer.machine.attribution import LeaseUse
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import Health, Sample
from optimizer.operations.forecast import Forecasting, ForecastRequest, forecast_workload
from optimizer.plugins import Registry
from optimizer.prices import PriceTable
from optimizer.thinking.question import OnThought, Question, Verdict
from optimizer.thinking.thinker import Judge, solver_alone

RECENT_STEP = timedelta(minutes=5)
RECENT_METRICS = ("cpu_usage", "memory_usage", "storage_usage")


class Monitor(Protocol):
    """What a decision needs of the monitor."""

    @property
    def host(self) -> str:
        """The machine that it measures."""

    @property
    def version(self) -> int:
        """Increases with every sample."""

    @property
    def latest(self) -> Sample | None:
        """The latest sample."""

    @property
    def is_running(self) -> bool:
        """Whether samples are being taken."""

    @property
    def lease_use(self) -> Mapping[str, LeaseUse]:
        """What the processes of each bound lease used in the latest sample."""

    def get_current_metrics(self) -> Sample:
        """One sample now; blocks for two readings when monitoring does not run."""

    def health(self) -> Health:
        """What the monitor makes of it."""

    def series(self, metric: str, *, step: timedelta) -> Series:
        """The recorded past of a metric."""


class Thinks(Protocol):
    """What a decision needs of the thinking room."""

    async def think(
        self,
        question: Question,
        *,
        budget: timedelta,
        on_thought: OnThought | None = None,
        judge: Judge | None = None,
        ask_model: bool = True,
    ) -> Verdict:
        """Think a computed answer over."""


class Experienced(Protocol):
    """What a decision needs of those before it."""

    async def look(self) -> Known:
        """How past decisions did, and the last ones of every scope."""


class Pools(Protocol):
    """What a decision needs of the allocator."""

    @property
    def quotas(self) -> Quotas:
        """What each principal may hold."""

    async def utilization(self) -> Mapping[str, PoolState]:
        """Every pool now, by resource."""

    async def held(self) -> Sequence[Lease]:
        """Every active lease."""


@dataclass(frozen=True)
class Policy:
    """What is configured about decisions.

    Attributes:
        strategies: Objectives by default, in an emergency, and for `cost_conscious`.
        thresholds: Critical level by metric, for the forecast's recommendations.
        horizon_hours: How far a decision looks ahead.
        models: Forecast models to compute; None for all.
        thinking_budget: The most time that thinking may take.
        levers: How an operator's command changes a resource, by resource.
    """

    strategies: Strategies = field(default_factory=Strategies)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    horizon_hours: int = 24
    models: Sequence[str] | None = None
    thinking_budget: timedelta = timedelta(seconds=10)
    levers: Mapping[str, Lever] = field(default_factory=dict)


class SeesHosts(Protocol):
    """What a global decision needs of the other machines."""

    async def look(
        self, prices: PriceTable, policy: Policy
    ) -> tuple[tuple[ResourceState, ...], Mapping[str, str]]:
        """Their resources, and why some are left out, by name."""


async def optimize_resources(
    request: OptimizationRequest,
    *,
    monitor: Monitor,
    forecasting: Forecasting,
    allocator: Pools,
    prices: PriceTable,
    fronts: Fronts,
    objectives: Registry[Objective],
    thinker: Thinks | None,
    keeper: DecisionKeeper,
    events: EventBus,
    clock: Clock,
    policy: Policy,
    experience: Experienced | None = None,
    elsewhere: SeesHosts | None = None,
    job: Job = NO_JOB,
    on_thought: OnThought | None = None,
) -> Decision:
    """Decide about a scope: compute the best choice that holds every limit, think it over, keep it.

    Args:
        request: What is asked.
        monitor: What is.
        forecasting: What is coming; a forecast is shared with whoever asks for the same.
        allocator: What is leased and free.
        prices: What things cost.
        fronts: Shares what is computed from one sample.
        objectives: The built-in ones and those of plug-ins.
        thinker: Thinks it over; None where thinking is off.
        keeper: Where decisions are kept.
        events: Told of the decision.
        clock: Says when it was made.
        policy: What is configured.
        experience: What past decisions came to; None for none.
        elsewhere: The other machines in the store; None for none.
        job: The task's choices, and the session's budget.
        on_thought: Told of each thought.

    Returns:
        The decision. Without a choice that holds the limits its status is infeasible and it names
        the conflict.

    Raises:
        InvalidRequestError: There is no such objective.
        DependencyError: The machine cannot be read, or a plug-in failed.
        StorageError: The decision cannot be kept.
    """

    async def look() -> Snapshot:
        return await observe(monitor, forecasting, allocator, prices, policy, experience, elsewhere)

    frame = await fronts.frame(_moment(monitor), look)
    meant = meant_objective(request.primary_objective, frame.snapshot, policy.strategies)
    objective = objectives[meant.name]

    async def prepare() -> Draft:
        focus = read_focus(request.constraints, frame.snapshot, job)
        solution = await _solve(request, objective, focus, job, frame=frame, fronts=fronts)
        inputs = Inputs(
            snapshot=frame.snapshot,
            request=request,
            objective=meant.name,
            rules=fronts.rules,
            job=job,
        )
        return Draft.of(
            solution,
            meant=meant,
            focus=focus,
            inputs=inputs,
            snapshot_text=frame.text,
            unthought=solver_alone,
        )

    of_job = "" if job is NO_JOB else job.model_dump_json()
    asked = (request.model_dump_json(), of_job, meant, id(objective))
    draft = await fronts.draft(frame, asked, prepare)
    question, verdict = draft.question_of(f"opt-{secrets.token_hex(16)}"), draft.alone
    if thinker is not None and request.thinks != "off":
        verdict = await thinker.think(
            question,
            budget=policy.thinking_budget,
            on_thought=on_thought,
            judge=lambda candidate_id: judge(draft.solution, candidate_id).refusal,
            ask_model=request.thinks == "server",
        )
    decision, written = draft.decide(question, verdict, created_at=clock())
    await keeper.save(Record(decision=decision, inputs=draft.inputs), written)
    events.publish(DecisionMade(at=decision.created_at, decision_id=decision.decision_id))
    return decision


async def observe(
    monitor: Monitor,
    forecasting: Forecasting,
    allocator: Pools,
    prices: PriceTable,
    policy: Policy,
    experience: Experienced | None = None,
    elsewhere: SeesHosts | None = None,
) -> Snapshot:
    """Ask every room once, and put the answers together."""
    if monitor.is_running and monitor.latest is not None:
        sample, health = monitor.latest, monitor.health()
    else:
        sample = await anyio.to_thread.run_sync(monitor.get_current_metrics)
        health = await anyio.to_thread.run_sync(monitor.health)
    forecast = await forecast_workload(
        ForecastRequest(horizon_hours=policy.horizon_hours),
        of=forecasting,
        thresholds=policy.thresholds,
        models=policy.models,
    )
    known = await experience.look() if experience is not None else Known()
    others, unseen = await elsewhere.look(prices, policy) if elsewhere is not None else ((), {})
    seen = Observation(
        sample=sample,
        health=health,
        recent={name: monitor.series(name, step=RECENT_STEP) for name in RECENT_METRICS},
        forecast=forecast,
        pools=await allocator.utilization(),
        version=monitor.version,
        leases=await allocator.held(),
        lease_use={name: use.used for name, use in monitor.lease_use.items()},
        quotas=allocator.quotas.of(EVERYBODY),
        levers=policy.levers,
        past=known.record,
        remembered=known.remembered,
        durations=known.durations,
        elsewhere=others,
        unseen=unseen,
    )
    return snapshot_of(seen, prices)


def _moment(monitor: Monitor) -> Hashable:
    """Tells one state from another; without monitoring every request looks anew."""
    return monitor.version if monitor.is_running and monitor.latest is not None else object()


async def _solve(
    request: OptimizationRequest,
    objective: Objective,
    focus: Focus | None,
    job: Job,
    *,
    frame: Frame,
    fronts: Fronts,
) -> Solution:
    """Filter the shared front; only a conflict, which needs more of them, is worked out aside."""
    movable = focus.movable if focus else None
    limit = request.constraints.max_resource_increase
    front = await fronts.ready(frame, request.scope, max_increase=limit, movable=movable, job=job)
    solution = solve(front, request, objective)
    if solution.best is not None:
        return solution

    def front_for(max_increase: float | None) -> Front:
        return fronts.build(frame, request.scope, max_increase, movable, job)

    return await anyio.to_thread.run_sync(with_conflict, solution, front_for)
