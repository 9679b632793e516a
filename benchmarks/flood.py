"""One client that floods, and another beside it: `python -m benchmarks.flood` (S13).

RATE_LIMIT bounds each principal. One token asks 1,000 times a second for ten seconds, from a
process of its own; another asks now and then, alone first and then beside the flood. Bars: the
flood is told 429 with Retry-After, and the other's p99 stays below twice what it is alone.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import httpx

from server.tokens import TokenFile
from tests.serving import serving

RATE_LIMIT = 50
FLOOD_PER_S, CONNECTIONS = 1000, 20
SECONDS = 10.0

PAUSE_S = 0.03
"""Between the calls of the client that asks now and then: below its own rate."""

MOST_TIMES = 2.0


async def now_and_then(url: str, token: str) -> list[float]:
    """Times of answers to a client that keeps to its rate, in seconds."""
    took, until = [], time.monotonic() + SECONDS
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        while time.monotonic() < until:
            began = time.perf_counter()
            (await client.get(f"{url}/api/v1/forecast")).raise_for_status()
            took.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_S)
    return took


async def flood(url: str, token: str) -> Counter[str]:
    """What a steady 1,000 requests a second are answered, over some connections."""
    at = urlsplit(url)
    request = (
        f"GET /api/v1/forecast HTTP/1.1\r\nHost: {at.netloc}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    answers: Counter[str] = Counter()

    async def one_connection(number: int) -> None:
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        began = time.monotonic()
        for turn in range(number, int(FLOOD_PER_S * SECONDS), CONNECTIONS):
            await asyncio.sleep(max(0.0, began + turn / FLOOD_PER_S - time.monotonic()))
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = head.partition("content-length: ")[2].partition("\r")[0]
            await reader.readexactly(int(length or 0))
            answers[head[9:12] + (" with Retry-After" if "\nretry-after:" in head else "")] += 1
        writer.close()

    await asyncio.gather(*map(one_connection, range(CONNECTIONS)))
    return answers


async def measure(url: str, loud: str, calm: str) -> int:
    """The calm client alone, and beside the flood; 0 when both bars hold."""
    alone = _p99_ms(await now_and_then(url, calm))
    flooding = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.flood", url, loud), stdout=asyncio.subprocess.PIPE
    )
    beside = _p99_ms(await now_and_then(url, calm))
    told, _ = await flooding.communicate()
    answers = Counter(json.loads(told))
    print(
        f"flood of {FLOOD_PER_S}/s for {SECONDS:.0f} s at RATE_LIMIT={RATE_LIMIT}: {dict(answers)}"
    )
    print(
        f"p99 of the other: {alone:.1f} ms alone, {beside:.1f} beside: {beside / alone:.2f} times"
    )
    return 0 if beside < MOST_TIMES * alone and answers["429 with Retry-After"] else 1


def _p99_ms(times: list[float]) -> float:
    return 1000 * quantiles(times, n=100)[98]


def main(folder: Path) -> int:
    """Serve, and measure."""
    tokens = folder / "tokens.json"
    loud, calm = (
        TokenFile(tokens).add(name, "user", now=datetime.now(UTC)) for name in ("loud", "calm")
    )
    settings = {"TOKENS_FILE": str(tokens), "RATE_LIMIT": str(RATE_LIMIT), "LOG_LEVEL": "error"}
    with serving(folder, **settings) as url:
        return asyncio.run(measure(url, loud, calm))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(asyncio.run(flood(*sys.argv[1:]))))
        sys.exit()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(main(Path(folder)))
