"""`make soak`: load for an hour (MINUTES=...); memory and open files must not grow.

The first tenth is warm-up. After it the resident memory may grow by at most GROWTH_MIB and the open
files not at all.
"""

import asyncio
import os
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from benchmarks.served import process_at
from tests.serving import serving

MINUTES = float(os.environ.get("MINUTES", "60"))

GROWTH_MIB = 8.0

CLIENTS = 4

CALLS: tuple[dict[str, Any], ...] = (
    {"method": "GET", "url": "/health"},
    {"method": "GET", "url": "/metrics"},
    {"method": "GET", "url": "/forecast"},
    {"method": "POST", "url": "/optimize", "json": {}},
    {"method": "POST", "url": "/allocate", "json": {"resources": {"mcp_tokens": 1}, "ttl_s": 1}},
    {"method": "GET", "url": "/allocations"},
    {"method": "POST", "url": "/allocate", "json": {"resources": {"cpu": "1000 cores"}}},
    {"method": "POST", "url": "/optimize", "json": {"scope": "galaxy"}},
)
"""What is asked, refusals and errors among it."""

EXPECTED = {200, 409, 422}


async def load(client: httpx.AsyncClient, until: float) -> int:
    """Ask everything in turn until a moment; answers how often."""
    for asked in count():
        if time.monotonic() >= until:
            return asked
        call = CALLS[asked % len(CALLS)]
        response = await client.request(**call)
        assert response.status_code in EXPECTED, f"{call}: {response.status_code} {response.text}"
    raise AssertionError("counting does not end")


async def soak(folder: Path) -> int:
    """Load a server and watch it; the exit code."""
    with serving(folder, LOG_LEVEL="error", LOG_FILE="") as url:
        process = process_at(url)
        async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60) as client:

            async def stage(minutes: float) -> tuple[int, float, int]:
                until = time.monotonic() + 60 * minutes
                asked = sum(await asyncio.gather(*[load(client, until) for _ in range(CLIENTS)]))
                return asked, process.memory_info().rss / 2**20, process.num_fds()

            _, before, files_before = await stage(MINUTES / 10)
            asked, after, files_after = await stage(MINUTES * 9 / 10)
    print(f"{asked} requests in {MINUTES * 9 / 10:g} minutes")
    print(f"memory {before:.1f} -> {after:.1f} MiB, open files {files_before} -> {files_after}")
    return int(after - before > GROWTH_MIB or files_after > files_before)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(asyncio.run(soak(Path(temporary))))
