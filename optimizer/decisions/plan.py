"""A chosen candidate to steps that can be carried out, checked and taken back."""

from optimizer.decisions.decision import ImplementationStep
from optimizer.decisions.figures import Candidate
from optimizer.decisions.leasing import leasing_steps
from optimizer.decisions.levels import is_lease_scope
from optimizer.decisions.moving import moving_steps
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.steps import numbered, timed


def make_plan(chosen: Candidate, front: Front) -> list[ImplementationStep]:
    """The steps from what is to what was chosen, numbered, each after the one before.

    Args:
        chosen: The choice.
        front: What it was chosen from.

    Returns:
        At least one step.
    """
    steps_of = leasing_steps if is_lease_scope(front.scope) else moving_steps
    took = front.snapshot.durations
    steps = [timed(step, took) for step in steps_of(chosen, front)]
    return [numbered(step, number) for number, step in enumerate(steps, start=1)]
