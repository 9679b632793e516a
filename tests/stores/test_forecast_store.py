"""Served forecasts in every kind of store: kept until compared, and each hour counted once."""

from datetime import UTC, datetime, timedelta

import numpy as np

from optimizer.forecasting.served import (
    HOUR,
    RECORD_DAYS,
    Served,
    Settlement,
    Tally,
)
from optimizer.store.engine import Database
from optimizer.store.forecasts import ForecastStore

START = datetime(2026, 11, 2, tzinfo=UTC)
LATER = START + timedelta(days=20)


def served(horizon: int = 24, *, origin: datetime = START, level: float = 50.0) -> Served:
    band = np.array([[level - 10], [level], [level + 10]]).repeat(horizon, axis=1)
    return Served("here", "cpu_usage", HOUR, origin, band, band - 1)


async def test_a_forecast_is_kept_as_it_was_served(database: Database) -> None:
    store, one = ForecastStore(database), served()

    await store.serve([one])

    (kept,) = await store.unsettled("here", due=LATER)
    assert (kept.metric, kept.step, kept.origin, kept.settled) == ("cpu_usage", HOUR, START, 0)
    np.testing.assert_allclose(kept.band, one.band)
    np.testing.assert_allclose(kept.own, one.own)
    assert await store.unsettled("elsewhere", due=LATER) == []
    assert await store.unsettled("here", due=START) == []


async def test_of_one_origin_the_longest_is_kept_and_of_equals_the_first(
    database: Database,
) -> None:
    store = ForecastStore(database)

    await store.serve([served(24, level=50.0)])
    await store.serve([served(24, level=60.0)])
    (kept,) = await store.unsettled("here", due=LATER)
    await store.serve([served(48, level=70.0)])
    await store.serve([served(6, level=80.0)])
    (longest,) = await store.unsettled("here", due=LATER)

    assert kept.band[1, 0] == 50.0
    assert (longest.horizon, longest.band[1, 0]) == (48, 70.0)


async def test_what_is_settled_is_remembered_and_what_is_over_is_dropped(
    database: Database,
) -> None:
    store = ForecastStore(database)
    await store.serve([served(24)])
    (kept,) = await store.unsettled("here", due=LATER)

    await store.settle([Settlement(kept, 6, {"1h": Tally(1, 2.0, 3.0, 1, 2.0, 0)})])
    (half,) = await store.unsettled("here", due=LATER)
    await store.settle([Settlement(half, 24, {"1h": Tally(2, 1.0, 1.0, 1, 1.0, 1)})])

    assert half.settled == 6
    assert await store.unsettled("here", due=LATER) == []
    assert await store.tallies("here") == {("cpu_usage", "1h"): Tally(3, 3.0, 4.0, 2, 3.0, 1)}


async def test_two_processes_that_settle_the_same_hours_count_them_once(
    database: Database,
) -> None:
    store, other = ForecastStore(database), ForecastStore(database)
    await store.serve([served(24)])
    (kept,) = await store.unsettled("here", due=LATER)
    settlement = Settlement(kept, 6, {"1h": Tally(1, 2.0, 3.0, 1, 2.0, 1)})

    await store.settle([settlement])
    await other.settle([settlement])

    assert (await store.tallies("here"))["cpu_usage", "1h"].n == 1


async def test_the_record_reaches_back_thirty_days(database: Database) -> None:
    store = ForecastStore(database)
    for days in (0, RECORD_DAYS - 1, RECORD_DAYS):
        origin = START + timedelta(days=days)
        await store.serve([served(1, origin=origin)])
        (kept,) = await store.unsettled("here", due=origin + HOUR)
        await store.settle([Settlement(kept, 1, {"1h": Tally(1)})])

    assert (await store.tallies("here"))["cpu_usage", "1h"].n == 2


async def test_a_forecast_that_nothing_came_for_is_forgotten_in_the_end(
    database: Database,
) -> None:
    store = ForecastStore(database)
    await store.serve([served()])
    await store.serve([served(origin=START + timedelta(days=RECORD_DAYS, hours=1))])

    kept = await store.unsettled("here", due=START + timedelta(days=90))

    assert len(kept) == 1
