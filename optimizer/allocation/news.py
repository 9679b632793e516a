"""News: what became of leases, told to whoever listens and to those who wait for room."""

from datetime import datetime

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

    def tell(self, at: datetime, allocation_id: str, state: str) -> None:
        """A lease was changed."""
        self._events.publish(LeaseChanged(at, allocation_id, state))

    def tell_ended(self, moment: Moment) -> None:
        """Leases ended by themselves, if any."""
        for allocation_id, state in moment.ended:
            self.tell(moment.at, allocation_id, state)
        if moment.ended:
            self._line.call()

    def call(self) -> None:
        """Something became free."""
        self._line.call()
