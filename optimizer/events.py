"""What happened, told to whoever listens: one bus, in this process."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

logger = logging.getLogger("sequential_resource_optimization.events")


@dataclass(frozen=True)
class Event:
    """Something happened at a moment (aware, UTC)."""

    at: datetime


@dataclass(frozen=True)
class SampleTaken(Event):
    """The monitor took a sample."""


@dataclass(frozen=True)
class AlertChanged(Event):
    """An alert was raised or cleared."""

    metric: str
    level: str


@dataclass(frozen=True)
class LeaseChanged(Event):
    """A lease was granted, renewed, resized, released, has to give way, or ended by itself.

    Attributes:
        allocation_id: Which one.
        state: What became of it; `yielding` while it has to give way.
        principal: Who holds it.
        resources: What it holds something of.
    """

    allocation_id: str
    state: str
    principal: str = ""
    resources: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DecisionMade(Event):
    """optimize_resources stored a decision."""

    decision_id: str


Listener = Callable[[Event], None]


class EventBus:
    """Calls every listener, in the order in which they came, on the publisher's thread."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; the answer takes it away again."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def publish(self, event: Event) -> None:
        """Tell every listener. One that fails is logged and does not stop the rest."""
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %s", type(event).__name__)
