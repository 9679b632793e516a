"""Commands in a terminal: beside a running server, and alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from server.operations import OPERATIONS
from tests.serving import CHECKOUT, lonely_environment, serving

CANDIDATES = [
    {"id": "sequential_thinking", "cost": 0.05, "performance": 0.9},
    {"id": "graph_analysis", "cost": 0.08, "performance": 0.95},
]


TOKEN = "a-token-of-the-tests"


class Terminal:
    """Runs `sro` with settings of its own.

    Args:
        folder: Home, data and working folder.
        url: Of the server that runs, if one does.
        settings: Further environment variables.
    """

    def __init__(self, folder: Path, *, url: str = "", **settings: str) -> None:
        self.folder = folder
        self.url = url
        self.settings = {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "200", **settings}

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """What the command prints, and its exit code."""
        return subprocess.run(
            [sys.executable, "-m", "server.cli.main", *arguments],
            env=lonely_environment(self.folder, **self.settings),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def json(self, *arguments: str, stdin: str = "") -> dict[str, object]:
        """The answer of a command that succeeds."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="module")
def beside_a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, API_TOKEN=TOKEN) as url:
        yield Terminal(folder, url=url)


@pytest.fixture
def over_http(beside_a_server: Terminal, tmp_path: Path) -> Terminal:
    """From somewhere else: another home, and so another daemon's socket."""
    url = beside_a_server.url
    return Terminal(tmp_path, url=url, SRO_SERVER=url, API_TOKEN=TOKEN)


@pytest.fixture
def alone(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture(params=["beside_a_server", "alone"])
def terminal(request: pytest.FixtureRequest) -> Terminal:
    """The same commands in both situations."""
    found: Terminal = request.getfixturevalue(request.param)
    return found


def test_health_is_told_with_and_without_a_server(terminal: Terminal) -> None:
    answer = terminal.json("health")

    assert answer["status"] in ("healthy", "degraded", "critical")
    assert isinstance(answer["cpu_usage"], float)


def test_the_books_are_proven_in_a_terminal(terminal: Terminal) -> None:
    lease = terminal.json("allocate", "memory=1 MiB", "--ttl", "600")

    proof = terminal.json("audit")
    table = terminal.run("audit").stdout
    terminal.json("release", str(lease["allocation_id"]))

    assert proof["holds"] is True
    pools: Any = proof["pools"]
    memory = next(pool for pool in pools if pool["resource"] == "memory")
    assert memory["allocated"] == memory["from_log"] == memory["from_leases"] >= 2**20
    assert "sum of leases = allocated <= capacity holds" in " ".join(table.split())


def test_leases_are_watched_until_ctrl_c(beside_a_server: Terminal) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "server.cli.main", "allocations", "--watch", "0.1", "--json"],
        env=lonely_environment(beside_a_server.folder, **beside_a_server.settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    looks = [json.loads(watching.stdout.readline()) for _ in range(3)]
    watching.send_signal(signal.SIGINT)

    assert watching.wait(timeout=300) == 0
    assert all("pools" in look for look in looks)
    watching.stdout.close()


def test_a_lease_is_taken_shown_and_given_back(terminal: Terminal) -> None:
    lease = terminal.json("allocate", "memory=64 MiB", "--ttl", "3600", "--purpose", "a test")

    listed = terminal.run("allocations").stdout
    released = terminal.json("release", str(lease["allocation_id"]))

    assert lease["granted"] == {"memory": 64 * 2**20}
    assert str(lease["allocation_id"]) in listed
    assert "a test" in listed
    assert released["state"] == "released"


def test_a_refused_lease_is_an_answer_with_exit_code_1(terminal: Terminal) -> None:
    done = terminal.run("allocate", "memory=900 GiB")

    assert done.returncode == 1
    assert done.stdout.startswith("refused")
    assert "Nothing was reserved" in done.stdout


def test_a_decision_is_made_listed_and_explained(terminal: Terminal) -> None:
    decision = terminal.json("optimize", "--objective", "cost_minimization")
    name = str(decision["decision_id"])

    assert name in terminal.run("decisions").stdout
    assert terminal.json("decision", name)["decision_id"] == name
    assert terminal.run("explain", name).stdout.startswith(name)


def test_a_server_is_chosen_from_a_file_and_from_stdin(terminal: Terminal) -> None:
    file = terminal.folder / "candidates.json"
    file.write_text(json.dumps(CANDIDATES))

    from_file = terminal.json("select", str(file), "--requirement", "complexity=high")
    piped = terminal.run("select", "-", stdin=json.dumps(CANDIDATES))

    assert from_file["kind"] == "mcp"
    assert "graph_analysis" in piped.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("explain", "nope"), 1, "no decision 'nope'"),
        (("forecast", "--hours", "400"), 2, "less than or equal to 168"),
        (("optimize", "--constraint", "max_cots=1"), 2, "did you mean max_cost"),
        (("allocate", "memory"), 2, "is not NAME=VALUE"),
        (("allocate",), 2, "Missing argument"),
        (("healht",), 2, "No such command"),
    ],
)
def test_what_goes_wrong_is_told_on_stderr(
    terminal: Terminal, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = terminal.run(*arguments)

    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""


def test_who_answers_is_said_only_when_it_is_not_the_server(
    beside_a_server: Terminal, alone: Terminal
) -> None:
    assert beside_a_server.run("health").stderr == ""
    assert "this process answers" in alone.run("health").stderr


def test_a_wrong_token_is_told(beside_a_server: Terminal) -> None:
    stranger = Terminal(beside_a_server.folder, API_TOKEN="another")

    done = stranger.run("--server", beside_a_server.url, "allocations")

    assert done.returncode == 1
    assert "Authorization: Bearer" in done.stderr


def test_who_asks_over_the_socket_is_the_user_whom_the_kernel_names(
    beside_a_server: Terminal, over_http: Terminal
) -> None:
    mine = beside_a_server.json("allocate", "memory=64 MiB", "--ttl", "3600")

    listed = over_http.json("allocations", "--whose", "all")
    stolen = over_http.run("release", str(mine["allocation_id"]))
    released = beside_a_server.json("release", str(mine["allocation_id"]))

    assert str(mine["allocation_id"]) not in json.dumps(listed)
    assert stolen.returncode == 1
    assert str(mine["allocation_id"]) in stolen.stderr
    assert released["state"] == "released"


def test_a_server_that_is_named_and_does_not_answer_is_an_error(alone: Terminal) -> None:
    done = alone.run("--server", "http://127.0.0.1:9", "health")

    assert done.returncode == 1
    assert "no server of ours answers at http://127.0.0.1:9" in done.stderr


def test_an_import_is_seen_by_the_running_server_at_once(beside_a_server: Terminal) -> None:
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    moments = (end - timedelta(minutes=5 * step) for step in range(30 * 12, 0, -1))
    lines = ["timestamp,cpu_usage,memory_usage", *(f"{at.isoformat()},40,60" for at in moments)]
    before = beside_a_server.json("forecast", "--hours", "1")

    imported = beside_a_server.run("import", "-", stdin="\n".join(lines))
    after = beside_a_server.json("forecast", "--hours", "1")

    assert imported.returncode == 0, imported.stderr
    assert "restart" not in imported.stderr
    assert (before["forecast_available"], after["forecast_available"]) == (False, True)


def test_help_lists_every_operation(alone: Terminal) -> None:
    text = alone.run("--help").stdout

    assert [op.command.name for op in OPERATIONS if f"  {op.command.name} " not in text] == []


def test_without_arguments_a_file_or_nothing_on_stdin_is_answered_with_help(
    tmp_path: Path,
) -> None:
    with Path(os.devnull).open() as nothing:
        done = subprocess.run(
            [sys.executable, "-m", "server.cli.main"],
            env=lonely_environment(tmp_path, PYTHONPATH=str(CHECKOUT)),
            stdin=nothing,
            capture_output=True,
            text=True,
            timeout=300,
        )

    assert done.stdout.startswith("Usage: sro")


def test_the_port_of_another_server_is_named(beside_a_server: Terminal, tmp_path: Path) -> None:
    port = str(urlsplit(beside_a_server.url).port)

    done = Terminal(tmp_path, PORT=port).run("serve")

    assert done.returncode == 1
    assert f"PORT: {port} is taken by another process" in done.stderr
