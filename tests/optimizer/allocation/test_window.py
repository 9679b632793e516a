from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation.window import Period, Window, split_window

MONDAY = datetime(2026, 3, 2, 10, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "amount", "window"),
    [
        ("5000/h", "5000", Window("hour")),
        ("20 USD/day", "20 USD", Window("day")),
        ("20 USD per day at 06:30", "20 USD", Window("day", timedelta(hours=6, minutes=30))),
        ("5000/hour at :25", "5000", Window("hour", timedelta(minutes=25))),
        ("100 USD/month", "100 USD", Window("month")),
        ("8 GiB", "8 GiB", None),
        ("10 MB/s", "10 MB/s", None),
    ],
)
def test_an_amount_is_parted_from_its_window(text: str, amount: str, window: Window | None) -> None:
    assert split_window(text) == (amount, window)


@pytest.mark.parametrize("text", ["5/h at 2:00", "5/day at 24:00", "5/day at 6:60"])
def test_a_time_that_is_not_in_the_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time within"):
        split_window(text)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window("minute"), datetime(2026, 3, 2, 10, 21, tzinfo=UTC)),
        (Window("hour"), datetime(2026, 3, 2, 11, tzinfo=UTC)),
        (Window("hour", timedelta(minutes=25)), datetime(2026, 3, 2, 10, 25, tzinfo=UTC)),
        (Window("day"), datetime(2026, 3, 3, tzinfo=UTC)),
        (Window("day", timedelta(hours=12)), datetime(2026, 3, 2, 12, tzinfo=UTC)),
        (Window("day", timedelta(hours=6)), datetime(2026, 3, 3, 6, tzinfo=UTC)),
        (Window("week"), datetime(2026, 3, 9, tzinfo=UTC)),
        (Window("month"), datetime(2026, 4, 1, tzinfo=UTC)),
        (Window("month", timedelta(hours=6)), datetime(2026, 4, 1, 6, tzinfo=UTC)),
    ],
)
def test_a_budget_refills_at_the_stated_hour(window: Window, expected: datetime) -> None:
    assert window.next_reset(MONDAY) == expected


@given(
    period=st.sampled_from(["minute", "hour", "day", "week", "month"]),
    offset=st.integers(0, 59),
    at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_next_reset_is_later_and_follows_itself(
    period: Period, offset: int, at: datetime
) -> None:
    window = Window(period, timedelta(seconds=offset))
    first = window.next_reset(at)

    assert first > at
    assert window.next_reset(first) > first
    assert window.next_reset(first - timedelta(microseconds=1)) == first
