"""A plan carried out step by step: tried without touching anything, done, or taken back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from optimizer.decisions.application import StepOutcome, StepState
from optimizer.decisions.decision import ImplementationStep, Verification
from optimizer.enforcement.actuator import Actuator
from optimizer.errors import OptimizerError

Holds = Callable[[Verification], Awaitable[str | None]]
"""Judges a predicate now: None when it holds or cannot be judged yet, else what was seen."""


@dataclass(frozen=True)
class Result:
    """What became of a plan.

    Attributes:
        outcomes: One for each step, in the plan's order.
        failed: What stopped it; None when everything that can be carried out was.
    """

    outcomes: tuple[StepOutcome, ...]
    failed: str | None = None

    @property
    def changed(self) -> bool:
        """Whether any step changed something that was not taken back."""
        return any(outcome.state == "done" for outcome in self.outcomes)


async def rehearse(
    plan: Sequence[ImplementationStep], actuators: Mapping[str, Actuator], holds: Holds
) -> Result:
    """Check every step without changing anything.

    Args:
        plan: The steps.
        actuators: By the name that `carried_out_by` says.
        holds: Judges what has to hold before: the steps that change nothing.
    """
    outcomes, failed = [], None
    for step in plan:
        actuator = actuators.get(step["carried_out_by"])
        try:
            if actuator is not None:
                outcomes.append(_outcome(step, "would_run", await actuator.check(step)))
            elif step["carried_out_by"] == "operator":
                outcomes.append(_outcome(step, "advice", "nothing here can carry it out"))
            else:
                outcomes.append(await _checked(step, holds))
        except OptimizerError as error:
            outcomes.append(_outcome(step, "failed", str(error)))
        if outcomes[-1].state == "failed":
            failed = failed or outcomes[-1].detail
    return Result(tuple(outcomes), failed)


async def carry_out(
    plan: Sequence[ImplementationStep], actuators: Mapping[str, Actuator], holds: Holds
) -> Result:
    """Do every step that something here can do, in order; take all back when one fails.

    Args:
        plan: The steps, rehearsed before.
        actuators: By the name that `carried_out_by` says.
        holds: Judges what has to hold between the steps.
    """
    done: list[StepOutcome] = []
    for step in plan:
        actuator = actuators.get(step["carried_out_by"])
        try:
            if actuator is not None:
                began = anyio.current_time()
                said = await actuator.carry_out(step)
                took = anyio.current_time() - began
                done.append(_outcome(step, "done", said, seconds=took))
            elif step["carried_out_by"] == "operator":
                done.append(_outcome(step, "advice", "nothing here can carry it out"))
            else:
                done.append(await _checked(step, holds))
        except OptimizerError as error:
            done.append(_outcome(step, "failed", str(error)))
        if done[-1].state == "failed":
            failed = done[-1].detail
            skipped = [_outcome(later, "skipped", "") for later in plan[len(done) :]]
            unsure = actuator is not None and not actuator.is_exact
            back = await take_back(plan, done, actuators, unsure=step if unsure else None)
            return Result((*back, *skipped), failed)
    return Result(tuple(done))


async def take_back(
    plan: Sequence[ImplementationStep],
    outcomes: Sequence[StepOutcome],
    actuators: Mapping[str, Actuator],
    *,
    unsure: ImplementationStep | None = None,
) -> tuple[StepOutcome, ...]:
    """Undo what was done, the last step first. One that cannot be undone does not stop the rest.

    Args:
        plan: The steps.
        outcomes: What became of them.
        actuators: By the name that `carried_out_by` says.
        unsure: A step that failed and may have changed something all the same.

    Returns:
        The outcomes, those that were done now taken back.
    """
    steps = {step["step"]: step for step in plan}
    after = {outcome.step: outcome for outcome in outcomes}
    for outcome in reversed(outcomes):
        step = steps[outcome.step]
        if outcome.state != "done" and step is not unsure:
            continue
        try:
            said = f"taken back: {await actuators[step['carried_out_by']].take_back(step)}"
            state: StepState = "rolled_back"
        except (OptimizerError, KeyError) as error:
            said, state = f"not taken back: {error}", "rollback_failed"
        detail = f"{outcome.detail}; {said}"
        after[outcome.step] = _outcome(step, state, detail)
    return tuple(after[outcome.step] for outcome in outcomes)


async def _checked(step: ImplementationStep, holds: Holds) -> StepOutcome:
    """A step that changes nothing here: what has to hold is looked at."""
    verify = step["verify"]
    if step["action"].startswith("choose_"):
        return _outcome(step, "advice", "whoever runs the task does it")
    seen = None if verify is None else await holds(verify)
    if seen is not None:
        return _outcome(step, "failed", seen)
    return _outcome(step, "held", "" if verify is None else _said(verify))


def _said(verify: Verification) -> str:
    return f"{verify['metric']} {verify['op']} {verify['value']}"


def _outcome(
    step: ImplementationStep, state: StepState, detail: str, *, seconds: float | None = None
) -> StepOutcome:
    return StepOutcome(
        step=step["step"],
        action=step["action"],
        target=step["target"],
        state=state,
        detail=detail,
        seconds=seconds,
    )
