"""What is to be expected of a machine if nothing is changed."""

from optimizer.decisions.figures import figure, tabulate
from optimizer.decisions.levels import Rules, bases
from optimizer.decisions.snapshot import Snapshot

UNCHANGED = Rules(multipliers=(1.0,))


def exhaustion_of(snapshot: Snapshot) -> tuple[float, float] | None:
    """Bounds of the probability that some resource runs out within the horizon.

    Args:
        snapshot: What is known of the machine.

    Returns:
        The figure of a decision's `no_change`; None without a forecast of cpu and memory.
    """
    considered = bases(snapshot, "system_level", rules=UNCHANGED, max_increase=None)
    options = tabulate(considered, snapshot.workload)
    return figure(options, [0] * len(options), snapshot.workload).exhaustion
