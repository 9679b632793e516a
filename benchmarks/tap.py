"""What `sro run` adds to a stdio MCP server: `python -m benchmarks.tap [MCP_JSON]`.

Two copies of each server, one plain and one in `sro run`, are called in turn, so that whatever else
runs on the machine slows both. Servers: one that works for 0.3 ms and answers, the real
sequential-thinking, and those of a file of `benchmarks/selection/real_servers.py` that have a call
in `CALLS`. Bars: the median call within 10 %, and the streams the same byte for byte. Start and
memory of the front and its watcher are shown too.
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

ROUNDS = 300
WARM_UP = 50
MAX_RATIO = 1.10

SRO = [sys.executable, "-c", "import sys; from server.cli.main import main; sys.exit(main())"]
RUN = [*SRO, "run", "--quiet", "--"]

SYNTHETIC = r"""
import json, sys, time
for line in sys.stdin:
    until = time.perf_counter() + 3e-4
    asked = json.loads(line)
    while time.perf_counter() < until:
        pass
    if "id" in asked:
        result = {"content": [{"type": "text", "text": "done"}]}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""

THOUGHT = {
    "thought": "the tap passes this on",
    "nextThoughtNeeded": True,
    "thoughtNumber": 1,
    "totalThoughts": 9,
}
CALLS: dict[str, tuple[str, dict[str, object]]] = {
    "synthetic, 0.3 ms": ("work", {}),
    "sequential-thinking": ("sequentialthinking", THOUGHT),
    "everything": ("echo", {"message": "hello"}),
    "memory": ("search_nodes", {"query": "hello"}),
    "git": ("git_branch", {"repo_path": str(Path.cwd()), "branch_type": "local"}),
}
"""Server to the tool that is called, with its arguments."""

HANDSHAKE: tuple[dict[str, object], ...] = (
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
        while "id" in message:
            self.answers.append(self.process.stdout.readline())
            if json.loads(self.answers[-1]).get("id") == message["id"]:
                return

    def call(self, number: int, tool: str, arguments: dict[str, object]) -> None:
        """Call a tool."""
        params = {"name": tool, "arguments": arguments}
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


def commands() -> Iterator[tuple[str, list[str]]]:
    """The servers that can be called here."""
    yield "synthetic, 0.3 ms", [sys.executable, "-c", SYNTHETIC]
    yield "sequential-thinking", list(sequential_thinking())
    for path in sys.argv[1:]:
        for name, entry in json.loads(Path(path).read_text())["mcpServers"].items():
            if name in CALLS and name != "sequential-thinking":
                yield name, [entry["command"], *entry["args"]]


def measure(name: str, command: list[str], environment: dict[str, str]) -> bool:
    """Print what the tap adds to one server; whether both bars are held."""
    with ExitStack() as stack:
        plain = stack.enter_context(started(command, environment))
        tapped = stack.enter_context(started([*RUN, *command], environment))
        for number in range(1, ROUNDS + WARM_UP + 1):
            plain.call(number, *CALLS[name])
            tapped.call(number, *CALLS[name])
        memory = front_mb(tapped.process.pid)
    ratio = tapped.p50_ms / plain.p50_ms
    same = plain.answers == tapped.answers
    print(
        f"{name:20} {plain.p50_ms:8.3f} {tapped.p50_ms:8.3f} {ratio:6.3f} "
        f"{1e3 * (tapped.p50_ms - plain.p50_ms):+7.0f}   {plain.first_ms:6.0f} "
        f"{tapped.first_ms:6.0f} {memory:7.1f}   {'yes' if same else 'NO'}"
    )
    return same and ratio <= MAX_RATIO


def main() -> int:
    """Print a table; 1 when a bar is missed."""
    with tempfile.TemporaryDirectory(prefix="sro-bench-") as folder:
        socket = f"{folder}/d.sock"
        environment = {
            **os.environ,
            "DATA_DIR": folder,
            "SRO_SOCKET": socket,
            "PORT": "0",
            "DISABLE_THOUGHT_LOGGING": "true",
        }
        subprocess.run([*RUN, "true"], env=environment, check=True, stderr=subprocess.DEVNULL)
        print(f"p50 of {ROUNDS} calls in ms, plain and tapped (bar: {MAX_RATIO} times), added us;")
        print("ms to the first answer, plain and tapped; front and watcher in MB (PSS); the same")
        held = [measure(name, command, environment) for name, command in commands()]
        ask(socket, "stop")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
