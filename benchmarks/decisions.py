"""Decisions over MCP and REST: 100 clients at once, one process, a real store, no language model.

`python -m benchmarks.decisions [OUT.json]`. Every kind of call is measured beside a call that does
nothing (a tool that does not exist: the whole way through HTTP and MCP), so that the ratio holds on
a busy machine too.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

from benchmarks.served import _import_week, process_at
from tests.serving import serving

CLIENTS, CALLS, WARM_UP = 100, 2000, 200

VERSION = "2026-07-28"
"""Of the protocol: stateless, one POST a call."""

ALONE = {"use_sequential_thinking": False}

KINDS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "nothing, MCP": ("no_such_tool", None),
    "decision without thinking, MCP": ("optimize_resources", ALONE),
    "decision, MCP": ("optimize_resources", {}),
    "decision without thinking, REST": ("", ALONE),
}
"""Name to tool and arguments; no tool is REST. The first is what the others are compared with."""


@dataclass(frozen=True)
class Figures:
    """One kind of call, from 100 clients at once.

    Attributes:
        p50_ms, p99_ms: From sending to the whole answer, in milliseconds.
        cpu_ms: CPU of the server for a call, in milliseconds.
        times_nothing: That, as a multiple of the call that does nothing.
        errors: Calls without an answer, or with another status than 200.
    """

    p50_ms: float
    p99_ms: float
    cpu_ms: float
    times_nothing: float
    errors: int


async def measure(url: str) -> dict[str, Figures]:
    """Ask a running server in every way."""
    process, found = process_at(url), {}
    port = int(url.rpartition(":")[2])
    nothing = 0.0
    for kind, (tool, arguments) in KINDS.items():
        request = _request(port, tool, arguments)
        await _closed_loop(port, request, WARM_UP)
        before = _cpu_s(process)
        times, errors = await _closed_loop(port, request, CALLS)
        cpu_ms = 1000 * (_cpu_s(process) - before) / CALLS
        nothing = nothing or cpu_ms
        cuts = [1000 * cut for cut in quantiles(times, n=100)]
        found[kind] = Figures(
            p50_ms=round(cuts[49], 1),
            p99_ms=round(cuts[98], 1),
            cpu_ms=round(cpu_ms, 2),
            times_nothing=round(cpu_ms / nothing, 2),
            errors=errors,
        )
    return found


def _request(port: int, tool: str, arguments: dict[str, Any] | None) -> bytes:
    """The bytes of one call."""
    host = f"127.0.0.1:{port}"
    if not tool:
        return _post("/api/v1/optimize", host, arguments or {}, {})
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {"name": tool, "arguments": arguments or {}, "_meta": meta}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    return _post("/mcp", host, body, headers)


def _post(path: str, host: str, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


async def _closed_loop(port: int, request: bytes, calls: int) -> tuple[list[float], int]:
    """So many calls, each client asking again once it was answered."""

    async def ask() -> list[float | None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        times = [await _timed(reader, writer, request) for _ in range(calls // CLIENTS)]
        writer.close()
        return times

    asked = list(chain.from_iterable(await asyncio.gather(*[ask() for _ in range(CLIENTS)])))
    answered = [took for took in asked if took is not None]
    return answered, len(asked) - len(answered)


async def _timed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> float | None:
    began = time.perf_counter()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while await _chunk(reader):
            pass
    else:
        length = head.split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
    return time.perf_counter() - began if head[9:12] == b"200" else None


async def _chunk(reader: asyncio.StreamReader) -> int:
    size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
    await reader.readexactly(size + 2)
    return size


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Start a server with a week of history, measure it, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        _import_week(Path(folder))
        with serving(Path(folder), LOG_LEVEL="error") as url:
            found = asyncio.run(measure(url))
    for kind, figures in found.items():
        print(
            f"{kind:34} p50 {figures.p50_ms:8.1f} ms  p99 {figures.p99_ms:8.1f} ms  "
            f"{figures.cpu_ms:6.2f} CPU-ms ({figures.times_nothing:.2f} x nothing)  "
            f"{figures.errors} errors"
        )
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(f"the clients took {own.ru_utime + own.ru_stime:.1f} s of CPU")
    if len(sys.argv) > 1:
        shown = {kind: asdict(figures) for kind, figures in found.items()}
        Path(sys.argv[1]).write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
