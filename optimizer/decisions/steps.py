"""One step of a plan: who carries it out, how long it takes, what must be seen after it."""

import math
from collections.abc import Mapping

from optimizer.decisions.decision import ImplementationStep, Verification

OPERATOR = "operator"
"""Who carries out what nothing here can: the step is advice."""

CALLER = "caller"
"""Who does what needs no actuator: to look."""

LEASES, QUOTAS, DEFERRAL, ALLOCATE = "leases", "quotas", "deferral", "allocate"
"""Our own actuators: what a lease holds, what each may hold, when low priority may begin, and a
lease of the caller's own."""

OWN_ACTUATORS = frozenset({OPERATOR, CALLER, LEASES, QUOTAS, DEFERRAL, ALLOCATE})
"""Names in `carried_out_by` that no command of the operator may have."""

UNIX_SECONDS = "unix_s"
"""Unit of a moment: seconds since 1970, UTC."""

DURATIONS: dict[str, str] = {
    "preparation": "1_minute",
    "reserve": "1_minute",
    "choose": "1_minute",
    "reallocate": "1_minute",
    "resize": "10_minutes",
    "defer": "5_minutes",
    "verification": "10_minutes",
    "keep": "0_minutes",
}
"""How long a kind of step is planned to take while none was measured: a call and a look at its
answer; a resize with the reference document's ten minutes; two steps of the stored history to see
an effect."""

VERIFY_WITHIN_S = 600
"""Two five-minute steps of the stored history."""


def timed(step: ImplementationStep, took: Mapping[str, float]) -> ImplementationStep:
    """The step with how long its like took before, where that was measured."""
    seconds = took.get(step["action"])
    if seconds is None:
        return step
    is_short = seconds < 60
    count = max(1, round(seconds)) if is_short else math.ceil(seconds / 60)
    words = f"{count}_{'second' if is_short else 'minute'}{'s' if count > 1 else ''}"
    return {**step, "estimated_duration": words, "duration_source": "measured"}


def numbered(step: ImplementationStep, number: int) -> ImplementationStep:
    """The step in its place; each waits for the one before."""
    return {**step, "step": number, "depends_on": [number - 1] if number > 1 else []}


def step(
    kind: str,
    action: str,
    description: str,
    *,
    target: str | None = None,
    change: tuple[float | None, float, str] | None = None,
    rollback: str | None = None,
    verify: Verification | None = None,
    carried_out_by: str = CALLER,
) -> ImplementationStep:
    """A step that is not numbered yet."""
    return ImplementationStep(
        step=0,
        action=action,
        description=description,
        estimated_duration=DURATIONS[kind],
        duration_source="default",
        target=target,
        from_value=change[0] if change else None,
        to_value=change[1] if change else None,
        unit=change[2] if change else None,
        depends_on=[],
        rollback=rollback,
        verify=verify,
        carried_out_by=carried_out_by,
    )
