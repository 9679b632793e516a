"""The daemon, its shims and `serve`, as processes, the way hosts and operators start them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import psutil
import pytest
from mcp import Client, StdioServerParameters

from server.control import ask
from server.daemon_lock import take_lock
from tests.processes import ended, until

SHIM = [sys.executable, "-c", "import sys; from server.shim import main; sys.exit(main())"]


@pytest.fixture
def socket_file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "daemon.sock"


@pytest.fixture
def environment(tmp_path: Path, socket_file: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATA_DIR": str(tmp_path / "data"),
        "SRO_SOCKET": str(socket_file),
        "PORT": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


@pytest.fixture(autouse=True)
def no_daemon_is_left(socket_file: Path) -> Iterator[None]:
    yield
    status = current(socket_file)
    if status is not None:
        with suppress(ProcessLookupError):
            os.kill(status["pid"], signal.SIGKILL)


def current(socket_file: Path) -> dict[str, Any] | None:
    try:
        return ask(str(socket_file), "status")
    except OSError:
        return None


def daemons(socket_file: Path) -> list[int]:
    """The daemons of a socket that run, listening or not."""
    started = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        if "server.daemon" in command and str(socket_file) in command:
            started.append(process.info["pid"])
    return started


def shim(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        SHIM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
    )


def end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(300)
    process.stdout.close()


def call(process: subprocess.Popen[bytes], number: int, tool: str, **arguments: Any) -> Any:
    say(process, number, tool, **arguments)
    return hear(process)


def say(process: subprocess.Popen[bytes], number: int, tool: str, **arguments: Any) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")


def hear(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def structured(answer: Any) -> Any:
    return answer["result"]["structuredContent"]


async def test_a_real_client_reaches_the_daemon_that_its_shim_started(
    environment: dict[str, str], socket_file: Path
) -> None:
    host = StdioServerParameters(command=SHIM[0], args=SHIM[1:], env=environment)

    async with Client(host) as client:
        health = await client.call_tool("get_health", {})
        tools = await client.list_tools()
        status = await anyio.to_thread.run_sync(current, socket_file)

    assert not health.is_error
    assert len(tools.tools) <= 10
    assert status is not None
    assert status["connections"] == 1
    assert status["is_sampler"]


def test_many_hosts_that_start_at_once_share_one_daemon(
    environment: dict[str, str], socket_file: Path
) -> None:
    hosts = [shim(environment) for _ in range(12)]
    try:
        for number, host in enumerate(hosts):
            say(host, number, "list_allocations")
        answers = [structured(hear(host)) for host in hosts]
        status = current(socket_file)
    finally:
        for host in hosts:
            end(host)

    assert len(answers) == 12
    assert status is not None
    assert status["connections"] == 12
    assert take_lock(str(socket_file)) is None


def test_a_daemon_killed_under_a_host_loses_nothing_acknowledged(
    environment: dict[str, str], socket_file: Path
) -> None:
    host = shim(environment)
    try:
        lease = structured(call(host, 1, "allocate", resources={"memory": "64 MiB"}))
        first = until(lambda: current(socket_file))
        os.kill(first["pid"], signal.SIGKILL)
        until(lambda: current(socket_file) is None)

        held = structured(call(host, 2, "list_allocations"))
        second = until(lambda: current(socket_file))
    finally:
        end(host)

    assert [one["allocation_id"] for one in held["allocations"]] == [lease["allocation_id"]]
    assert second["pid"] != first["pid"]


def test_a_call_in_flight_when_the_daemon_dies_is_answered_with_an_error(
    environment: dict[str, str], socket_file: Path
) -> None:
    host = shim(environment)
    try:
        call(host, 1, "get_health")
        status = until(lambda: current(socket_file))
        say(host, 2, "allocate", resources={"cpu": "10000 cores"}, wait_s=45)
        os.kill(status["pid"], signal.SIGKILL)
        answer = hear(host)
    finally:
        end(host)

    assert answer["id"] == 2
    # Either the refusal came before the kill, or the shim says that the daemon ended.
    assert "Call again" in json.dumps(answer) or structured(answer)["state"] == "refused"


def test_sigterm_lets_a_call_in_flight_end_and_leaves_no_socket(
    environment: dict[str, str], socket_file: Path
) -> None:
    host = shim(environment)
    try:
        call(host, 1, "get_health")
        status = until(lambda: current(socket_file))
        say(host, 2, "optimize_resources")
        os.kill(status["pid"], signal.SIGTERM)
        answer = hear(host)
        assert ended(status["pid"])
        # A call that came too late may have started the next daemon, whose socket this is then.
        until(lambda: not socket_file.exists() or current(socket_file))
    finally:
        end(host)

    # Either the call was there in time and is answered, or the shim says that it came too late.
    assert "Call again" in json.dumps(answer) or "decision_id" in structured(answer)


def test_the_owner_can_stop_it_and_the_lock_is_free(
    environment: dict[str, str], socket_file: Path
) -> None:
    host = shim(environment)
    call(host, 1, "get_health")

    assert ask(str(socket_file), "stop") == {"stopping": True}
    lock = take_lock(str(socket_file), wait_s=60)
    end(host)

    assert lock is not None
    lock.release()


def test_a_host_that_comes_while_the_daemon_ends_is_served_by_the_next(
    environment: dict[str, str], socket_file: Path
) -> None:
    ending = take_lock(str(socket_file))
    assert ending is not None
    host = shim(environment)
    try:
        say(host, 1, "list_allocations")
        until(lambda: daemons(socket_file))
        with pytest.raises(AssertionError):
            until(lambda: not daemons(socket_file), within_s=1)
        ending.release()
        held = structured(hear(host))
    finally:
        end(host)

    assert held["allocations"] == []


def test_an_unattended_daemon_ends_when_nobody_needs_it(
    environment: dict[str, str], socket_file: Path
) -> None:
    daemon = subprocess.Popen(
        [sys.executable, "-m", "server.daemon", "--socket", str(socket_file), "--idle-s", "0.5"],
        env=environment,
    )

    assert daemon.wait(300) == 0


def test_an_unattended_daemon_stays_while_a_lease_is_held(
    environment: dict[str, str], socket_file: Path
) -> None:
    host = shim(environment)
    lease = structured(call(host, 1, "allocate", resources={"memory": "64 MiB"}))
    first = until(lambda: current(socket_file))
    end(host)
    os.kill(first["pid"], signal.SIGTERM)
    assert ended(first["pid"])

    daemon = subprocess.Popen(
        [sys.executable, "-m", "server.daemon", "--socket", str(socket_file), "--idle-s", "0.5"],
        env=environment,
    )
    until(lambda: current(socket_file))
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.wait(1.5)
    host = shim(environment)
    released = structured(call(host, 2, "release_allocation", allocation_id=lease["allocation_id"]))
    end(host)

    assert released["state"] == "released"
    assert daemon.wait(300) == 0


def test_serve_takes_over_from_the_daemon_of_a_shim_and_hosts_go_on(
    environment: dict[str, str], socket_file: Path
) -> None:
    host = shim(environment)
    call(host, 1, "get_health")
    before = until(lambda: current(socket_file))
    server = subprocess.Popen(
        [sys.executable, "-m", "sequential_resource_optimization"],
        env={**environment, "LOG_FILE": ""},
        stderr=subprocess.DEVNULL,
    )
    try:
        status = until(lambda: (s := current(socket_file)) and s["http"] and s)
        rest = httpx.get(f"{status['http']}/health", trust_env=False, timeout=300)
        health = call(host, 2, "get_health")
        end(host)
    finally:
        server.terminate()
        code = server.wait(300)

    assert status["pid"] == server.pid != before["pid"]
    assert rest.status_code == 200
    assert "result" in health or "Call again" in json.dumps(health)
    assert code == 0


def test_a_taken_port_is_named_and_ends_with_1(environment: dict[str, str]) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        server = subprocess.run(
            [sys.executable, "-m", "sequential_resource_optimization"],
            env={**environment, "PORT": port, "LOG_FILE": ""},
            stderr=subprocess.PIPE,
            timeout=300,
            check=False,
        )

    assert server.returncode == 1
    assert f"PORT: {port} is taken".encode() in server.stderr


def test_no_argument_changes_who_one_is(environment: dict[str, str]) -> None:
    host = shim(environment)
    try:
        answer = call(host, 1, "allocate", resources={"memory": "64 MiB"}, principal="uid:4242")
    finally:
        end(host)

    assert answer["result"]["isError"]
    assert "no argument 'principal'" in answer["result"]["content"][0]["text"]
