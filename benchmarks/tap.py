"""What `sro run` adds to a stdio MCP server: `python -m benchmarks.tap`.

Two copies of the real sequential-thinking server, one plain and one in `sro run`, are called in
turn, so that whatever else runs on the machine slows both. Bars: the median call within 10 %, and
the streams the same byte for byte. Start and memory of the front and its watcher are shown too.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from server.control import ask
from tests.node import sequential_thinking

CALLS = 300
WARM_UP = 50
MAX_RATIO = 1.10

SRO = [sys.executable, "-c", "import sys; from server.cli.main import main; sys.exit(main())"]

HANDSHAKE = (
    {
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "benchmark", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
)


@dataclass
class Server:
    """A server, and what it answered.

    Attributes:
        process: What was started.
        first_ms: Time from its start to its first answer.
        calls_ms: Time of each call.
        answers: All that it wrote.
    """

    process: subprocess.Popen[bytes]
    first_ms: float = 0.0
    calls_ms: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    def ask(self, message: dict[str, object]) -> None:
        """Send a message, and wait for the answer when it wants one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        if "id" in message:
            self.answers.append(self.process.stdout.readline())

    def call(self, number: int) -> None:
        """Record one thought."""
        thought = {
            "thought": "the tap passes this on",
            "nextThoughtNeeded": True,
            "thoughtNumber": number,
            "totalThoughts": CALLS + WARM_UP,
        }
        params = {"name": "sequentialthinking", "arguments": thought}
        began = time.perf_counter()
        self.ask({"id": number, "method": "tools/call", "params": params})
        self.calls_ms.append((time.perf_counter() - began) * 1e3)

    @property
    def p50_ms(self) -> float:
        """Median call after the warm-up."""
        return statistics.median(self.calls_ms[WARM_UP:])


@contextmanager
def started(command: Sequence[str], environment: dict[str, str]) -> Iterator[Server]:
    """A server that has shaken hands."""
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        process.stdout = os.fdopen(os.dup(process.stdout.fileno()), "rb")
        server = Server(process)
        for message in HANDSHAKE:
            server.ask(message)
        server.first_ms = (time.perf_counter() - began) * 1e3
        yield server
        assert process.stdin is not None
        process.stdin.close()


def proportional_mb(pid: int) -> float:
    """Memory of a process, what it shares counted in parts (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def front_mb(front: int) -> float:
    """Memory of a front and its watcher, which is its child."""
    children = Path(f"/proc/{front}/task/{front}/children").read_text().split()
    return proportional_mb(front) + sum(proportional_mb(int(child)) for child in children)


def main() -> int:
    """Print a table; 1 when a bar is missed."""
    server = list(sequential_thinking())
    with tempfile.TemporaryDirectory(prefix="sro-bench-") as folder, ExitStack() as stack:
        socket = f"{folder}/d.sock"
        environment = {
            **os.environ,
            "DATA_DIR": folder,
            "SRO_SOCKET": socket,
            "PORT": "0",
            "DISABLE_THOUGHT_LOGGING": "true",
        }
        run = [*SRO, "run", "--quiet", "--"]
        subprocess.run([*run, "true"], env=environment, check=True, stderr=subprocess.DEVNULL)
        plain = stack.enter_context(started(server, environment))
        tapped = stack.enter_context(started([*run, *server], environment))
        for number in range(1, CALLS + WARM_UP + 1):
            plain.call(number)
            tapped.call(number)
        memory = front_mb(tapped.process.pid)
        ask(socket, "stop")
    ratio = tapped.p50_ms / plain.p50_ms
    same = plain.answers == tapped.answers
    print(f"p50 of {CALLS} calls: plain {plain.p50_ms:.3f} ms, tapped {tapped.p50_ms:.3f} ms")
    print(
        f"ratio {ratio:.3f} (bar {MAX_RATIO}), added {1e3 * (tapped.p50_ms - plain.p50_ms):.0f} us"
    )
    print(f"first answer: plain {plain.first_ms:.0f} ms, tapped {tapped.first_ms:.0f} ms")
    print(f"front and watcher: {memory:.1f} MB (PSS)")
    print(f"answers {'the same' if same else 'NOT the same'} byte for byte")
    return 0 if same and ratio <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
