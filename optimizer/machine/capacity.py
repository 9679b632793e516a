"""What there is to use: the capacity of this machine, as far as this process may use it."""

from dataclasses import dataclass

from optimizer.quantities import Unit


@dataclass(frozen=True)
class Capacity:
    """How much of a resource this process may use.

    Attributes:
        resource: cpu, memory, storage, network or gpu.
        amount: In `unit`; None when nobody can say.
        unit: Unit of the amount.
        source: Where the figure is from, for example `cgroup v2 /sys/fs/cgroup/app/cpu.max`.
        reason: Why the amount is None.
    """

    resource: str
    amount: float | None
    unit: Unit
    source: str
    reason: str | None = None
