"""News: what became of leases, told to whoever listens and to those who wait for room."""

from datetime import datetime

from optimizer.allocation.lease import Lease
from optimizer.allocation.ledger import Moment
from optimizer.allocation.line import WaitingLine
from optimizer.events import EventBus, LeaseChanged


class News:
    """Tells what happened.

    Args:
        events: Told of every lease that begins, changes or ends.
        line: Called when something may have become free.
    """

    def __init__(self, events: EventBus, line: WaitingLine) -> None:
        self._events = events
        self._line = line

    def tell(self, at: datetime, lease: Lease, what: str) -> None:
        """A lease was changed."""
        resources = frozenset([grant.resource for grant in lease.grants])
        self._events.publish(
            LeaseChanged(at, lease.allocation_id, what, lease.principal, resources)
        )

    def tell_ended(self, moment: Moment) -> None:
        """Leases ended by themselves, if any."""
        for lease in moment.ended:
            self.tell(moment.at, lease, lease.state)
        if moment.ended:
            self._line.call()

    def call(self) -> None:
        """Something became free."""
        self._line.call()
