"""One job from stdin, stages and one report to stdout.

A second line ends the server. The process stays until its stdin closes, as the parent of everything
that the server left behind, so that whoever started it can find and end it.
"""

import ctypes
import json
import os
import resource
import sys
import time
from contextlib import suppress
from typing import Any

from optimizer.mcp_client.caged.bounds import Bounds, CagedError, Clock
from optimizer.mcp_client.caged.pipe import Pipe, die_with_parent
from optimizer.mcp_client.caged.session import Session
from optimizer.mcp_client.caged.web import Web

_PR_SET_CHILD_SUBREAPER = 36
OWN_DATA = 128 * 2**20
"""Bytes of memory that this process may have, whatever the server sends."""

PINGS = 20
PROBES = 5


def main() -> None:
    """Do the job."""
    _lock_in()
    job = json.loads(sys.stdin.buffer.readline())
    bounds = Bounds(**job["bounds"])
    report: dict[str, Any] = {"stage": "report", "failure": None, "stderr": ""}
    transport: Pipe | Web | None = None
    try:
        began = time.perf_counter()
        transport = _transport(job, bounds)
        report |= _profile(Session(transport, bounds), job, bounds, began)
    except CagedError as error:
        report["failure"] = {"problem": error.problem, "detail": error.detail}
    except MemoryError:
        detail = f"what it sent takes more than {OWN_DATA} bytes of memory to read"
        report["failure"] = {"problem": "too_much", "detail": detail}
    if transport is not None:
        report["stderr"] = transport.stderr_tail
    _say(report)
    sys.stdin.buffer.readline()
    if transport is not None:
        transport.close()
    _say({"stage": "closed"})
    sys.stdin.buffer.read()
    _reap()


def _profile(session: Session, job: dict[str, Any], bounds: Bounds, began: float) -> dict[str, Any]:
    _say({"stage": "connecting"})
    hello = session.connect(job["era"])
    connect_ms = (time.perf_counter() - began) * 1000
    _say({"stage": "listing"})
    began = time.perf_counter()
    listed = session.tools()
    list_ms = (time.perf_counter() - began) * 1000
    _say({"stage": "probing"})
    calls, refused = _calls(session, job["probes"], listed.tools, bounds)
    return {
        "hello": vars(hello),
        "connect_ms": connect_ms,
        "list_ms": list_ms,
        "tools": listed.tools,
        "refused_tools": listed.refused,
        "warnings": [*listed.warnings, *refused],
        "calls": calls,
        "asked_for": session.asked_for,
    }


def _calls(
    session: Session, probes: dict[str, Any], tools: list[dict[str, Any]], bounds: Bounds
) -> tuple[list[dict[str, Any]], list[str]]:
    """Timed requests: tools that say they only read, with the operator's arguments, else pings."""
    clock = Clock(bounds.probe_s)
    read_only = {tool["name"] for tool in tools if tool["readOnly"]}
    listed = {tool["name"] for tool in tools}
    refused = []
    for name in probes:
        if name not in read_only:
            why = "does not say that it only reads" if name in listed else "is not offered"
            refused.append(f"{name} was not called: it {why}")
    calls = []
    for name, arguments in probes.items():
        if name in read_only:
            params = {"name": name, "arguments": arguments}
            calls.append(_repeat(session, "tools/call", params, name, PROBES, clock))
    if not calls:
        ping = _repeat(session, "ping", {}, "ping", PINGS, clock)
        if not ping["ms"]:
            ping = _repeat(session, "tools/list", {}, "tools/list", PINGS, clock)
        calls.append(ping)
    return calls, refused


def _repeat(
    session: Session, method: str, params: dict[str, Any], what: str, times: int, clock: Clock
) -> dict[str, Any]:
    took: list[float] = []
    failures: list[str | None] = []
    for _ in range(times):
        try:
            ms, failure = session.timed(method, params, clock=clock)
        except CagedError as error:
            if error.problem != "timeout":
                raise
            failures.append("timeout")
            break
        failures.append(failure)
        if failure is None:
            took.append(ms)
    return {"what": what, "ms": took, "failures": [each for each in failures if each is not None]}


def _transport(job: dict[str, Any], bounds: Bounds) -> Pipe | Web:
    if job["url"] is None:
        return Pipe(job["argv"], env=job["env"], cwd=job["cwd"], bounds=bounds, cell=job["cell"])
    return Web(job["url"], headers=job["headers"], allow_local=job["allow_local"], bounds=bounds)


def _lock_in() -> None:
    """Bound what this process may take, and become the parent of whatever the server orphans."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (OWN_DATA, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    die_with_parent()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap() -> None:
    """Wait for what was ended, so that no zombie is left where nobody else waits for it."""
    deadline = time.monotonic() + 1.0
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
