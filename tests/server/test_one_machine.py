"""One daemon for a whole machine: many hosts, two users, and fifty first starts at once."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from server.control import ask
from tests.processes import until
from tests.serving import CHECKOUT, lonely_environment

ALICE, BOB, EVE = 12_301, 12_302, 12_303
GROUP = 12_300

HOSTS = 20
STARTS = 50
IDLE_RSS_MB = 130

SHIM = """
import os, sys
sys.path.insert(0, {checkout!r})
import server.control
from server.shim import main
os.setgroups([])
os.setgid({group})
os.setuid({uid})
sys.exit(main())
"""
"""Becomes the user after it has read all files it needs: that user may not look where they lie."""

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as two other users")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that the group may enter."""
    with tempfile.TemporaryDirectory(prefix="sro-one-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "run").mkdir()
        os.chown(folder / "run", -1, GROUP if os.getuid() == 0 else -1)
        (folder / "run").chmod(0o2750)
        yield folder


@pytest.fixture
def environment(shared: Path, tmp_path: Path) -> dict[str, str]:
    return lonely_environment(
        tmp_path,
        PYTHONPATH=os.pathsep.join(sys.path),
        SRO_SOCKET=str(shared / "run" / "d.sock"),
    )


@pytest.fixture
def daemon(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    path = environment["SRO_SOCKET"]
    with subprocess.Popen(
        [sys.executable, "-m", "server.daemon", "--socket", path],
        env=environment,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until(lambda: ask(path, "status"))
            yield process
        finally:
            process.terminate()


class Host:
    """A host of one user, with its shim."""

    def __init__(self, shared: Path, uid: int, *, group: int = GROUP) -> None:
        script = SHIM.format(checkout=str(CHECKOUT), group=group, uid=uid)
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", script],
            env={"SRO_SOCKET": str(shared / "run" / "d.sock"), "HOME": "/nonexistent"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=300)

    def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool and wait for its result."""
        params = {"name": tool, "arguments": arguments, "_meta": META}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["result"]


@as_root
def test_twenty_hosts_of_two_users_share_one_sampler_and_one_writer(
    daemon: subprocess.Popen[bytes], shared: Path, environment: dict[str, str]
) -> None:
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(Host(shared, ALICE if number % 2 else BOB))
            for number in range(HOSTS)
        ]
        leases = [host.call("allocate", resources={"mcp_tokens": 10}) for host in hosts]
        status = ask(environment["SRO_SOCKET"], "status")
        mine = hosts[0].call("list_allocations", whose="mine")["structuredContent"]
        everybodys = hosts[0].call("list_allocations", whose="all")["structuredContent"]

    assert {lease["structuredContent"]["state"] for lease in leases} == {"active"}
    assert status is not None
    assert status["connections"] == HOSTS
    assert status["is_sampler"]
    assert status["pid"] == daemon.pid
    assert (mine["total"], everybodys["total"]) == (HOSTS / 2, HOSTS)


@as_root
def test_the_lease_of_another_user_is_neither_shown_nor_touched(
    daemon: subprocess.Popen[bytes], shared: Path
) -> None:
    with Host(shared, ALICE) as alice, Host(shared, BOB) as bob:
        lease = alice.call("allocate", resources={"mcp_tokens": 10}, purpose="canary")
        name = lease["structuredContent"]["allocation_id"]
        seen = bob.call("list_allocations", whose="all")
        released = bob.call("release_allocation", allocation_id=name)
        renewed = bob.call("renew_allocation", allocation_id=name)
        claimed = bob.call("release_allocation", allocation_id=name, principal=f"uid:{ALICE}")
        still = alice.call("list_allocations")["structuredContent"]

    assert name not in json.dumps(seen)
    assert "canary" not in json.dumps(seen)
    assert [answer["structuredContent"]["code"] for answer in (released, renewed)] == [
        "not_found",
        "not_found",
    ]
    assert claimed["isError"]
    assert still["total"] == 1


@as_root
def test_a_user_outside_the_group_is_told_at_once(
    daemon: subprocess.Popen[bytes], shared: Path
) -> None:
    host = Host(shared, EVE, group=EVE)
    out, said = host.process.communicate(timeout=300)

    assert out == b""
    assert host.process.returncode == 1
    assert b"may not connect" in said


def test_of_fifty_first_starts_at_once_one_daemon_stays(environment: dict[str, str]) -> None:
    path = environment["SRO_SOCKET"]
    command = [sys.executable, "-m", "server.daemon", "--socket", path]
    starts = [
        subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(STARTS)
    ]
    try:
        status = until(lambda: ask(path, "status"))
        until(lambda: sum(start.poll() is None for start in starts) == 1)
        [stayed] = [start for start in starts if start.poll() is None]
    finally:
        for start in starts:
            start.terminate()
        codes = [start.wait(300) for start in starts]

    assert status["pid"] == stayed.pid
    assert codes.count(0) == STARTS


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_daemon_fits_its_memory(daemon: subprocess.Popen[bytes]) -> None:
    lines = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
    [resident] = [int(line.split()[1]) for line in lines if line.startswith("VmRSS")]

    assert resident / 1024 <= IDLE_RSS_MB
