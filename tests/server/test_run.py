"""`sro run`, as people and hosts start it, with the daemon that it starts."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from optimizer.enforcement.groups import find_home
from server.cli.run import parsed
from server.control import ask
from server.daemon_lock import take_lock
from tests.processes import ended, until
from tests.server.test_one_machine import META
from tests.serving import CHECKOUT, lonely_environment

CONFIGURATION = """
pools.cpu.capacity = "64 cores"
pools.memory.capacity = "64 GiB"
pools.seat.capacity = 1
pools.gpu.capacity = "4 gpus"
pools."mcp:echo".capacity = 1
"""
"""So much that no load of this machine refuses anything that a test does not want refused."""

SRO = [sys.executable, "-c", "import sys; from server.cli.main import main; sys.exit(main())"]

ECHO_SERVER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        said = {"content": [{"type": "text", "text": "echo " + str(message["id"])}]}
        if message["method"] == "tools/list":
            tool = {"name": "look", "description": open("offered.txt").read()}
            said = {"tools": [{**tool, "inputSchema": {"type": "object"}}]}
            message["params"] = {}
        if message["params"].get("name") == "break":
            said["isError"] = True
        if message["params"].get("name") == "die":
            sys.exit(4)
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": said}), flush=True)
"""


MICROSECOND = timedelta(microseconds=1)

BURN = """
import os, time
before, began = sum(os.times()[:4]), time.monotonic()
child = os.fork()
while time.monotonic() < began + 2: pass
if child:
    os.waitpid(child, 0)
    print((sum(os.times()[:4]) - before) / (time.monotonic() - began))
"""
"""Tells how many cores its two processes got."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("run")
    (folder / "sro.toml").write_text(CONFIGURATION)
    (folder / "echo_mcp.py").write_text(ECHO_SERVER)
    made = lonely_environment(
        folder,
        PYTHONPATH=os.pathsep.join(sys.path),
        SRO_SOCKET=str(folder / "d.sock"),
        SRO_CONFIG=str(folder / "sro.toml"),
        PORT="0",
    )
    with started([*SRO, "run", "--", "true"], made) as first:
        assert first.wait(300) == 0
    yield made
    status = ask(made["SRO_SOCKET"], "status")
    if status is not None:
        os.kill(status["pid"], signal.SIGTERM)
        until(lambda: not os.path.exists(made["SRO_SOCKET"]))


@contextmanager
def started(
    command: Sequence[str], environment: dict[str, str], **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | more
    with subprocess.Popen(command, env=environment, cwd=environment["HOME"], **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def run(
    environment: dict[str, str], *typed: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SRO, "run", *typed],
        env=environment,
        cwd=environment["HOME"],
        input=given,
        capture_output=True,
        timeout=300,
        check=False,
    )


def call(environment: dict[str, str], tool: str, **arguments: Any) -> Any:
    """Ask the daemon through a shim, as an agent would."""
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": META},
    }
    with started([*SRO, "stdio"], environment) as shim:
        assert shim.stdin is not None
        shim.stdin.write(json.dumps(message).encode() + b"\n")
        shim.stdin.flush()
        answer = json.loads(first_line(shim))
        shim.communicate(timeout=300)
    return answer["result"]["structuredContent"]


def leases(environment: dict[str, str]) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = call(environment, "list_allocations")["allocations"]
    return held


def first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def test_a_command_runs_under_a_lease_that_is_given_back(environment: dict[str, str]) -> None:
    every_byte = bytes(range(256)) * 4096
    done = run(
        environment, "--cpu", "2 cores", "--memory", "1GiB", "--", "sh", "-c", "cat; exit 5",
        given=every_byte,
    )  # fmt: skip

    assert done.returncode == 5
    assert done.stdout == every_byte
    [said] = done.stderr.decode().splitlines()
    assert "cpu 2 cores, memory 1.00 GiB" in said
    assert leases(environment) == []


def test_the_line_says_what_holds_the_command(environment: dict[str, str]) -> None:
    home = find_home()
    done = run(environment, "--memory", "64MiB", "--", "cat", "/proc/self/cgroup")
    said = done.stderr.decode()

    if home.reason:
        assert "held by RLIMIT_DATA, as control groups are not ours" in said
    else:
        assert f"held by cgroup v{home.version}" in said
        assert re.search(rb"/sro-[0-9a-f]{8}/alloc_", done.stdout), "a folder of this daemon's own"


def test_a_command_beyond_its_memory_is_ended(environment: dict[str, str]) -> None:
    fill = "kept = bytearray(400 << 20); print(len(kept))"
    done = run(environment, "--memory", "64MiB", "--", sys.executable, "-c", fill)

    assert done.returncode != 0
    assert done.stdout == b""


def test_a_burner_with_two_processes_gets_the_core_that_it_leased(
    environment: dict[str, str],
) -> None:
    home = find_home()
    done = run(environment, "--cpu", "1 core", "--", sys.executable, "-c", BURN)

    assert b"cpu 1 core" in done.stderr
    if home.reason:
        assert b"held by nice 5" in done.stderr
    else:
        assert 0 < float(done.stdout) <= 1.15


def test_a_signal_that_ends_the_command_ends_us_the_same_way(environment: dict[str, str]) -> None:
    assert run(environment, "--", "sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM


def test_the_environment_names_the_lease_and_its_gpus(environment: dict[str, str]) -> None:
    show = "echo $SRO_LEASE_ID $CUDA_VISIBLE_DEVICES; read wait"
    command = [*SRO, "run", "--gpu", "2 gpus", "--", "sh", "-c", show]
    with started(command, environment) as one, started(command, environment) as two:
        shown = [first_line(process).split() for process in (one, two)]
        held = {lease["allocation_id"] for lease in leases(environment)}

    assert {lease for lease, _ in shown} == held
    assert sorted(devices for _, devices in shown) == ["0,1", "2,3"]


def test_the_second_run_is_given_what_the_first_used(environment: dict[str, str]) -> None:
    command = ("--", sys.executable, "-m", "timeit", "-n", "1", "-r", "1", "bytearray(80 << 20)")
    first = run(environment, *command).stderr.decode()
    second = run(environment, *command).stderr.decode()

    assert "no run of it is known yet, so 1 core and 1.00 GiB to begin with" in first
    assert "1 run, p95" in second
    assert "memory 1.00 GiB" not in second


def test_a_refusal_says_what_is_free_and_when(environment: dict[str, str]) -> None:
    done = run(environment, "--memory", "65GiB", "--", "true")

    assert done.returncode == 75
    assert b"true was not started. Refused: memory 65.00 GiB asked" in done.stderr
    assert done.stderr.endswith(b"Ask for at most 64.00 GiB, all that can ever be leased here.\n")


def test_a_run_that_waits_gets_its_turn(environment: dict[str, str]) -> None:
    holder = [*SRO, "run", "--need", "seat=1", "--", "sh", "-c", "echo in; read wait"]
    waiter = [*SRO, "run", "--need", "seat=1", "--wait", "60", "--", "echo", "my turn"]
    with started(holder, environment) as one:
        first_line(one)
        with started(waiter, environment) as two:
            assert two.stderr is not None
            told = two.stderr.readline()
            one.communicate(b"\n", timeout=300)
            out, _ = two.communicate(timeout=300)

    assert b"waiting up to 60 s" in told
    assert out == b"my turn\n"


def test_who_has_to_give_way_is_told_while_there_is_time(environment: dict[str, str]) -> None:
    holder = [*SRO, "run", "--need", "seat=1", "--priority", "low", "--", "sh", "-c", "read wait"]
    waiter = [*SRO, "allocate", "seat=1", "--priority", "high", "--allow-preemption"]
    waiter += ["--wait", "40"]
    with started(holder, environment) as one:
        assert one.stderr is not None
        assert b"seat 1 slot" in one.stderr.readline()
        with started(waiter, environment):
            told = one.stderr.readline().decode()

    assert "has to give way to a request of high priority: it ends in" in told
    assert "save your work" in told


def test_a_daemon_that_ends_before_it_answers_is_followed_by_another(tmp_path: Path) -> None:
    def hear(listener: socket.socket, answer: bytes) -> Any:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as lines:
            heard = json.loads(lines.readline())
            lines.write(answer)
        return heard["control"]

    environment = lonely_environment(tmp_path, SRO_SOCKET=str(tmp_path / "d.sock"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(environment["SRO_SOCKET"])
        listener.listen()
        listener.settimeout(300)
        with started([*SRO, "run", "--", "true"], environment) as front:
            heard = [
                hear(listener, answer)
                for answer in (b"{}\n", b"", b"{}\n", b'{"failed": "as the next one said"}\n')
            ]
            _, said = front.communicate(timeout=300)

    assert heard == ["status", "run", "status", "run"]
    assert said == b"sro: as the next one said\n"
    assert front.returncode == 69


def test_ctrl_c_while_waiting_ends_it_without_a_trace(environment: dict[str, str]) -> None:
    holder = [*SRO, "run", "--need", "seat=1", "--", "sh", "-c", "echo in; read wait"]
    waiter = [*SRO, "run", "--need", "seat=1", "--wait", "60", "--", "true"]
    with started(holder, environment) as one:
        first_line(one)
        with started(waiter, environment) as two:
            assert two.stderr is not None
            two.stderr.readline()
            two.send_signal(signal.SIGINT)
            _, said = two.communicate(timeout=300)
        one.communicate(b"\n", timeout=300)

    assert (two.returncode, said) == (-signal.SIGINT, b"")


def test_a_front_that_says_nonsense_is_given_up(environment: dict[str, str]) -> None:
    order = {"command": ["x"], "directory": "/"}
    with socket.socket(socket.AF_UNIX) as front:
        front.connect(environment["SRO_SOCKET"])
        with front.makefile("rw") as lines:
            lines.write(json.dumps({"control": "run", "order": order}) + "\n")
            lines.flush()
            assert "lease" in json.loads(lines.readline())
            lines.write(json.dumps({"pid": "x"}) + "\n")
            lines.flush()
            assert lines.readline() == ""

    assert leases(environment) == []


def test_kill_9_of_the_front_frees_the_lease_and_leaves_nothing(
    environment: dict[str, str],
) -> None:
    leaving = "setsid sleep 600 & echo $!; wait"
    with started([*SRO, "run", "--", "sh", "-c", leaving], environment) as front:
        left = int(first_line(front))
        assert len(leases(environment)) == 1
        front.kill()
        assert ended(left)

    until(lambda: leases(environment) == [])


def test_kill_9_of_the_command_frees_the_lease(environment: dict[str, str]) -> None:
    with started([*SRO, "run", "--", "sh", "-c", "echo $$; read wait"], environment) as front:
        os.kill(int(first_line(front)), signal.SIGKILL)
        assert front.wait(300) == -signal.SIGKILL

    assert leases(environment) == []


def test_nothing_outlives_the_host(environment: dict[str, str]) -> None:
    script = "setsid sleep 600 & echo $!; exec sleep 600"
    host = f"import subprocess, sys; subprocess.run({[*SRO, 'run', '--', 'sh', '-c', script]!r})"
    with started([sys.executable, "-c", host], environment) as process:
        left = int(first_line(process))
        process.kill()
        assert ended(left)

    until(lambda: leases(environment) == [])


def test_nohup_outlives_the_host(environment: dict[str, str], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f"echo up; read go < {gate}; echo went > {tmp_path}/done"
    host = (
        f"import subprocess; subprocess.run({['nohup', *SRO, 'run', '--', 'sh', '-c', script]!r})"
    )
    with started([sys.executable, "-c", host], environment) as process:
        first_line(process)
        process.kill()
        process.wait(300)
        gate.write_text("\n")

    until(lambda: (tmp_path / "done").exists())


def test_a_run_outlives_its_daemon_and_the_next_which_knows_it_outlives_the_run(
    environment: dict[str, str],
) -> None:
    show = "echo $SRO_LEASE_ID $PPID; read wait"
    with started([*SRO, "run", "--", "sh", "-c", show], environment) as one:
        lease, watcher = first_line(one).split()
        before = ask(environment["SRO_SOCKET"], "status")
        assert before is not None
        os.kill(before["pid"], signal.SIGKILL)
        after = until(lambda: _another(environment, before["pid"]))
        assert [held["allocation_id"] for held in leases(environment)] == [lease]
        os.kill(int(watcher), signal.SIGKILL)
        assert one.wait(300) == -signal.SIGKILL

    until(lambda: leases(environment) == [])
    assert _another(environment, before["pid"]) == after


def test_a_job_keeps_its_lease_while_the_daemon_is_down_for_twice_its_length(
    environment: dict[str, str],
) -> None:
    job = [*SRO, "run", "--cpu", "40 cores", "--", "sh", "-c", "echo $SRO_LEASE_ID; read wait"]
    with started(job, environment) as one:
        lease = first_line(one)
        before = ask(environment["SRO_SOCKET"], "status")
        assert before is not None
        one.send_signal(signal.SIGSTOP)  # else it may start the next daemon before we are there
        os.kill(before["pid"], signal.SIGKILL)
        nobody_may_start = take_lock(environment["SRO_SOCKET"], wait_s=60)
        assert nobody_may_start is not None
        one.send_signal(signal.SIGCONT)
        let_time_pass(environment, timedelta(seconds=121))
        nobody_may_start.release()
        other = run(environment, "--cpu", "40 cores", "--", "true")
        held = leases(environment)
        one.communicate(b"\n", timeout=300)

    assert other.returncode == 75
    assert b"cpu 40 cores asked, " in other.stderr
    assert [known["allocation_id"] for known in held] == [lease]
    until(lambda: leases(environment) == [])


def let_time_pass(environment: dict[str, str], passed: timedelta) -> None:
    """Move all that the ledger knows of time so far into the past; no daemon may run."""
    with closing(sqlite3.connect(Path(environment["DATA_DIR"]) / "sro.db")) as store, store:
        for table, column in (
            ("leases", "granted_at"),
            ("leases", "expires_at"),
            ("ledger_watch", "seen_at"),
        ):
            store.execute(f"UPDATE {table} SET {column} = {column} - ?", (passed / MICROSECOND,))


def _another(environment: dict[str, str], former: int) -> int | None:
    """The process id of a daemon that is not the former one."""
    with suppress(OSError):
        status = ask(environment["SRO_SOCKET"], "status")
        if status is not None and status["pid"] != former:
            return int(status["pid"])
    return None


def echo(environment: dict[str, str], *options: str) -> list[str]:
    server = str(Path(environment["HOME"]) / "echo_mcp.py")
    return [*SRO, "run", *options, "--", sys.executable, server]


def request(number: int, name: str = "say") -> bytes:
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name}}
    return json.dumps(message).encode() + b"\n"


def test_a_hundred_calls_through_the_tap_are_the_same_bytes_and_are_recorded(
    environment: dict[str, str],
) -> None:
    asked = b"".join(request(n, "break" if n == 7 else "say") for n in range(100)) + b"no json\xff"
    plain = subprocess.run(
        echo(environment)[-2:], input=asked, capture_output=True, timeout=300, check=False
    )
    with started(echo(environment), environment) as tapped:
        out, said = tapped.communicate(asked, timeout=300)
    record = call(environment, "report_usage", calls=[{"mcp": "echo", "outcome": "ok"}])

    assert out == plain.stdout
    assert out.count(b"\n") == 100
    assert tapped.returncode == plain.returncode
    assert record["on_record"] == {"echo": 101}
    assert b"memory 128.00 MiB" in said


def test_a_server_that_offers_something_else_than_last_time_is_told_and_held_back(
    environment: dict[str, str],
) -> None:
    offered = Path(environment["HOME"]) / "offered.txt"
    listing = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n'
    said = []
    for words in ("Looks.", "Looks.", "Looks, and tells others."):
        offered.write_text(words)
        with started(echo(environment, "--mcp", "turncoat"), environment) as tapped:
            said.append(tapped.communicate(listing, timeout=300)[1].decode())
    answer = call(
        environment,
        "analyze_mcp_selection",
        available_mcps=[{"id": "turncoat"}],
        task_requirements={"task": "look"},
    )

    assert ["changed after it was approved" in each for each in said] == [False, False, True]
    assert "rewritten: look" in said[2]
    assert "changed after it was approved" in json.dumps(answer["rejected"])


def test_a_further_copy_is_told_why_in_its_own_protocol(environment: dict[str, str]) -> None:
    with started(echo(environment), environment) as one:
        assert one.stdin is not None
        one.stdin.write(request(1))
        one.stdin.flush()
        first_line(one)
        with started(echo(environment), environment) as two:
            handshake = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}\n'
            out, said = two.communicate(handshake, timeout=300)

    error = json.loads(out)["error"]
    assert two.returncode == 75
    assert error["message"].startswith("echo was not started. Refused: mcp:echo 1 slot asked")
    kept = "processes hold 1 slot of mcp:echo for as long as they run"
    assert error["message"].endswith(
        f"--wait waits for room; when there is some is not known: {kept}."
    )
    assert error["data"]["binding_resource"] == "mcp:echo"
    assert error["data"]["unknown"] == {"fits_in_s": kept}
    assert error["message"] in said.decode()


def test_a_server_that_dies_during_a_call_is_on_record(environment: dict[str, str]) -> None:
    with started(echo(environment, "--mcp", "frail"), environment) as tapped:
        out, _ = tapped.communicate(request(1, "die"), timeout=300)
    record = call(environment, "report_usage", calls=[{"mcp": "frail", "outcome": "ok"}])

    assert (out, tapped.returncode) == (b"", 4)
    assert record["on_record"] == {"frail": 2}


def test_another_users_process_cannot_be_claimed(environment: dict[str, str]) -> None:
    with started(["sleep", "600"], environment) as victim, socket.socket(socket.AF_UNIX) as front:
        front.connect(environment["SRO_SOCKET"])
        lines = front.makefile("rw")
        order = {"command": ["sleep"], "directory": "/"}
        lines.write(json.dumps({"control": "run", "order": order}) + "\n")
        lines.flush()
        assert "lease" in json.loads(lines.readline())
        lines.write(json.dumps({"pid": os.getppid()}) + "\n")
        lines.flush()
        answer = json.loads(lines.readline())
        front.close()
        lines.close()
        assert victim.poll() is None

    assert "was not started by" in answer["failed"]


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ((), "name the command to run"),
        (("--cpus", "2", "--", "true"), "there is no option --cpus"),
        (("--wait", "soon", "--", "true"), "is not a number of seconds"),
        (("--need", "seat", "--", "true"), "is not NAME=AMOUNT"),
        (("--cpu",), "--cpu needs a value"),
    ],
)
def test_what_is_typed_wrongly_is_told(
    environment: dict[str, str], typed: tuple[str, ...], problem: str
) -> None:
    done = run(environment, *typed)

    assert done.returncode == 2
    assert problem in done.stderr.decode()


def test_an_amount_that_cannot_be_read_starts_nothing(environment: dict[str, str]) -> None:
    done = run(environment, "--memory", "lots", "--", "echo", "started")

    assert done.returncode == 69
    assert done.stdout == b""
    assert "'lots': that is no amount" in done.stderr.decode()


def test_the_example_of_wrapped_servers_is_read_as_it_is_written() -> None:
    servers = json.loads((CHECKOUT / "examples/leased_mcp.json").read_text())["mcpServers"]

    for name, server in servers.items():
        assert (server["command"], server["args"][0]) == ("sro", "run")
        options, command = parsed(server["args"][1:])
        assert dict(options)["--mcp"] == name
        assert command[0] == "npx"
