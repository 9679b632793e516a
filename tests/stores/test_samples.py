"""Samples and their roll-ups in a store."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from optimizer.monitoring.keeper import COLUMNS, StoredHistory
from optimizer.monitoring.rollup import roll_up
from optimizer.store.engine import Database
from optimizer.store.samples import StoredSamples
from tests.optimizer.monitoring.fakes import NOON, a_sample, samples_at

HALF_MINUTE = timedelta(seconds=30)
HOUR = timedelta(hours=1)
CPU = COLUMNS["cpu_usage"]


def keeper_of(database: Database, retention: timedelta = timedelta(days=1)) -> StoredSamples:
    return StoredSamples(database, retention=retention, interval=HALF_MINUTE)


async def load(keeper: StoredSamples, after: timedelta) -> StoredHistory:
    return await keeper.load("here", now=NOON + after)


async def test_a_sample_comes_back_as_it_was(database: Database) -> None:
    keeper = keeper_of(database)
    sample = a_sample(load_1m=0.5, unknown={"swap_usage": "this machine has no swap"})

    await keeper.add(sample)

    stored = await load(keeper, HOUR)
    assert stored.times_s.tolist() == [NOON.timestamp()]
    assert stored.values[0, CPU] == 25.0
    assert stored.values[0, COLUMNS["load_1m"]] == 0.5
    assert np.isnan(stored.values[0, COLUMNS["swap_usage"]])
    assert await keeper.latest("here") == sample
    assert await keeper.hosts() == ("here",)


async def test_the_latest_sample_of_another_host_is_the_last_one(database: Database) -> None:
    keeper = keeper_of(database)
    samples = samples_at((1.0, 2.0, 3.0), HALF_MINUTE)
    for sample in samples:
        await keeper.add(sample)

    assert await keeper.latest("here") == samples[-1]


async def test_the_own_machine_is_kept_whole_each_time_on_a_server_and_once_a_step_in_a_file(
    database: Database,
) -> None:
    keeper = StoredSamples(database, retention=timedelta(days=1), interval=HALF_MINUTE, host="here")
    samples = samples_at(range(12), HALF_MINUTE)
    for sample in samples:
        await keeper.add(sample)

    assert (await load(keeper, HOUR)).values[:, CPU].tolist() == [float(i) for i in range(12)]
    assert await keeper.latest("here") == samples[10 if database.is_sqlite else 11]


async def test_a_host_that_was_never_seen_has_nothing(database: Database) -> None:
    keeper = keeper_of(database)

    stored = await load(keeper, HOUR)

    assert stored.times_s.size == stored.five_minutes.starts_s.size == 0
    assert await keeper.latest("here") is None


async def test_finished_steps_are_rolled_up_once_the_next_sample_comes(database: Database) -> None:
    keeper = keeper_of(database)
    for sample in samples_at(range(21), HALF_MINUTE):
        await keeper.add(sample)

    stored = await load(keeper, HOUR)

    assert stored.five_minutes.starts_s.tolist() == [
        int(NOON.timestamp()),
        int(NOON.timestamp()) + 300,
    ]
    assert stored.five_minutes.mean[:, CPU].tolist() == [4.5, 14.5]
    assert stored.five_minutes.samples.tolist() == [10, 10]
    assert stored.hours.starts_s.size == 0


async def test_the_unmanaged_rest_has_a_history_of_its_own(database: Database) -> None:
    keeper = keeper_of(database)
    for step in range(21):
        await keeper.add(a_sample(NOON + step * HALF_MINUTE, unmanaged_cpu=step / 10))

    stored = await load(keeper, HOUR)

    column = COLUMNS["unmanaged_cpu"]
    assert stored.values[:, column].tolist() == [step / 10 for step in range(21)]
    assert stored.five_minutes.mean[:, column] == pytest.approx([0.45, 1.45])


async def test_hours_and_their_percentiles_come_from_the_samples(database: Database) -> None:
    keeper = keeper_of(database)
    for sample in samples_at([*range(60), 0.0], timedelta(minutes=1)):
        await keeper.add(sample)

    hours = (await load(keeper, 2 * HOUR)).hours
    row = await database.read(
        lambda connection: connection.execute(
            text(
                "SELECT cpu_usage_least, cpu_usage_greatest, cpu_usage_p95 FROM rollups"
                " WHERE step_s = 3600"
            )
        ).one()
    )

    assert hours.mean[:, CPU].tolist() == [29.5]
    assert tuple(row) == (0.0, 59.0, pytest.approx(56.05))


async def test_a_new_process_rolls_up_what_the_one_before_left(database: Database) -> None:
    first = keeper_of(database)
    for sample in samples_at([10.0] * 5, HALF_MINUTE):
        await first.add(sample)

    second = keeper_of(database)
    await second.add(a_sample(NOON + timedelta(minutes=20)))

    stored = await load(second, HOUR)
    assert stored.five_minutes.mean[:, CPU].tolist() == [10.0]
    assert stored.five_minutes.samples.tolist() == [5]


async def test_samples_are_dropped_by_whole_hours_after_their_retention(
    database: Database,
) -> None:
    keeper = keeper_of(database, retention=HOUR)
    for sample in samples_at([10.0] * (3 * 60 + 31), timedelta(minutes=1)):
        await keeper.add(sample)

    stored = await load(keeper, 4 * HOUR)

    assert stored.times_s[0] == (NOON + 2 * HOUR).timestamp()
    assert stored.hours.samples.tolist() == [60, 60, 60]


async def test_steps_are_dropped_after_a_month_and_a_year(database: Database) -> None:
    keeper = keeper_of(database, retention=HOUR)
    await keeper.add(a_sample())
    await keeper.add(a_sample(NOON + timedelta(days=29)))
    month = await load(keeper, timedelta(days=29, hours=1))
    await keeper.add(a_sample(NOON + timedelta(days=31)))
    later = await load(keeper, timedelta(days=31, hours=1))
    await keeper.add(a_sample(NOON + timedelta(days=400)))
    rows = await database.read(
        lambda connection: connection.execute(
            text("SELECT step_s, count(*) FROM rollups GROUP BY step_s")
        ).all()
    )

    assert month.five_minutes.starts_s.size == 1
    assert (later.five_minutes.starts_s.size, later.hours.starts_s.size) == (1, 2)
    assert [tuple(row) for row in rows] == []


async def test_a_sample_taken_again_after_the_clock_went_back_replaces_the_first(
    database: Database,
) -> None:
    keeper = keeper_of(database)
    for sample in samples_at([10.0] * 11, HALF_MINUTE):
        await keeper.add(sample)

    for sample in samples_at([90.0] * 11, HALF_MINUTE, NOON + timedelta(seconds=7)):
        await keeper.add(sample)

    stored = await load(keeper, timedelta(minutes=6))
    assert stored.values[:, CPU].tolist() == [90.0] * 11
    assert stored.five_minutes.mean[:, CPU].tolist() == [90.0]


async def test_a_new_process_on_a_clock_set_back_replaces_what_it_takes_again(
    database: Database,
) -> None:
    first = keeper_of(database)
    for sample in samples_at([10.0] * 20, HALF_MINUTE):
        await first.add(sample)
    second = keeper_of(database)
    for sample in samples_at([90.0] * 20, HALF_MINUTE):
        await second.add(sample)

    stored = await load(second, HOUR)
    assert stored.values[:, CPU].tolist() == [90.0] * 20


async def test_what_lies_in_the_future_of_the_clock_is_not_shown(database: Database) -> None:
    keeper = keeper_of(database)
    await keeper.add(a_sample(NOON + timedelta(days=1)))
    await keeper.add(a_sample(NOON + timedelta(days=1, hours=2)))

    stored = await load(keeper, timedelta())

    assert stored.times_s.size == stored.hours.starts_s.size == 0


async def test_imported_steps_fill_gaps_and_never_replace_what_was_measured(
    database: Database,
) -> None:
    keeper = keeper_of(database)
    for sample in samples_at([10.0] * 11, HALF_MINUTE):
        await keeper.add(sample)
    times = NOON.timestamp() + np.array([-300.0, 0.0])
    values = np.full((2, len(COLUMNS)), 70.0)

    filled = await keeper.add_rollups("here", roll_up(times, values, step_s=300))
    again = await keeper.add_rollups("here", roll_up(times, values, step_s=300))

    stored = await load(keeper, HOUR)
    assert (filled, again) == (1, 0)
    assert stored.five_minutes.mean[:, CPU].tolist() == [70.0, 10.0]


async def test_hosts_do_not_see_each_others_samples(database: Database) -> None:
    keeper = keeper_of(database)
    await keeper.add(a_sample())
    await keeper.add(a_sample(host="there", cpu_usage=99.0))

    assert (await load(keeper, HOUR)).values[:, CPU].tolist() == [25.0]
    assert await keeper.hosts() == ("here", "there")


async def test_history_survives_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sro.db'}"
    before = Database(url)
    for sample in samples_at([10.0] * 11, HALF_MINUTE):
        await keeper_of(before).add(sample)
    await before.close()

    after = Database(url)
    stored = await load(keeper_of(after), HOUR)
    await after.close()

    assert stored.times_s.size == 11
    assert stored.five_minutes.mean[:, CPU].tolist() == [10.0]


async def test_a_flood_of_old_samples_is_dropped_a_piece_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.store.samples.ROWS_AT_ONCE", 4)
    keeper = keeper_of(database, retention=HOUR)
    for sample in samples_at([10.0] * 10, HALF_MINUTE):
        await keeper.add(sample)

    left = []
    for days in (2, 3, 4):
        await keeper.add(a_sample(NOON + timedelta(days=days)))
        left.append((await load(keeper, timedelta(days=days, hours=1))).times_s.size)

    assert left == [7, 4, 1]
