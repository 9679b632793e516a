"""`python -m benchmarks.monitoring [GLANCES]`: what the monitor costs, beside Glances in one run.

Every process runs at the same time on the same machine, so that the ratios hold where the figures
do not. GLANCES is its program, installed apart: python -m venv X && X/bin/pip install glances.
`--growth` in its place measures alone what a month of samples adds to a process.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import fmean, median

import psutil

from optimizer.machine.reader import Machine
from optimizer.machine.readings import Reading
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.sample import Sample
from optimizer.operations.forecast import DEFAULT_METRICS
from optimizer.store.alerts import AlertStore
from optimizer.store.engine import Database
from optimizer.store.samples import StoredSamples
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings

SAMPLES = 200
"""Single samples, of whose CPU time the median counts."""

WATCH_S = 90
"""How long the processes are watched, once they have settled."""

QUIET_S, QUIET_CPU_S, LONGEST_START_S = 5.0, 0.025, 180.0
"""A process has settled when it used less than this CPU time in so many seconds."""

NEVER_S, OFTEN_S, USUAL_S = 3600, 1, 30

SETTLED, MONTH = 20_000, 100_000
"""Samples after which a process is taken to be settled, and up to which it may grow: 28 days."""

HOUR = timedelta(hours=1)


def table(rows: list[tuple[str, str, str]]) -> str:
    """Rows as the guide shows them."""
    lines = [f"| {name} | {value} | {bar} |" for name, value, bar in rows]
    return "\n".join(["| measured | figure | bar |", "| --- | --- | --- |", *lines])


async def one_sample(folder: Path) -> list[tuple[str, str, str]]:
    """CPU time of a sample: reading, putting together, alerts, memory, and the store's file."""
    database = Database(f"sqlite:///{folder / 'one.db'}")
    interval = timedelta(milliseconds=1)
    keeper = StoredSamples(
        database, retention=timedelta(days=1), interval=interval, host="localhost"
    )
    monitor = PerformanceMonitor(
        machine=Machine(data_dir=folder), keeper=keeper, interval=timedelta(hours=1)
    )
    await monitor.start()
    spent = []
    for _ in range(SAMPLES):
        await asyncio.sleep(0.06)
        before = time.process_time()
        await monitor.sample_once()
        spent.append(time.process_time() - before)
    await monitor.stop()
    await database.close()
    figure = f"{median(spent) * 1e3:.2f} ms (mean {fmean(spent) * 1e3:.2f} ms)"
    return [("CPU of one sample, stored", figure, "1 ms")]


async def a_day(folder: Path) -> list[tuple[str, str, str]]:
    """24 h at 30 s: from memory, and after a restart from the store."""
    database = Database(f"sqlite:///{folder / 'day.db'}")
    step = timedelta(seconds=USUAL_S)
    keeper = StoredSamples(database, retention=timedelta(days=2), interval=step)
    start = datetime.now(UTC) - timedelta(hours=24)
    for place in range(24 * 120):
        await keeper.add(_sample(start + place * step, cpu=20 + place % 50))
    monitor = PerformanceMonitor(machine=Machine(data_dir=folder), keeper=keeper, host="bench")
    before = time.perf_counter()
    await monitor.reload()
    loaded = time.perf_counter() - before
    ready = []
    for _ in range(50):
        before = time.perf_counter()
        for metric in DEFAULT_METRICS:
            monitor.series(metric, step=HOUR)
        ready.append(time.perf_counter() - before)
    await database.close()
    return [
        ("24 h ready for a forecast, from memory", f"{median(ready) * 1e3:.2f} ms", "10 ms"),
        ("the same after a restart, from the store", f"{loaded * 1e3:.1f} ms", ""),
    ]


class Moving:
    """This machine once, then every figure moved by chance, 30 s at a look."""

    is_quick = True

    def __init__(self, folder: Path) -> None:
        self._reading = Machine(data_dir=folder).read()
        self._chance = Random(1)

    def read(self) -> Reading:
        """The reading before, 30 s later."""
        before, chance = self._reading, self._chance.random
        busy_s = (0.2 + 0.2 * chance()) * USUAL_S
        self._reading = before._replace(
            monotonic_s=before.monotonic_s + USUAL_S,
            busy_ticks=before.busy_ticks + 100 * busy_s,
            total_ticks=before.total_ticks + 100 * USUAL_S,
            group_cpu_s=None if before.group_cpu_s is None else before.group_cpu_s + busy_s,
            memory_used_bytes=int((0.3 + 0.2 * chance()) * before.allowed.memory_bytes),
            levels={name: 5 + 20 * chance() for name in before.levels},
            counters={name: n + int(1e6 * chance()) for name, n in before.counters.items()},
        )
        return self._reading


async def growth(folder: Path) -> list[tuple[str, str, str]]:
    """What a process grows by from sample to sample, with a clock that waits for nobody."""
    database = Database(f"sqlite:///{folder / 'growth.db'}")
    interval, start, taken = timedelta(seconds=USUAL_S), datetime.now(UTC), 0
    monitor = PerformanceMonitor(
        machine=Moving(folder),
        keeper=StoredSamples(database, retention=timedelta(days=1), interval=interval),
        alert_keeper=AlertStore(database),
        interval=interval,
        clock=lambda: start + taken * interval,
        monotonic=lambda: taken * float(USUAL_S),
    )
    process, rss = psutil.Process(), {}
    for taken in range(1, MONTH + 1):
        await monitor.sample_once()
        if taken in (SETTLED, MONTH):
            rss[taken] = process.memory_info().rss / 2**20
    await database.close()
    figure = f"{rss[MONTH] - rss[SETTLED]:.2f} MiB (to {rss[MONTH]:.1f} MiB)"
    return [(f"growth from sample {SETTLED:,} to {MONTH:,}", figure, "1 MiB")]


def _sample(at: datetime, *, cpu: float) -> Sample:
    return Sample(
        host="bench",
        timestamp=at,
        cpu_usage=cpu,
        memory_usage=40.0,
        storage_usage=20.0,
        network_rx_bytes_s=1e4,
        cpu_cores=2.0,
        memory_bytes=2**34,
        memory_used_bytes=2**32,
    )


def processes(folder: Path, glances: str | None) -> list[tuple[str, str, str]]:
    """CPU of whole processes that sample never, now and then, and often; with their rivals."""
    commands = {
        f"ours {seconds}": [sys.executable, "-m", "benchmarks.monitoring", "--child", str(seconds)]
        for seconds in (NEVER_S, USUAL_S, OFTEN_S)
    }
    commands["serve"] = [str(Path(sys.executable).with_name("sro")), "serve"]
    if glances is not None:
        for seconds in (USUAL_S, OFTEN_S):
            commands[f"glances {seconds}"] = [glances, "--quiet", "--time", str(seconds)]
    with ExitStack() as stack:
        watched = {}
        for name, command in commands.items():
            child = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "DATA_DIR": str(folder / "serve"), "PORT": "0"},
            )
            stack.callback(child.wait)
            stack.callback(child.terminate)
            watched[name] = psutil.Process(child.pid)
        _settle([process for name, process in watched.items() if "glances" not in name])
        before = {name: _cpu_s(process) for name, process in watched.items()}
        time.sleep(WATCH_S)
        share = {
            name: (_cpu_s(process) - before[name]) / WATCH_S * 100
            for name, process in watched.items()
        }
    idle = share[f"ours {NEVER_S}"]
    rows = [
        ("process that never samples", f"{idle:.3f} % of a core", ""),
        ("`sro serve`, every 30 s, all in all", f"{share['serve']:.3f} % of a core", ""),
    ]
    for seconds, bar in ((USUAL_S, "0.1 %"), (OFTEN_S, "0.5 %")):
        ours = share[f"ours {seconds}"]
        rows.append((f"above that, every {seconds} s", f"{ours - idle:.3f} % of a core", bar))
        theirs = share.get(f"glances {seconds}")
        if theirs is not None:
            ratio = f"{theirs:.3f} %; ours is {ours / theirs:.3f} of it"
            rows.append((f"Glances, every {seconds} s", ratio, "1/3"))
    return rows


def _settle(processes: list[psutil.Process]) -> None:
    """Wait until they have started: what is done once is not what they cost."""
    until = time.monotonic() + LONGEST_START_S
    while time.monotonic() < until:
        before = [_cpu_s(process) for process in processes]
        time.sleep(QUIET_S)
        grown = [_cpu_s(process) - then for process, then in zip(processes, before, strict=True)]
        if max(grown) < QUIET_CPU_S:
            return


def _cpu_s(process: psutil.Process) -> float:
    """CPU time of a process and of its children that ended, in seconds.

    The process's own is read from its clock, in nanoseconds: a tick of 10 ms is as much as a
    sampler takes in a minute. Source: CPUCLOCK_SCHED of clock_getcpuclockid(3), for Linux.
    """
    children = process.cpu_times()
    own = time.clock_gettime(~process.pid << 3 | 2)
    return own + children.children_user + children.children_system


async def child(interval_s: int) -> None:
    """Be a process that samples, until it is ended."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            environment={"DATA_DIR": folder, "MONITORING_INTERVAL": str(interval_s)}
        )
        async with SequentialResourceOptimizer(settings=settings):
            await asyncio.Event().wait()


def main(arguments: list[str]) -> None:
    """Measure everything, or be one of the processes that are measured."""
    if arguments[:1] == ["--child"]:
        asyncio.run(child(int(arguments[1])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = asyncio.run(growth(folder))
        if arguments[:1] == ["--growth"]:
            print(table(rows))
            return
        rows += asyncio.run(one_sample(folder))
        rows += asyncio.run(a_day(folder))
        rows += processes(folder, arguments[0] if arguments else None)
    print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
