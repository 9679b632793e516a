"""One served process: start, memory, answers one by one and under load, the monitor's cost."""

import asyncio
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import psutil

from tests.serving import lonely_environment, serving

REPEATS = 100
"""Answers of each kind, one by one."""

CLIENTS, CALLS = 100, 2000
"""Closed-loop clients that ask at once, and how often in all."""

SETTLE_S, IDLE_S = 35, 60
"""How long a process may do what is done once after a start, and how long it is watched then."""

WEEK_H = 7 * 24

LENGTHS = range(2, 42)
"""Hours of the forecasts beside which others ask; none was asked for before."""


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    value: str


async def measure(folder: Path) -> list[Figure]:
    """Start a server with a week of history and measure it."""
    _import_week(folder)
    began = time.perf_counter()
    with serving(folder, LOG_LEVEL="error") as url:
        ready = time.perf_counter() - began
        process = process_at(url)
        async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60) as client:
            figures = [Figure("ready after the start", f"{ready:.1f} s"), *_idle(process)]
            for name, call in _calls().items():
                figures.append(await _one_by_one(client, name, call, process))
            figures.append(await _beside_forecasts(client))
            figures.extend(await _under_load(client, process))
    return figures


def _calls() -> dict[str, dict[str, Any]]:
    thinking = {"use_sequential_thinking": True}
    return {
        "health": {"method": "GET", "url": "/health"},
        "forecast of 24 hours": {"method": "GET", "url": "/forecast"},
        "decision, thought over": {"method": "POST", "url": "/optimize", "json": thinking},
        "lease": {
            "method": "POST",
            "url": "/allocate",
            "json": {"resources": {"mcp_tokens": 1}, "ttl_s": 1},
        },
    }


def _idle(process: psutil.Process) -> list[Figure]:
    """Memory and CPU while nobody asks."""
    time.sleep(SETTLE_S)
    before, began = _cpu_s(process), time.monotonic()
    time.sleep(IDLE_S)
    used, took = _cpu_s(process) - before, time.monotonic() - began
    rss = process.memory_info().rss / 2**20
    return [
        Figure("memory, idle", f"{rss:.0f} MiB"),
        Figure("CPU, idle, a sample every 30 s", f"{100 * used / took:.2f} % of a core"),
    ]


async def _one_by_one(
    client: httpx.AsyncClient, name: str, call: Mapping[str, Any], process: psutil.Process
) -> Figure:
    before = _cpu_s(process)
    times = [await _timed(client, call) for _ in range(REPEATS)]
    cpu_ms = 1000 * (_cpu_s(process) - before) / REPEATS
    return Figure(f"{name}, one by one", f"{_spread(times)}; {cpu_ms:.1f} ms of CPU")


async def _beside_forecasts(client: httpx.AsyncClient) -> Figure:
    """What others wait while forecasts are computed one after the other, each of another length."""
    health, beside = _calls()["health"], list[float]()
    alone = [await _timed(client, health) for _ in range(REPEATS)]
    computing = asyncio.create_task(_forecast_every_length(client))
    while not computing.done():
        beside.append(await _timed(client, health))
    await computing
    return Figure(
        f"health while {len(LENGTHS)} forecasts are computed",
        f"{_spread(beside)} (alone: {_spread(alone)})",
    )


async def _forecast_every_length(client: httpx.AsyncClient) -> None:
    for hours in LENGTHS:
        await _timed(client, {"method": "GET", "url": f"/forecast?horizon_hours={hours}"})


async def _under_load(client: httpx.AsyncClient, process: psutil.Process) -> list[Figure]:
    """Many decisions at once, from clients on the same machine."""
    call = _calls()["decision, thought over"]

    async def ask() -> list[float]:
        return [await _timed(client, call) for _ in range(CALLS // CLIENTS)]

    before, began = _cpu_s(process), time.perf_counter()
    asked = await asyncio.gather(*[ask() for _ in range(CLIENTS)])
    times = list(chain.from_iterable(asked))
    took, cpu_s = time.perf_counter() - began, _cpu_s(process) - before
    rss = process.memory_info().rss / 2**20
    return [
        Figure(
            f"decision, {CLIENTS} clients at once",
            f"{_spread(times)}; {1000 * cpu_s / CALLS:.1f} ms of CPU",
        ),
        Figure("decisions per second, then", f"{CALLS / took:.0f}"),
        Figure("memory, after that", f"{rss:.0f} MiB"),
    ]


async def _timed(client: httpx.AsyncClient, call: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    (await client.request(**call)).raise_for_status()
    return time.perf_counter() - began


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _spread(times: list[float]) -> str:
    cuts = [1000 * cut for cut in quantiles(times, n=100)]
    return f"p50 {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms, p99 {cuts[98]:.0f} ms"


def process_at(url: str) -> psutil.Process:
    """The child of this process that listens on an address."""
    port = int(url.rpartition(":")[2])
    for process in psutil.Process(os.getpid()).children(recursive=True):
        if any(at.laddr.port == port for at in process.net_connections() if at.laddr):
            return process
    raise AssertionError(f"no child of this process listens on {port}")


def _import_week(folder: Path) -> None:
    """A week with a daily cycle, so that every forecast model has something to do."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    lines = ["timestamp,cpu_usage,memory_usage"]
    for step in range(WEEK_H * 12):
        moment = end - timedelta(minutes=5 * (WEEK_H * 12 - step))
        wave = math.sin(2 * math.pi * (moment.hour + moment.minute / 60) / 24)
        lines.append(f"{moment.isoformat()},{40 + 25 * wave:.2f},{60 + 5 * wave:.2f}")
    subprocess.run(
        [sys.executable, "-m", "server.cli.main", "import", "-"],
        input="\n".join(lines),
        env=lonely_environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
