"""Commands in a terminal: beside a running server, and alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.operations import OPERATIONS
from tests.serving import CHECKOUT, lonely_environment, serving

CANDIDATES = [
    {"id": "sequential_thinking", "cost": 0.05, "performance": 0.9},
    {"id": "graph_analysis", "cost": 0.08, "performance": 0.95},
]


class Terminal:
    """Runs `sro` with settings of its own.

    Args:
        folder: Home, data and working folder.
        settings: Further environment variables.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
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
            timeout=120,
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
    with serving(folder, API_TOKEN="a-token-of-the-tests") as url:
        port = str(urlsplit(url).port)
        yield Terminal(folder, PORT=port, API_TOKEN="a-token-of-the-tests")


@pytest.fixture
def alone(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, PORT="9")


@pytest.fixture(params=["beside_a_server", "alone"])
def terminal(request: pytest.FixtureRequest) -> Terminal:
    """The same commands in both situations."""
    found: Terminal = request.getfixturevalue(request.param)
    return found


def test_health_is_told_with_and_without_a_server(terminal: Terminal) -> None:
    answer = terminal.json("health")

    assert answer["status"] in ("healthy", "degraded", "critical")
    assert isinstance(answer["cpu_usage"], float)


def test_a_lease_is_taken_shown_and_given_back(terminal: Terminal) -> None:
    lease = terminal.json("allocate", "memory=64 MiB", "--ttl", "60", "--purpose", "a test")

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
    port = beside_a_server.settings["PORT"]

    done = Terminal(beside_a_server.folder, PORT=port, API_TOKEN="another").run("allocations")

    assert done.returncode == 1
    assert "Authorization: Bearer" in done.stderr


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
            timeout=120,
        )

    assert done.stdout.startswith("Usage: sro")


def test_the_port_of_another_server_is_named(beside_a_server: Terminal, tmp_path: Path) -> None:
    port = beside_a_server.settings["PORT"]

    done = Terminal(tmp_path, PORT=port).run("serve")

    assert done.returncode == 1
    assert f"PORT: {port} is taken by another process" in done.stderr
