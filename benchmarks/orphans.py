"""What a killed host leaves behind: `python -m benchmarks.orphans`.

A host starts `sro run`, that a command which does not listen to SIGTERM, and the command one more
process in a session of its own. Somebody in this chain is killed with -9; measured is the time
until nothing below it is left. Bar: 2 s for the slowest. The daemon is the other way round: what it
leased goes on, and the next daemon knows of it.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from optimizer.places import socket_path
from server.control import ask
from tests.serving import CHECKOUT, lonely_environment, stop_daemon

ROUNDS, DAEMONS = 10, 3
MAX_LEFT_S = 2.0
GIVEN_UP_S = 60.0

SRO = [sys.executable, "-c", "import sys; from server.cli.main import main; sys.exit(main())"]

STUBBORN = "trap '' TERM; setsid sleep 600 & echo $! $$; exec sleep 600"

HOST = f"import subprocess, sys; subprocess.run({[*SRO, 'run', '--', 'sh', '-c', STUBBORN]!r})"


@dataclass(frozen=True)
class Chain:
    """The processes that one host began, by their ids."""

    host: int
    front: int
    watcher: int
    command: int
    left_over: int


@contextmanager
def chain(environment: Mapping[str, str]) -> Iterator[Chain]:
    """A host with a command under a lease; whatever becomes of them, nothing stays."""
    with subprocess.Popen(
        [sys.executable, "-c", HOST],
        env=environment,
        cwd=environment["HOME"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as host:
        assert host.stdout is not None
        left_over, command = map(int, host.stdout.readline().split())
        watcher = _parent(command)
        made = Chain(host.pid, _parent(watcher), watcher, command, left_over)
        try:
            yield made
        finally:
            host.kill()
            for pid in (made.front, made.watcher, made.command, made.left_over):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def until_nothing_is_left(
    environment: Mapping[str, str], killed: Callable[[Chain], tuple[int, ...]]
) -> float:
    """Seconds from the kill to the end of the last process below it.

    Args:
        environment: Of a folder of its own; a daemon runs or is started.
        killed: Whom to kill with -9, in this order.

    Raises:
        TimeoutError: Something is still there after a minute.
    """
    with chain(environment) as processes:
        below = [os.pidfd_open(pid) for pid in (processes.command, processes.left_over)]
        began = time.monotonic()
        for pid in killed(processes):
            os.kill(pid, signal.SIGKILL)
        try:
            for handle in below:
                if not select.select([handle], [], [], GIVEN_UP_S)[0]:
                    raise TimeoutError(f"an orphan after {GIVEN_UP_S:g} s: {processes}")
            return time.monotonic() - began
        finally:
            for handle in below:
                os.close(handle)


def until_adopted(environment: Mapping[str, str]) -> float:
    """Seconds from the end of the daemon until the next one has renewed the command's lease.

    Raises:
        TimeoutError: None has after a minute.
    """
    path = socket_path(environment)
    with chain(environment):
        before = ask(path, "status")
        assert before is not None
        ends = _lease_end(path)
        began = time.monotonic()
        os.kill(before["pid"], signal.SIGKILL)
        while time.monotonic() < began + GIVEN_UP_S:
            with suppress(OSError, AssertionError):
                if _lease_end(path) != ends:
                    return time.monotonic() - began
            time.sleep(0.05)
    raise TimeoutError(f"no daemon keeps the lease after {GIVEN_UP_S:g} s")


def _lease_end(path: str) -> str:
    """When the newest lease of ours ends."""
    answer = ask(path, "perform", operation="list_allocations", arguments={})
    assert answer is not None
    return str(answer["answer"]["allocations"][0]["expires_at"])


KILLED: Mapping[str, Callable[[Chain], tuple[int, ...]]] = {
    "the host": lambda chain: (chain.host,),
    "sro run": lambda chain: (chain.front,),
    "its watcher": lambda chain: (chain.watcher,),
    "sro run and its watcher": lambda chain: (chain.front, chain.watcher),
    "the host and sro run": lambda chain: (chain.host, chain.front),
}


def main() -> int:
    """Everybody in the chain, and the daemon; 1 when the bar is missed."""
    held = True
    with tempfile.TemporaryDirectory() as folder:
        environment = lonely_environment(Path(folder), PYTHONPATH=str(CHECKOUT), LOG_LEVEL="error")
        try:
            for name, killed in KILLED.items():
                took = sorted(until_nothing_is_left(environment, killed) for _ in range(ROUNDS))
                held = held and took[-1] <= MAX_LEFT_S
                print(f"kill -9 of {name}, {ROUNDS} times: {_shown(took)} (bar {MAX_LEFT_S:g} s)")
            took = sorted(until_adopted(environment) for _ in range(DAEMONS))
            print(f"kill -9 of the daemon, {DAEMONS} times: kept by the next after {_shown(took)}")
        finally:
            stop_daemon(environment)
    return 0 if held else 1


def _shown(took: list[float]) -> str:
    return f"median {took[len(took) // 2]:.2f} s, slowest {took[-1]:.2f} s"


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


if __name__ == "__main__":
    sys.exit(main())
