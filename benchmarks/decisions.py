"""Decisions over MCP and REST: 100 clients at once, one process, a real store, no language model.

`python -m benchmarks.decisions [OUT.json]`. Every kind of call is measured beside a call that does
nothing through the same door (a tool, or a path, that does not exist), so that the ratio holds on a
busy machine too.

The clients are one process beside the server. Each holds a connection, and sends the bytes that a
real client of its era sends for a call: since 2026-07-28 a call is one POST by itself; a client of
the handshake eras has initialized before, and got no session id, since none outlives a request.
The bytes are made once and answers are read to their end, not parsed: a Python client would spend
more on a call than the server does.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

from benchmarks.served import _import_week, process_at
from tests.serving import serving

CLIENTS, CALLS, WARM_UP = 100, 2000, 200

MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
"""Versions of the protocol: one POST a call, and one that begins with a handshake."""

ALONE = {"use_sequential_thinking": False}


@dataclass(frozen=True)
class Kind:
    """One kind of call.

    Attributes:
        tool: Name of the tool; for REST, of the path below /api/v1.
        arguments: Of the tool, or the body.
        door: Version of MCP, or REST.
        status: What it is answered with.
    """

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    door: str = MODERN
    status: int = 200


KINDS: dict[str, Kind] = {
    "nothing, MCP": Kind("no_such_tool"),
    "decision without thinking, MCP": Kind("optimize_resources", ALONE),
    "decision, MCP": Kind("optimize_resources"),
    "health, MCP": Kind("get_health"),
    "forecast, MCP": Kind("forecast_workload"),
    "lease of a second, MCP": Kind("allocate", {"resources": {"mcp_tokens": 1}, "ttl_s": 1}),
    "nothing, MCP 2025": Kind("no_such_tool", door=HANDSHAKE),
    "decision without thinking, MCP 2025": Kind("optimize_resources", ALONE, HANDSHAKE),
    "nothing, REST": Kind("no_such_path", door="REST", status=404),
    "decision without thinking, REST": Kind("optimize", ALONE, "REST"),
    "decision, REST": Kind("optimize", door="REST"),
}
"""By name; the first of each door is what the others of it are compared with."""


@dataclass(frozen=True)
class Figures:
    """One kind of call, from 100 clients at once.

    Attributes:
        p50_ms, p99_ms: From sending to the whole answer, in milliseconds.
        cpu_ms: CPU of the server for a call, in milliseconds.
        times_nothing: That, as a multiple of the call that does nothing.
        errors: Calls without an answer, or with another status than theirs.
        first_ms: The very first call of its kind, by one client.
    """

    p50_ms: float
    p99_ms: float
    cpu_ms: float
    times_nothing: float
    errors: int
    first_ms: float


async def measure(url: str) -> dict[str, Figures]:
    """Ask a running server in every way."""
    process, found = process_at(url), dict[str, Figures]()
    port = int(url.rpartition(":")[2])
    nothing: dict[str, float] = {}
    for name, kind in KINDS.items():
        request = _request(port, kind)
        first, _ = await _ask(port, request, kind.status, 1)
        await _closed_loop(port, request, kind.status, WARM_UP)
        before = _cpu_s(process)
        times, errors = await _closed_loop(port, request, kind.status, CALLS)
        cpu_ms = 1000 * (_cpu_s(process) - before) / CALLS
        least = nothing.setdefault(kind.door, cpu_ms)
        cuts = [1000 * cut for cut in quantiles(times, n=100)]
        found[name] = Figures(
            p50_ms=round(cuts[49], 1),
            p99_ms=round(cuts[98], 1),
            cpu_ms=round(cpu_ms, 2),
            times_nothing=round(cpu_ms / least, 2),
            errors=errors,
            first_ms=round(1000 * sum(first), 1),
        )
    return found


def _request(port: int, kind: Kind) -> bytes:
    """The bytes of one call."""
    host = f"127.0.0.1:{port}"
    if kind.door == "REST":
        return _post(f"/api/v1/{kind.tool}", host, kind.arguments, {})
    call: dict[str, Any] = {"name": kind.tool, "arguments": kind.arguments}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": kind.door}
    if kind.door == MODERN:
        call["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": kind.tool}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    return _post("/mcp", host, body, headers)


def _post(path: str, host: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


async def _closed_loop(
    port: int, request: bytes, status: int, calls: int
) -> tuple[list[float], int]:
    """So many calls, each client asking again once it was answered."""
    asking = [_ask(port, request, status, calls // CLIENTS) for _ in range(CLIENTS)]
    times, errors = zip(*await asyncio.gather(*asking), strict=True)
    return list(chain.from_iterable(times)), sum(errors)


async def _ask(port: int, request: bytes, status: int, calls: int) -> tuple[list[float], int]:
    """The calls of one client, on one connection: seconds of each, and how many failed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    asked = [await _timed(reader, writer, request, status) for _ in range(calls)]
    writer.close()
    answered = [took for took in asked if took is not None]
    return answered, calls - len(answered)


async def _timed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, status: int
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
    return time.perf_counter() - began if head[9:12] == b"%d" % status else None


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
            f"{kind:36} p50 {figures.p50_ms:8.1f} ms  p99 {figures.p99_ms:8.1f} ms  "
            f"{figures.cpu_ms:6.2f} CPU-ms ({figures.times_nothing:.2f} x nothing)  "
            f"{figures.errors} errors, the very first {figures.first_ms:.0f} ms"
        )
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(f"the clients took {own.ru_utime + own.ru_stime:.1f} s of CPU")
    if len(sys.argv) > 1:
        shown = {kind: asdict(figures) for kind, figures in found.items()}
        Path(sys.argv[1]).write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
