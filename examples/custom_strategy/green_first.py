"""An objective of your own; after `pip install examples/custom_strategy` it has a name everywhere.

sro optimize --objective green_first
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sequential_resource_optimization import Candidate, OptimizationRequest


@dataclass(frozen=True)
class GreenFirst:
    """Prefers candidates that use less energy; cost breaks ties.

    Attributes:
        watts_per_core: What a busy core draws more than an idle one; measure yours.
        name: What requests call it.
    """

    watts_per_core: float = 9.0
    name: str = "green_first"

    def rank(self, front: Sequence[Candidate], request: OptimizationRequest) -> list[str]:
        """Order candidate ids, best first. Every candidate already holds the limits."""
        return [c.id for c in sorted(front, key=lambda c: (self.watts(c), c.spend))]

    def watts(self, candidate: Candidate) -> float:
        """Power of a candidate's cores."""
        return candidate.cores * self.watts_per_core
