"""One command under a lease, as the daemon knows it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from optimizer.allocation.lease import Allocation
from optimizer.enforcement.groups import Group, Use
from optimizer.enforcement.limits import Limits
from optimizer.enforcement.order import RunOrder
from optimizer.enforcement.trees import Tree
from optimizer.identity import Principal

Tell = Callable[[Mapping[str, str]], None]


@dataclass
class Run:
    """A command under a lease.

    Attributes:
        order: What was asked for.
        principal: Who asked.
        allocation: Its lease as it was granted.
        limits: What it is held to.
        tell: Says something to its front.
        tree: Its processes, once it was started.
        group: Its control group, where there is one.
        use: What the group used at the last look.
        is_warned: Whether its front knows that its lease has to give way.
        parked: Whether it is stopped for want of memory.
        peak_bytes: The most memory that was seen.
        began_s: When it was started, on the loop's clock.
        renewed_s: When its lease was last renewed.
        used_before: What past runs of the command used, by resource; see `usual.used_before`.
    """

    order: RunOrder
    principal: Principal
    allocation: Allocation
    limits: Limits
    tell: Tell
    tree: Tree | None = None
    group: Group | None = None
    use: Use | None = None
    parked: bool = False
    is_warned: bool = False
    peak_bytes: int = 0
    began_s: float = 0.0
    renewed_s: float = 0.0
    used_before: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def lease(self) -> str:
        """The id of its lease."""
        return str(self.allocation.allocation_id)

    def look(self) -> None:
        """See what it uses now."""
        self.use = None if self.group is None else self.group.use()
        if self.use is not None:
            self.peak_bytes = max(self.peak_bytes, self.use.memory_bytes)
        elif self.tree is not None:
            self.peak_bytes = max(self.peak_bytes, self.tree.memory_bytes())
