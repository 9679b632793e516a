"""How it ends under load: `python -m benchmarks.endings`.

SIGTERM to a server with clients on HTTP, and SIGKILL to a daemon with shims on its socket. Bars: it
exits within 5 s and answers what it had taken; each shim says within 2 s that the daemon ended, and
its next call is answered by a new one; no lease that was acknowledged is lost.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from optimizer.places import socket_path
from server.control import ask
from tests.serving import CHECKOUT, READY, lonely_environment

CLIENTS = 8
ENOUGH = 20 * CLIENTS
"""Leases that are acknowledged before the end."""

HANGS_S = 120.0

MAX_EXIT_S = 5.0
MAX_TOLD_S = 2.0

ALLOCATE = {"resources": {"memory": "1 MiB"}, "ttl_s": 3600}


@dataclass
class Ending:
    """What the clients saw.

    Attributes:
        took_s: Until the process was gone, or until the last shim was told.
        acknowledged: Leases that were granted.
        is_busy: Set once there are enough of them.
        lost: Those of them that are not there afterwards.
        unanswered: Leases that were granted to a call in flight and not acknowledged; over a
            shim, calls that got no clear error, or a second one in place of a new daemon's answer.
    """

    took_s: float = 0.0
    acknowledged: list[str] = field(default_factory=list)
    is_busy: threading.Event = field(default_factory=threading.Event)
    lost: set[str] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)

    def acknowledge(self, lease: str) -> None:
        """Note a lease that a client was granted."""
        self.acknowledged.append(lease)
        if len(self.acknowledged) >= ENOUGH:
            self.is_busy.set()

    def __str__(self) -> str:
        return (
            f"{self.took_s:.2f} s; {len(self.acknowledged)} leases acknowledged, "
            f"{len(self.lost)} lost; {len(self.unanswered)} calls without a clear answer"
        )


def sigterm_under_load(folder: Path) -> Ending:
    """SIGTERM while every client allocates as fast as it can."""
    environment = lonely_environment(folder, PORT="0", LOG_LEVEL="error")
    seen, told = Ending(), threading.Event()
    broken: list[str] = []

    def ask_on(url: str) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=HANGS_S) as http:
            while True:
                try:
                    answer = http.post("/api/v1/allocate", json=ALLOCATE)
                except httpx.HTTPError as error:
                    if not told.is_set():
                        broken.append(repr(error))
                    return
                if answer.status_code == 503:
                    return
                seen.acknowledge(answer.json()["allocation_id"])

    with _server(environment, folder) as process:
        url = _ready(process)
        clients = [threading.Thread(target=ask_on, args=(url,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        seen.is_busy.wait(HANGS_S)
        told.set()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(HANGS_S)
        seen.took_s = time.monotonic() - began
        for client in clients:
            client.join(HANGS_S)
    with _server(environment, folder) as process:
        _ready(process)
        kept = _kept(folder)
        process.terminate()
        process.wait(HANGS_S)
    seen.lost = set(seen.acknowledged) - kept
    seen.unanswered = broken + sorted(kept - set(seen.acknowledged))
    return seen


def sigkill_under_load(folder: Path) -> Ending:
    """SIGKILL to the daemon while every shim allocates as fast as it can."""
    environment = lonely_environment(folder, PYTHONPATH=str(CHECKOUT), LOG_LEVEL="error")
    path, seen = socket_path(environment), Ending()
    killed_at: list[float] = []
    killed = threading.Event()
    shims = [_shim(environment) for _ in range(CLIENTS)]

    def ask_on(shim: subprocess.Popen[bytes]) -> None:
        errors = 0
        while True:
            late = killed.is_set()
            answer = _call(shim)
            if answer is None or "error" in answer:
                errors += 1
                if answer is None or not killed_at or errors > 1:
                    seen.unanswered.append(str(answer))
                    return
                seen.took_s = max(seen.took_s, time.monotonic() - killed_at[0])
                continue
            seen.acknowledge(answer["result"]["structuredContent"]["allocation_id"])
            if late:
                return

    try:
        for shim in shims:
            _call(shim)
        first = ask(path, "status")
        assert first is not None
        clients = [threading.Thread(target=ask_on, args=(shim,)) for shim in shims]
        for client in clients:
            client.start()
        seen.is_busy.wait(HANGS_S)
        killed_at.append(time.monotonic())
        os.kill(first["pid"], signal.SIGKILL)
        killed.set()
        for client in clients:
            client.join(HANGS_S)
        seen.lost = set(seen.acknowledged) - _kept(folder)
    finally:
        for shim in shims:
            with shim:
                assert shim.stdin is not None
                shim.stdin.close()
        with suppress(OSError):
            ask(path, "stop")
    return seen


def _server(environment: dict[str, str], folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, str(CHECKOUT / "sequential_resource_optimization.py")]
    return subprocess.Popen(
        command, env=environment, cwd=folder, stderr=subprocess.PIPE, stdout=-3, text=True
    )


def _ready(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return next(found[1] for line in process.stderr if (found := READY.search(line)))


def _shim(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "server.cli.main", "stdio"]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )


def _call(shim: subprocess.Popen[bytes]) -> Any:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "allocate", "arguments": ALLOCATE, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    assert shim.stdin is not None
    assert shim.stdout is not None
    shim.stdin.write(json.dumps(message).encode() + b"\n")
    line = shim.stdout.readline()
    return json.loads(line) if line else None


def _kept(folder: Path) -> set[str]:
    """The leases that are held, as the store's file has them."""
    with closing(sqlite3.connect(folder / "data" / "sro.db")) as database:
        return {
            row[0]
            for row in database.execute("SELECT allocation_id FROM leases WHERE state = 'active'")
        }


def main() -> int:
    """Both, with their bars; 1 when one is missed."""
    held = True
    for name, end, bar_s in (
        ("SIGTERM", sigterm_under_load, MAX_EXIT_S),
        ("SIGKILL", sigkill_under_load, MAX_TOLD_S),
    ):
        with tempfile.TemporaryDirectory() as folder:
            ending = end(Path(folder))
        holds = ending.took_s <= bar_s and not ending.lost and not ending.unanswered
        held = held and holds
        print(f"{name}, {CLIENTS} clients: {ending} (bar {bar_s:g} s, 0, 0)")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
