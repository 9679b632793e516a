"""Time as a function, so that tests and replays can say what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment: aware, in UTC."""


def utc_now() -> datetime:
    """The system's wall clock, aware and in UTC."""
    return datetime.now(UTC)
