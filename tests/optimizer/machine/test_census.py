"""MCP servers in a list of processes: copies, their parts, their hosts, and orphans."""

import os
import subprocess
import sys
from pathlib import Path

from optimizer.machine.census import ALL_AGAIN, Census, Count, Entry, find_copies, tally
from optimizer.machine.mcp_names import is_launcher, program_of, server_name
from optimizer.machine.processes import ProcessId
from tests.optimizer.machine.trees import plant


def entry(pid: int, parent: int, line: str, *, first_parent: int | None = None) -> Entry:
    argv = line.split()
    return Entry(
        ProcessId(pid, pid),
        parent,
        program_of(argv),
        server_name(argv),
        is_launcher(argv),
        first_parent=parent if first_parent is None else first_parent,
        first_count=0,
    )


def counted(*entries: Entry, piped: set[int] | None = None) -> Count:
    by_pid = {each.identity.pid: each for each in entries}
    copies = find_copies(by_pid, piped=piped or set())
    return tally(copies, dict.fromkeys(by_pid, 100))


def test_a_launcher_and_all_that_it_starts_are_one_copy() -> None:
    found = counted(
        entry(1, 0, "systemd"),
        entry(5, 1, "claude"),
        entry(6, 5, "npm exec @playwright/mcp@latest"),
        entry(7, 6, "sh -c mcp-server-playwright"),
        entry(8, 7, "node /x/node_modules/.bin/mcp-server-playwright"),
        entry(9, 8, "/opt/chrome --type=renderer"),
    )

    (server,) = found.servers
    assert (server.name, server.copies, server.processes) == ("playwright", 1, 4)
    assert (server.memory_bytes, server.hosts, server.orphans) == (400, {"claude": 1}, ())


def test_every_session_has_its_own_copies() -> None:
    sessions = [
        entry(10 * session + place, 10 * session, f"uvx mcp-server-{name}")
        for session in (1, 2, 3)
        for place, name in enumerate(("git", "fetch"), start=1)
    ]
    hosts = [entry(10 * session, 1, "claude") for session in (1, 2, 3)]

    found = counted(entry(1, 0, "systemd"), *hosts, *sessions)

    assert {server.name: server.copies for server in found.servers} == {"git": 3, "fetch": 3}
    assert (found.copies, found.orphans) == (6, 0)


def test_a_server_that_hosts_another_is_a_copy_beside_it() -> None:
    found = counted(
        entry(5, 1, "/usr/bin/mcp-gateway"), entry(6, 5, "uvx mcp-server-git"), entry(1, 0, "init")
    )

    assert sorted(server.name for server in found.servers) == ["gateway", "git"]
    assert found.memory_bytes == 200


def test_a_server_with_a_pipe_below_init_has_lost_its_host_and_a_service_has_not() -> None:
    processes = (
        entry(1, 0, "/usr/lib/systemd/systemd"),
        entry(5, 1, "uvx mcp-server-git"),
        entry(6, 1, "uvx mcp-server-fetch"),
    )

    found = counted(*processes, piped={5})

    assert {server.name: server.orphans for server in found.servers} == {"git": (5,), "fetch": ()}


def test_a_server_whose_parent_changed_has_lost_its_host_whatever_runs_as_init() -> None:
    init = entry(1, 0, "my-container-app")

    assert counted(init, entry(5, 1, "uvx mcp-server-git")).orphans == 0
    assert counted(init, entry(5, 1, "uvx mcp-server-git", first_parent=77)).orphans == 1


def stat_of(pid: int, parent: int) -> str:
    return f"{pid} (x) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {pid} 0 0\n"


def test_a_server_that_outlives_its_host_is_noticed_at_the_next_count(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/1/stat": stat_of(1, 0),
            "proc/1/cmdline": "my-container-app\0",
            "proc/4/stat": stat_of(4, 1),
            "proc/4/cmdline": "claude\0",
            "proc/5/stat": stat_of(5, 4),
            "proc/5/cmdline": "uvx\0mcp-server-git\0",
            "proc/5/statm": "99 30 10 0 0 0 0\n",
            "proc/meminfo": "",
        },
    )
    census = Census(tmp_path)
    before = census.count()
    (tmp_path / "proc/4/stat").unlink()
    plant(tmp_path, {"proc/5/stat": stat_of(5, 1)})

    after = census.count()

    assert (before.copies, before.orphans, before.memory_bytes) == (1, 0, 20 * 4096)
    assert after.servers[0].orphans == (5,)


def run(root: Path, pid: int, line: str, *, started: int | None = None) -> None:
    """Let a process run in a tree of files."""
    stat = stat_of(pid, 1).replace(f" {pid} 0 0", f" {started or pid} 0 0")
    argv = line.replace(" ", "\0") + "\0"
    plant(root, {f"proc/{pid}/stat": stat, f"proc/{pid}/cmdline": argv})


def test_a_count_reads_what_is_new_and_now_and_then_everything(tmp_path: Path) -> None:
    run(tmp_path, 1, "init")
    run(tmp_path, 7, "editor")
    census = Census(tmp_path)
    assert census.count().copies == 0
    run(tmp_path, 8, "uvx mcp-server-git")
    run(tmp_path, 7, "uvx mcp-server-fetch")

    names = [{server.name for server in census.count().servers} for _ in range(ALL_AGAIN)]

    assert names == [{"git"}] * (ALL_AGAIN - 1) + [{"git", "fetch"}]


def test_a_launcher_that_becomes_a_server_is_noticed_at_the_next_count(tmp_path: Path) -> None:
    run(tmp_path, 7, "sh -c start-all")
    census = Census(tmp_path)
    census.count()
    run(tmp_path, 7, "mcp-server-git")

    assert census.count().copies == 1


def test_another_process_under_the_number_of_a_server_is_not_that_server(tmp_path: Path) -> None:
    run(tmp_path, 7, "mcp-server-git")
    census = Census(tmp_path)
    assert census.count().copies == 1
    run(tmp_path, 7, "editor", started=99)

    assert census.count().copies == 0


def test_a_server_of_this_machine_is_counted_while_it_runs(tmp_path: Path) -> None:
    script = tmp_path / "mcp-server-of-this-test.py"
    script.write_text("input()")
    census = Census()

    with subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE) as child:
        running = {server.name: server for server in census.count().servers}
        assert child.stdin is not None
        child.stdin.write(b"\n")

    assert running["of-this-test"].copies == 1
    assert running["of-this-test"].orphans == ()
    assert os.getpid() != child.pid
    assert "of-this-test" not in {server.name for server in census.count().servers}


def test_without_proc_there_is_nothing_to_count(tmp_path: Path) -> None:
    assert Census(tmp_path).count() == Count()
