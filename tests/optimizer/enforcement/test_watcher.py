"""Commands below a watcher, as real processes."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.enforcement.watcher import NOT_FOUND, NOT_RUNNABLE

FRONT = """
import json, os, sys
from optimizer.enforcement.program import Program
program = Program(sys.argv[2:], os.environ, in_terminal=os.isatty(0))
program.pass_signals()
with open(sys.argv[1], "w") as told:
    told.write(json.dumps({"watcher": program._watcher, "pid": program.pid}) + "\\n")
program.go(prefix=json.loads(os.environ.get("PREFIX", "[]")))
last = {}
while said := program.read():
    last = said[-1]
if not last:
    program.bury()
with open(sys.argv[1], "a") as told:
    told.write(json.dumps(last) + "\\n")
"""

LEAVES = "sleep 600 & setsid sleep 600 & echo started; wait"
"""A child, and one that leaves its session as daemons do."""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


class Front:
    """A process in front of a command."""

    def __init__(self, told: Path, *command: str) -> None:
        self._told = told
        self.process = subprocess.Popen(
            [sys.executable, "-c", FRONT, str(told), *command],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def said(self, number: int) -> dict[str, int]:
        answer: dict[str, int] = json.loads(self._told.read_text().splitlines()[number])
        return answer

    def members(self) -> set[int]:
        """The command and everything below it."""
        return below(self.said(0)["pid"]) | {self.said(0)["pid"]}

    def end(self) -> tuple[bytes, bytes]:
        return self.process.communicate(timeout=300)


@pytest.fixture
def started(told: Path) -> Iterator[list[Front]]:
    fronts: list[Front] = []
    yield fronts
    for front in fronts:
        front.process.kill()
        front.process.communicate(timeout=300)


def below(pid: int) -> set[int]:
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            found |= {child} | below(child)
    return found


def ends(pids: set[int], *, within_s: float = 300) -> bool:
    """Whether all of them end; waited for without asking again and again."""
    handles = []
    for pid in pids:
        try:
            handles.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    until = time.monotonic() + within_s
    for handle in handles:
        left = max(0.0, until - time.monotonic())
        readable, _, _ = select.select([handle], [], [], left)
        os.close(handle)
        if not readable:
            return False
    return True


def test_bytes_and_exit_code_are_the_commands_own(told: Path) -> None:
    every_byte = bytes(range(256)) * 1000
    front = Front(told, "sh", "-c", "cat; exit 7")

    out, said = front.process.communicate(every_byte, timeout=300)

    assert out == every_byte
    assert said == b""
    assert os.waitstatus_to_exitcode(front.said(1)["status"]) == 7


def test_a_signal_reaches_the_command(told: Path, started: list[Front]) -> None:
    script = "trap 'echo caught; exit 9' USR1; echo ready; while :; do sleep 0.05; done"
    front = Front(told, "sh", "-c", script)
    started.append(front)
    assert front.line() == b"ready\n"

    front.process.send_signal(signal.SIGUSR1)

    assert front.line() == b"caught\n"
    front.end()
    assert os.waitstatus_to_exitcode(front.said(1)["status"]) == 9


def test_a_command_that_a_signal_ended_says_so(told: Path) -> None:
    front = Front(told, "sh", "-c", "kill -KILL $$")
    front.end()

    assert os.waitstatus_to_exitcode(front.said(1)["status"]) == -signal.SIGKILL


def test_what_it_used_is_told(told: Path) -> None:
    burn = "import time\nb = bytearray(64 << 20)\nwhile time.process_time() < 0.3: pass"
    front = Front(told, "sh", "-c", f"'{sys.executable}' -c '{burn}'")
    front.end()

    assert front.said(1)["cpu_s"] >= 0.3
    assert front.said(1)["peak_bytes"] >= 64 << 20


def test_kill_9_of_the_front_leaves_nothing(told: Path, started: list[Front]) -> None:
    front = Front(told, "sh", "-c", LEAVES)
    started.append(front)
    front.line()
    members = front.members()

    front.process.kill()

    assert len(members) >= 3
    assert ends(members)


def test_kill_9_of_the_watcher_leaves_nothing(told: Path, started: list[Front]) -> None:
    front = Front(told, "sh", "-c", LEAVES)
    started.append(front)
    front.line()
    members = front.members()

    os.kill(front.said(0)["watcher"], signal.SIGKILL)

    assert ends(members)
    front.end()
    assert front.said(1) == {}


def test_what_a_command_left_running_is_ended(told: Path, started: list[Front]) -> None:
    script = "setsid sleep 600 & echo $!; exec 1>&-; exit 0"
    front = Front(told, "sh", "-c", script)
    started.append(front)
    left = int(front.line())

    assert ends({left})
    front.process.wait(300)
    assert front.said(1)["left"] >= 1


def test_what_ignores_sigterm_is_killed(told: Path, started: list[Front]) -> None:
    front = Front(told, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done")
    started.append(front)
    front.line()
    members = front.members()

    front.process.kill()

    assert ends(members)


@pytest.mark.parametrize(
    ("command", "code"), [("/nowhere/program", NOT_FOUND), ("/etc/hostname", NOT_RUNNABLE)]
)
def test_a_command_that_cannot_start_says_why(told: Path, command: str, code: int) -> None:
    front = Front(told, command)
    _, said = front.end()

    assert os.waitstatus_to_exitcode(front.said(1)["status"]) == code
    assert said.startswith(f"sro: {command}: ".encode())


def test_ctrl_c_in_a_terminal_reaches_the_command_once(told: Path) -> None:
    script = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done"
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        os.execv(sys.executable, [sys.executable, "-c", FRONT, str(told), "bash", "-c", script])
    shown = b""
    while b"ready" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while b"caught" not in shown:
        shown += os.read(terminal, 1024)
    os.waitpid(pid, 0)
    os.close(terminal)

    assert shown.count(b"caught") == 1
    assert json.loads(told.read_text().splitlines()[1])["status"] == 3 << 8


def test_what_stands_before_a_command_becomes_it(
    told: Path, started: list[Front], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFIX", '["env", "HELD=yes"]')
    front = Front(told, "sh", "-c", "echo $HELD $$")
    started.append(front)
    said = front.line().decode().split()
    front.end()

    assert said == ["yes", str(front.said(0)["pid"])]
