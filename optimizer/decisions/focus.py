"""What `constraints.focus` comes to: which resources it lets move.

It names a resource, or a workload: the purpose of leases of whoever asks, whose pools may move.
"""

from dataclasses import dataclass

from optimizer.decisions.decision import ConstraintCheck
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import MOVABLE
from optimizer.decisions.request import Constraints
from optimizer.decisions.snapshot import Snapshot


@dataclass(frozen=True)
class Focus:
    """What `constraints.focus` came to.

    Attributes:
        asked: As the request names it.
        movable: The resources that it lets move; None when it names nothing that is known.
        known: What it may name.
    """

    asked: str
    movable: frozenset[str] | None
    known: tuple[str, ...]

    @property
    def check(self) -> ConstraintCheck:
        """The limit in the decision's list."""
        return ConstraintCheck(
            name="focus",
            limit=self.asked,
            actual=None,
            slack=None,
            unit="resource or label",
            held=True if self.movable is not None else None,
            reason=None if self.movable is not None else "it names nothing known; see warnings",
        )

    @property
    def warning(self) -> str:
        """What to do about a focus that names nothing."""
        return (
            f"focus {self.asked!r} names no resource that can move here and no workload (purpose "
            f"of a lease) of yours, so it narrows nothing; known: {', '.join(self.known) or 'none'}"
        )


def known_focus(snapshot: Snapshot, job: Job = NO_JOB) -> dict[str, frozenset[str]]:
    """What `constraints.focus` may name, and which resources it lets move."""
    present = {state.resource for state in snapshot.resources}
    workloads = {label: frozenset(held) for label, held in job.workloads.items()}
    return {**{name: frozenset({name}) for name in MOVABLE if name in present}, **workloads}


def read_focus(constraints: Constraints, snapshot: Snapshot, job: Job = NO_JOB) -> Focus | None:
    """The focus of a request; None when it has none."""
    if constraints.focus is None:
        return None
    known = known_focus(snapshot, job)
    return Focus(constraints.focus, movable=known.get(constraints.focus), known=tuple(known))
