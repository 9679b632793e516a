"""Work that can wait, put off until a quiet stretch of the forecast."""

from dataclasses import dataclass
from datetime import datetime

from optimizer.allocation.lease import PriorityLevel
from optimizer.clock import Clock


@dataclass(frozen=True)
class Deferral:
    """Until when requests of low priority get no lease.

    Attributes:
        until: Aware, UTC.
        clock: Says what time it is.
    """

    until: datetime
    clock: Clock

    def puts_off(self, priority: PriorityLevel) -> datetime | None:
        """Until when such a request waits; None when it need not."""
        return self.until if priority == "low" and self.clock() < self.until else None
