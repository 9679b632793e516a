"""History from a CSV file into a store."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.operations.import_history import import_history
from optimizer.store.engine import MEMORY_URL, Database
from optimizer.store.samples import StoredSamples
from tests.optimizer.monitoring.fakes import NOON, FakeMachine

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def keeper() -> AsyncIterator[StoredSamples]:
    database = Database(MEMORY_URL)
    yield StoredSamples(database, retention=timedelta(days=1), interval=timedelta(seconds=30))
    await database.close()


def table(hours: int, *, end: timedelta = timedelta()) -> list[str]:
    """A line a quarter of an hour, up to `end` before noon."""
    lines = ["timestamp,cpu_usage,memory_usage"]
    for quarter in range(hours * 4, 0, -1):
        moment = NOON - end - quarter * 15 * MINUTE
        lines.append(f"{moment.isoformat()},{quarter % 4 * 10},50")
    return lines


async def test_a_week_of_history_is_there_for_the_next_forecast(keeper: StoredSamples) -> None:
    heard: list[tuple[int, int]] = []

    report = await import_history(
        table(168),
        host="localhost",
        keeper=keeper,
        clock=lambda: NOON,
        on_progress=lambda done, total: heard.append((done, total)),
    )
    monitor = PerformanceMonitor(machine=FakeMachine(), keeper=keeper, clock=lambda: NOON)
    await monitor.reload()
    hours = monitor.series("cpu_usage", step=timedelta(hours=1))

    assert (report.rows, report.hours_filled, report.five_minutes_filled) == (672, 168, 672)
    assert (report.kept, report.too_old) == (0, 0)
    assert hours.values.tolist() == [15.0] * 168
    assert hours.end == NOON
    assert heard[-1] == (840, 840)


async def test_a_file_can_be_imported_again_without_counting_twice(keeper: StoredSamples) -> None:
    for _ in range(2):
        report = await import_history(table(5), host="here", keeper=keeper, clock=lambda: NOON)

    assert (report.hours_filled, report.five_minutes_filled, report.kept) == (0, 0, 25)


async def test_a_step_that_is_not_over_yet_is_left_to_the_monitor(keeper: StoredSamples) -> None:
    report = await import_history(
        table(2, end=15 * MINUTE),
        host="here",
        keeper=keeper,
        clock=lambda: NOON - 14 * MINUTE,
    )

    assert report.hours_filled == 2


async def test_what_would_be_dropped_at_once_is_left_out_and_said(keeper: StoredSamples) -> None:
    report = await import_history(
        table(2, end=timedelta(days=400)), host="here", keeper=keeper, clock=lambda: NOON
    )

    assert (report.hours_filled, report.five_minutes_filled, report.too_old) == (0, 0, 2)


async def test_a_bad_line_stops_the_import_before_anything_is_written(
    keeper: StoredSamples,
) -> None:
    with pytest.raises(InvalidRequestError, match="line 10: cpu_usage 'nan'"):
        await import_history(
            [*table(2), f"{NOON.isoformat()},nan,50"],
            host="here",
            keeper=keeper,
            clock=lambda: NOON,
        )

    assert await keeper.hosts() == ()
