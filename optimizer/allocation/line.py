"""The line of requests that wait for room: by priority, with ageing, and nobody is overtaken."""

from bisect import insort
from collections.abc import Set
from dataclasses import dataclass, field

import anyio

from optimizer.allocation.lease import MAX_WAIT_S, PRIORITIES, PriorityLevel

AGEING_S = MAX_WAIT_S / (len(PRIORITIES) - 1)
"""Seconds of waiting that are worth one level of priority: a low request that has waited as long as
anybody may stands beside a critical one that has just come."""


SHARE_S = 0.9 * AGEING_S
"""Seconds of waiting that holding the whole machine costs: less than one level of priority."""


@dataclass(order=True)
class Waiter:
    """Somebody in the line.

    Attributes:
        since: When it came, in seconds of the event loop's clock, brought forward by its priority
            and put back by what its principal holds: because everybody ages alike, the order never
            changes while they wait, and nobody waits for ever.
        number: Breaks ties in the order of arrival.
        resources: Limited resources that it asks for.
        called: Set when it may try; made when it takes its place.
    """

    since: float
    number: int
    resources: Set[str] = field(compare=False)
    called: anyio.Event = field(init=False, compare=False)


class WaitingLine:
    """Who waits for what. A request goes ahead of nobody who waits for the same resource."""

    def __init__(self) -> None:
        self._waiting: list[Waiter] = []
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def ticket(
        self, resources: Set[str], priority: PriorityLevel, *, now: float, share: float = 0.0
    ) -> Waiter:
        """A place that is not taken yet.

        Args:
            resources: Limited resources that are asked for.
            priority: A level is worth `AGEING_S` of waiting.
            now: Seconds of the event loop's clock.
            share: Dominant share that the principal has, by its weight, with what it waits for
                already: of two of one priority the one that has less goes first.
        """
        self._arrivals += 1
        since = now - AGEING_S * PRIORITIES.index(priority) + SHARE_S * min(1.0, share)
        return Waiter(since, self._arrivals, resources)

    def join(self, waiter: Waiter) -> None:
        """Take the place."""
        waiter.called = anyio.Event()
        insort(self._waiting, waiter)

    def leave(self, waiter: Waiter) -> None:
        """Give up the place, and let those behind try."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            self.call()

    def ahead_of(self, waiter: Waiter) -> int:
        """How many that wait for one of the same resources stand before this place."""
        return sum(
            1
            for other in self._waiting
            if other < waiter and not other.resources.isdisjoint(waiter.resources)
        )

    def call(self) -> None:
        """Something became free: let everybody try who has nobody before them."""
        claimed: set[str] = set()
        for waiter in self._waiting:
            if claimed.isdisjoint(waiter.resources):
                waiter.called.set()
            claimed |= waiter.resources
