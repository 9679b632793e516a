"""apply_decision: a kept plan carried out, watched until its predicates can be judged."""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import anyio
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from optimizer.clock import Clock
from optimizer.decisions.application import (
    Application,
    ApplicationState,
    taken_back,
    what_is_back,
)
from optimizer.decisions.decision import Decision, ImplementationStep, Record, Verification
from optimizer.decisions.effects import METRICS, WINDOW, Effect, measure
from optimizer.decisions.keeper import ApplicationKeeper, DecisionKeeper
from optimizer.enforcement.actuator import Actuator
from optimizer.enforcement.carrying_out import Result, carry_out, rehearse, take_back
from optimizer.errors import InvalidRequestError
from optimizer.identity import Principal
from optimizer.monitoring.history import Series
from optimizer.monitoring.sample import Health
from optimizer.operations.history import DecisionId, no_such_decision

logger = logging.getLogger("sequential_resource_optimization.decisions")

STEP = timedelta(minutes=5)

GIVE_UP = timedelta(days=1)
"""An effect that could not be measured by then never will be: nothing was recorded."""

FRESH = timedelta(hours=1)
"""A plan is carried out within this of the figures it was computed from: the forecast's step."""

Actuators = Callable[[Principal], Mapping[str, Actuator]]


class ApplyRequest(BaseModel):
    """Which decision to carry out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision_id: DecisionId = Field(description="As optimize_resources answered it.")
    dry_run: StrictBool = Field(
        True, description="Whether it is only tried: every step is checked and nothing is touched."
    )


class Watched(Protocol):
    """What carrying out needs to see of the machine."""

    def health(self) -> str:
        """healthy, degraded, critical or unknown."""

    def mean_since(self, metric: str, since: datetime) -> float | None:
        """The mean of a metric since a moment; None where nothing was recorded."""

    def series(self) -> tuple[Series, ...]:
        """The recorded past of what effects are told of, in steps of five minutes."""


class Monitor(Protocol):
    """What is seen of the monitor."""

    def health(self) -> Health:
        """What the monitor makes of the machine."""

    def recent(self, span: timedelta, *, points: int) -> dict[str, Series]:
        """Every metric over the last while, thinned to a few means."""

    def series(self, metric: str, *, step: timedelta) -> Series:
        """The recorded past of a metric."""


class Watch:
    """The machine as its monitor sees it; fits `Watched`."""

    def __init__(self, monitor: Monitor, clock: Clock) -> None:
        self._monitor = monitor
        self._clock = clock

    def health(self) -> str:
        """healthy, degraded, critical or unknown."""
        return self._monitor.health().status

    def mean_since(self, metric: str, since: datetime) -> float | None:
        """The mean of a metric since a moment; None where nothing was recorded."""
        means = self._monitor.recent(self._clock() - since, points=1)[metric].values
        return float(means[-1]) if means.size and math.isfinite(means[-1]) else None

    def series(self) -> tuple[Series, ...]:
        """The recorded past of what effects are told of, in steps of five minutes."""
        return tuple(self._monitor.series(metric, step=STEP) for metric in METRICS)


class Applications:
    """Carries decisions out, one at a time, and judges their predicates when their time is over.

    Args:
        decisions: Where decisions are kept.
        keeper: Where it is kept what became of them.
        actuators: What can carry steps out for a principal, by name.
        watched: The machine.
        clock: The present moment.
    """

    def __init__(
        self,
        *,
        decisions: DecisionKeeper,
        keeper: ApplicationKeeper,
        actuators: Actuators,
        watched: Watched,
        clock: Clock,
    ) -> None:
        self._decisions = decisions
        self._keeper = keeper
        self._actuators = actuators
        self._watched = watched
        self._clock = clock
        self._turn = anyio.Lock()
        self._sampled = anyio.Event()
        self._may_be_open = True

    async def apply(self, request: ApplyRequest, principal: Principal) -> Application:
        """Rehearse every step; then, unless it is a dry run, carry them out.

        Returns:
            What became of each step. A refusal touches nothing; a step that fails takes back those
            before it.

        Raises:
            ForbiddenError: The principal is no operator.
            NotFoundError: The decision was never made, or is no longer kept.
            InvalidRequestError: It has no plan, is too old, or was carried out before.
        """
        principal.require_operator("apply_decision")
        async with self._turn:
            record = await self._decisions.find(request.decision_id)
            if record is None:
                raise no_such_decision(request.decision_id)
            decision = record.decision
            await self._refuse_what_cannot_be(decision)
            actuators = self._actuators(principal)
            plan = decision.implementation_plan
            tried = await rehearse(plan, actuators, self._holds)
            if request.dry_run or tried.failed is not None or not _changes(tried):
                return _rehearsed(decision, tried, dry_run=request.dry_run)
            return await _to_the_end(self._carry_out(decision, actuators, principal))

    async def run(self) -> None:
        """Judge what is due after every sample, until cancelled."""
        while True:
            try:
                await self.judge()
            except Exception:
                logger.exception("what was carried out could not be judged; tried again")
            await self._sampled.wait()
            self._sampled = anyio.Event()

    def note_sample(self) -> None:
        """There is something new to judge by."""
        self._sampled.set()

    async def judge(self) -> None:
        """Settle every application whose time is over, or whose machine became critical.

        An hour after it was carried out, what it changed is measured and kept.
        """
        if not self._may_be_open:
            return
        async with self._turn:
            open_ones = await self._keeper.unfinished()
            self._may_be_open = bool(open_ones)
            for application in open_ones:
                if application.state == "applied":
                    await self._measure(application)
                    continue
                record = await self._decisions.find(application.decision_id)
                if record is None:
                    continue
                seen = self._seen(application, record)
                due = self._clock() >= (application.verified_by or self._clock())
                if seen is not None:
                    await self._take_back(application, record.decision, seen)
                elif due:
                    await self._settle(application, "applied")

    async def _refuse_what_cannot_be(self, decision: Decision) -> None:
        name = decision.decision_id
        if not decision.implementation_plan:
            raise InvalidRequestError(
                f"{name} is {decision.status} and has no plan; nothing was changed",
                field="decision_id",
            )
        age = self._clock() - decision.computed_at
        if age > FRESH:
            raise InvalidRequestError(
                f"{name} was computed {age.total_seconds() / 60:.0f} minutes ago, from figures "
                f"that have passed (at most {FRESH.total_seconds() / 60:.0f}); ask "
                "optimize_resources anew. Nothing was changed",
                field="decision_id",
            )
        before = await self._keeper.find(name)
        if before is not None and before.state in ("verifying", "applied"):
            raise InvalidRequestError(
                f"{name} was carried out at {before.applied_at:%Y-%m-%d %H:%M:%S} UTC "
                f"({before.state}); nothing was changed",
                field="decision_id",
            )

    async def _carry_out(
        self, decision: Decision, actuators: Mapping[str, Actuator], principal: Principal
    ) -> Application:
        began, plan = self._clock(), decision.implementation_plan
        started = anyio.current_time()
        result = await carry_out(plan, actuators, self._holds)
        watch = max((_watched_for(step) for step in plan), default=timedelta())
        verifying = result.failed is None and watch > timedelta()
        application = Application(
            decision_id=decision.decision_id,
            state=_state_of(result, verifying=verifying),
            steps=result.outcomes,
            principal=principal.name,
            applied_at=began,
            seconds=anyio.current_time() - started,
            verified_by=began + watch if verifying else None,
            settled_at=None if verifying else self._clock(),
            because=result.failed or "",
            next=_next_of(decision, result, began + watch if verifying else None),
        )
        self._may_be_open = True
        await self._keeper.save(application)
        return application

    async def _take_back(self, application: Application, decision: Decision, seen: str) -> None:
        name = application.principal or "local"
        actuators = self._actuators(Principal(name=name, role="operator"))
        outcomes = await take_back(decision.implementation_plan, application.steps, actuators)
        logger.warning("%s was taken back: %s", decision.decision_id, seen)
        rolled = application.model_copy(update={"steps": outcomes, "because": seen})
        await self._settle(rolled, taken_back(outcomes))

    async def _settle(self, application: Application, state: ApplicationState) -> None:
        word = "its predicates held" if state == "applied" else what_is_back(application.steps)
        settled = {
            "state": state,
            "settled_at": self._clock(),
            "next": f"{word}; explain_decision detail=effect says what changed",
        }
        await self._keeper.save(application.model_copy(update=settled))

    async def _measure(self, application: Application) -> None:
        now, applied_at = self._clock(), application.applied_at
        if applied_at is None or now - applied_at < WINDOW:
            return
        effect = self.effect_of(application)
        if effect is None and now - applied_at < GIVE_UP:
            return
        told = effect or Effect(measured_at=now, changes=(), statement="too little was recorded")
        await self._keeper.save(application.model_copy(update={"effect": told}))

    def effect_of(self, application: Application) -> Effect | None:
        """What an application changed, as far as it can be told now."""
        if application.effect is not None or application.applied_at is None:
            return application.effect
        return measure(self._watched.series(), application.applied_at, self._clock())

    async def find(self, decision_id: str) -> Application | None:
        """What became of a decision, with its effect as far as it can be told now."""
        application = await self._keeper.find(decision_id)
        if application is None:
            return None
        return application.model_copy(update={"effect": self.effect_of(application)})

    def _seen(self, application: Application, record: Record) -> str | None:
        """What speaks against an application now; None when nothing does.

        A machine that was critical when the decision fell is not held against it.
        """
        was_critical = record.inputs.snapshot.health == "critical"
        if not was_critical and self._watched.health() == "critical":
            return "health became critical after it was carried out"
        since = application.applied_at or self._clock()
        done = {outcome.step for outcome in application.steps if outcome.state == "done"}
        for step in record.decision.implementation_plan:
            watch = _watched_for(step)
            verify = step["verify"]
            if step["step"] in done and verify and self._clock() >= since + watch > since:
                mean = self._watched.mean_since(verify["metric"], since)
                if mean is not None and not _holds(verify, mean):
                    return (
                        f"{verify['metric']} was {mean:.4g} in the mean since, not "
                        f"{verify['op']} {verify['value']}"
                    )
        return None

    async def _holds(self, verify: Verification) -> str | None:
        """Judge a predicate that has to hold at once."""
        if verify["metric"] != "health":
            return None
        health = self._watched.health()
        if _holds(verify, health):
            return None
        return f"health is {health}; get_health says what to do first"


async def _to_the_end(carrying_out: Awaitable[Application]) -> Application:
    """A plan that has begun is carried out, or taken back, though its caller goes away."""
    done: list[Application] = []
    with anyio.CancelScope(shield=True):
        done.append(await carrying_out)
    return done[0]


def _watched_for(step: ImplementationStep) -> timedelta:
    """How long a step's predicate is watched: those on what is measured, and none else."""
    verify = step["verify"]
    is_measured = verify is not None and verify["metric"].endswith("_usage")
    return timedelta(seconds=verify["within_s"]) if verify and is_measured else timedelta()


def _holds(verify: Verification, actual: float | str) -> bool:
    wanted, op = verify["value"], verify["op"]
    if op in ("==", "!="):
        return (actual == wanted) == (op == "==")
    if isinstance(actual, str) or isinstance(wanted, str):
        return False
    return actual <= wanted if op == "<=" else actual >= wanted


def _changes(result: Result) -> bool:
    return any(outcome.state == "would_run" for outcome in result.outcomes)


def _rehearsed(decision: Decision, tried: Result, *, dry_run: bool) -> Application:
    state: ApplicationState = "rehearsed"
    todo = "apply it with dry_run=false" if dry_run else ""
    if tried.failed is not None:
        state, todo = "refused", "nothing was changed; mend it, or ask optimize_resources anew"
    elif not _changes(tried):
        state, todo = "advice", "no step of it is carried out here; an operator may follow it"
        if all(outcome.state == "held" for outcome in tried.outcomes):
            todo = "it changes nothing, so there is nothing to carry out"
    return Application(
        decision_id=decision.decision_id,
        state=state,
        steps=tried.outcomes,
        because=tried.failed or "",
        next=todo,
    )


def _state_of(result: Result, *, verifying: bool) -> ApplicationState:
    if result.failed is not None:
        return taken_back(result.outcomes)
    return "verifying" if verifying else "applied"


def _next_of(decision: Decision, result: Result, until: datetime | None) -> str:
    if result.failed is not None:
        back = what_is_back(result.outcomes)
        return f"{back}; mend what failed, or ask optimize_resources anew"
    if until is None:
        return "explain_decision detail=effect says what it changed, once that can be told"
    return (
        f"its predicates are judged at {until:%H:%M:%S} UTC, and it is taken back if they fail; "
        f"explain_decision {decision.decision_id} detail=effect says so"
    )
