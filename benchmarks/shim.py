"""What one more stdio host costs, beside a server of its own: `python -m benchmarks.shim`.

Bars: a shim of at most 12 MB, and 100 ms from its start to its first answer while a daemon runs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from server.control import ask

TIMES = 15

WARM_UP = 2

MAX_SHIM_MB = 12.0
MAX_CONNECT_MS = 100.0

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "get_health",
        "arguments": {},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}


@dataclass(frozen=True)
class Cost:
    """One way to be a stdio server.

    Attributes:
        resident_mb: Resident memory of its process after an answer.
        own_mb: The part of it that no other process shares.
        first_ms: Median time from its start to the first answer.
        call_ms: Median time of a call after that.
    """

    resident_mb: float
    own_mb: float
    first_ms: float
    call_ms: float


def cost_of(command: Sequence[str], environment: dict[str, str], *, times: int) -> Cost:
    """Start it several times, and ask it twice each."""
    runs = [_once(command, environment) for _ in range(times + WARM_UP)][WARM_UP:]
    medians = [statistics.median(column) for column in zip(*runs, strict=True)]
    return Cost(*medians)


def _once(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float, float, float]:
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with closing(process.stdin), open(process.stdout.fileno(), "rb", closefd=False) as answers:
            line = json.dumps(CALL).encode() + b"\n"
            process.stdin.write(line)
            answers.readline()
            first = time.perf_counter()
            process.stdin.write(line)
            answers.readline()
            second = time.perf_counter()
            resident, own = _memory(process.pid)
    return resident, own, (first - began) * 1000, (second - first) * 1000


def _memory(pid: int) -> tuple[float, float]:
    """Resident and private memory in MB, as the kernel counts them."""
    kilobytes: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, _ = line.split()
        kilobytes[name.rstrip(":")] = int(value)
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return kilobytes["Rss"] / 1024, own / 1024


def measure(folder: Path) -> tuple[Cost, Cost, Cost]:
    """The shim on the bare interpreter, the shim as `sro stdio`, and the in-process server."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "SRO_SOCKET": str(folder / "d.sock"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    checkout = str(Path(__file__).parents[1])
    join = f"import sys; sys.path.insert(0, {checkout!r}); from server.shim import main; main()"
    sro = [sys.executable, "-m", "server.cli.main", "stdio"]
    try:
        bare = cost_of([sys.executable, "-S", "-E", "-c", join], environment, times=TIMES)
        command = cost_of(sro, environment, times=TIMES)
        inside = cost_of([*sro, "--in-process"], environment, times=3)
    finally:
        ask(environment["SRO_SOCKET"], "stop")
    return bare, command, inside


def table(bare: Cost, command: Cost, inside: Cost) -> str:
    """The three side by side, with how many times less the shim costs."""
    names = {
        "resident_mb": "resident memory, MB",
        "own_mb": "of it private, MB",
        "first_ms": "start to first answer, ms",
        "call_ms": "a further call, ms",
    }
    rows = ["| | bare shim | sro stdio | in process | ratio |", "| --- | --- | --- | --- | --- |"]
    for field, name in names.items():
        values = [getattr(cost, field) for cost in (bare, command, inside)]
        shown = " | ".join(f"{value:.1f}" for value in values)
        rows.append(f"| {name} | {shown} | {values[2] / values[1]:.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        costs = measure(Path(name))
    print(table(*costs))
    missed = costs[1].resident_mb > MAX_SHIM_MB or costs[1].first_ms > MAX_CONNECT_MS
    print(f"bars: {MAX_SHIM_MB:g} MB, {MAX_CONNECT_MS:g} ms: {'MISSED' if missed else 'held'}")
    sys.exit(missed)
