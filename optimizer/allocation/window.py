"""Budgets that refill: "5000/h", "20 USD/day", "100 USD/month at 06:00"."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

Period = Literal["minute", "hour", "day", "week", "month"]

_LENGTHS: dict[Period, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_SHORT: dict[str, Period] = {"min": "minute", "h": "hour", "d": "day", "w": "week"}
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_WINDOWED = re.compile(
    r"(?P<amount>.+?)\s*(?:/|\bper\b)\s*(?P<period>minute|min|hour|h|day|d|week|w|month)"
    r"(?:\s+at\s+(?P<hour>\d{1,2})?:(?P<minute>\d{2}))?\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Window:
    """A span of time after which a budget is whole again. Boundaries are in UTC.

    Attributes:
        period: Its length. A week begins on Monday, a month on its first day.
        offset: How long after the period's own beginning the budget refills: 6 h with `day` is
            06:00 UTC every day.
    """

    period: Period
    offset: timedelta = timedelta(0)

    def next_reset(self, now: datetime) -> datetime:
        """The first boundary that is later than `now` (aware)."""
        if self.period == "month":
            return self._next_month(now)
        length = _LENGTHS[self.period]
        since = (now - _MONDAY - self.offset) // length
        return _MONDAY + self.offset + (since + 1) * length

    def _next_month(self, now: datetime) -> datetime:
        local = now.astimezone(UTC) - self.offset
        first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=32)).replace(day=1)
        return following + self.offset

    def __str__(self) -> str:
        if not self.offset:
            return self.period
        hours, rest = divmod(int(self.offset.total_seconds()), 3600)
        return f"{self.period} at {hours:02d}:{rest // 60:02d} UTC"


def split_window(text: str) -> tuple[str, Window | None]:
    """Part an amount from the window in which it refills.

    Args:
        text: For example `20 USD/day`, `5000 per hour`, `100 USD/month at 06:00`, `8 GiB`.

    Returns:
        The amount's text, and the window; None when the text names none.

    Raises:
        ValueError: The time after `at` is not one, or is longer than the period.
    """
    match = _WINDOWED.match(text)
    if match is None:
        return text, None
    word = match["period"].lower()
    period = next((p for p in get_args(Period) if p == word), None) or _SHORT[word]
    hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
    offset = timedelta(hours=hour, minutes=minute)
    if hour > 23 or minute > 59 or offset >= _LENGTHS.get(period, timedelta(days=1)):
        raise ValueError(f"{match['hour'] or ''}:{match['minute']} is no time within a {period}")
    return match["amount"], Window(period, offset)
