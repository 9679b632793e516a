"""Hard times of the monitor: kill -9, a full disk, a damaged file (R2, R3 and R10 for samples)."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.store.engine import Database
from optimizer.store.samples import StoredSamples
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings

SAMPLER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from optimizer.machine.reader import Machine
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.store.engine import Database
from optimizer.store.samples import StoredSamples

async def main(path):
    step = timedelta(milliseconds=1)
    keeper = StoredSamples(
        Database(f"sqlite:///{path}"), retention=timedelta(days=1), interval=step
    )
    monitor = PerformanceMonitor(
        machine=Machine(data_dir=Path(path).parent), keeper=keeper, host="here"
    )
    while True:
        sample = await monitor.sample_once()
        print(sample.timestamp.timestamp(), flush=True)

asyncio.run(main(sys.argv[1]))
"""

KILLS = 3

SAMPLES_OF_A_PAGE = 60
"""More than fit into what is left of the pages that the store has."""


def settings_in(folder: Path) -> dict[str, str]:
    return {"DATA_DIR": str(folder), "MONITORING_INTERVAL": "3600"}


def sampled_until_killed(path: Path, *, after: int) -> list[float]:
    """Moments of the samples that a process said were taken, before it was killed."""
    command = [sys.executable, "-c", SAMPLER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [float(child.stdout.readline()) for _ in range(after)]
        child.kill()
        return told + [float(line) for line in child.stdout if line.endswith("\n")]


async def test_kill_9_loses_no_sample_but_the_one_being_written(tmp_path: Path) -> None:
    path = tmp_path / "sro.db"
    told: list[float] = []
    for kill in range(KILLS):
        told += sampled_until_killed(path, after=3 + 2 * kill)

    database = Database(f"sqlite:///{path}")
    keeper = StoredSamples(
        database, retention=timedelta(days=1), interval=timedelta(milliseconds=1)
    )
    stored = await keeper.load("here", now=datetime.now(UTC))
    await database.close()

    assert set(told) <= set(stored.times_s.tolist())
    assert stored.times_s.size - len(told) <= KILLS
    assert database.set_aside is None


async def test_a_full_disk_is_said_in_the_health_and_over_within_one_sample(
    tmp_path: Path,
) -> None:
    often = settings_in(tmp_path) | {"MONITORING_INTERVAL": "0.1"}
    settings = load_settings(environment=often)
    async with SequentialResourceOptimizer(settings=settings) as sro:
        monitor, database = sro.performance_monitor, sro._rooms.database
        await monitor.sample_once()
        await _most_pages(database, 1)
        for _ in range(SAMPLES_OF_A_PAGE):
            sample = await monitor.sample_once()
            health = await sro.get_health()
            if "history_not_stored" in health.warnings:
                break

        history = await sro.metrics_history(1)
        await _most_pages(database, 2**30)
        await monitor.sample_once()
        after = await sro.get_health()

    assert sample.cpu_usage >= 0
    assert "history_not_stored" in health.warnings
    assert "full" in health.details["history_not_stored"]
    assert "cpu_usage" in history.metrics
    assert "history_not_stored" not in after.warnings


async def _most_pages(database: Database, pages: int) -> None:
    await database.write(
        lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    )


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
async def test_with_a_damaged_database_it_starts_sets_the_file_aside_and_says_so(
    tmp_path: Path, damage: str
) -> None:
    settings = load_settings(environment=settings_in(tmp_path))
    async with SequentialResourceOptimizer(settings=settings) as sro:
        path = sro._rooms.database.path
        await sro.performance_monitor.sample_once()
    assert path is not None
    whole = path.read_bytes()
    path.write_bytes(b"garbage" * 1000 if damage == "garbage" else whole[: len(whole) // 2])

    async with SequentialResourceOptimizer(settings=settings) as sro:
        await sro.performance_monitor.sample_once()
        health = await sro.get_health()

    assert "store_set_aside" in health.warnings
    assert health.status == "degraded" or health.issues
    assert str(path) in health.details["store_set_aside"]
