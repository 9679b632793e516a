"""A circuit breaker: what keeps failing is left alone for a while."""

import time
from collections.abc import Callable

Timer = Callable[[], float]
"""Seconds on a clock that never goes back."""


class CircuitBreaker:
    """Opens after some failures in a row; after a rest one attempt is let through.

    Args:
        failures: Failures in a row that open it.
        rest_s: Seconds that it stays open.
        timer: The clock.

    Source: Nygard, Release It!, 2nd ed., "Circuit Breaker".
    """

    def __init__(
        self, *, failures: int = 5, rest_s: float = 30.0, timer: Timer = time.monotonic
    ) -> None:
        self._limit = failures
        self._rest_s = rest_s
        self._timer = timer
        self._in_a_row = 0
        self._open_until: float | None = None

    @property
    def open_for_s(self) -> float:
        """Seconds until an attempt is let through; 0 when one is let through now."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._timer())

    def admit(self) -> bool:
        """Whether to try now.

        When the rest is over one caller is told yes, and the others no until that one has
        reported or another rest has passed.
        """
        if self._open_until is None:
            return True
        if self.open_for_s > 0:
            return False
        self._open_until = self._timer() + self._rest_s
        return True

    def succeeded(self) -> None:
        """Report a success: it closes."""
        self._in_a_row = 0
        self._open_until = None

    def failed(self) -> None:
        """Report a failure: enough of them, or one after a rest, open it."""
        self._in_a_row += 1
        if self._in_a_row >= self._limit:
            self.trip(self._rest_s)

    def trip(self, rest_s: float) -> None:
        """Open it at once, for so many seconds: another attempt is known to be useless."""
        self._in_a_row = max(self._in_a_row, self._limit)
        self._open_until = self._timer() + rest_s
