"""The parent of a command (I/O): starts it, and leaves nothing of it behind. Standard library only.

    host ── front (`sro run`) ── watcher ── command ── what it starts

The watcher is a process of its own, so that it acts when the front is killed with -9: then, or when
the command ends, it ends everything below the command. The kernel hands it what parts from its own
parent (PR_SET_CHILD_SUBREAPER), so nothing gets away by a double fork. When the watcher is killed,
the kernel kills the command (PR_SET_PDEATHSIG), and the front gets the rest. Source: prctl(2).
"""

import ctypes
import json
import os
import resource
import select
import signal
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NoReturn

GRACE_S = 0.5
"""How long what is to end may take after SIGTERM, before SIGKILL."""

NOT_FOUND, NOT_RUNNABLE = 127, 126
"""Exit codes of a command that cannot be started, as shells give them."""

PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
"""Signals that the front passes on to the command."""

_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_LOOK_AGAIN_S = 0.02


def take_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


class Program:
    """A command, seen from the front.

    It is started at once and waits, as a process that has become nothing yet, for `go`: whoever
    puts processes into control groups can do so before it uses anything.

    Args:
        argv: The command; no shell reads it.
        environment: Its environment.
        stdin: What it reads.
        stdout: Where it writes.
        in_terminal: Whether it shares our terminal and process group, so that its keys reach it;
            else it has a session of its own.

    Attributes:
        pid: Its process id.
        report: Becomes readable when there is something to `read`, and when the watcher is gone.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdin: int = 0,
        stdout: int = 1,
        in_terminal: bool,
    ) -> None:
        take_orphans()
        self._ignored = [n for n in PASSED_ON if signal.getsignal(n) is signal.SIG_IGN]
        alive, self._alive = os.pipe()
        self.report, report = os.pipe()
        go, self._go = os.pipe()
        group = os.getpgrp() if in_terminal else None
        self._watcher = os.fork()
        if self._watcher == 0:
            for descriptor in (self._alive, self.report, self._go):
                os.close(descriptor)
            _Watcher(argv, environment, self._ignored, group).run(
                alive=alive, report=report, go=go, stdin=stdin, stdout=stdout
            )
        for descriptor in (alive, report, go):
            os.close(descriptor)
        self._unread = b""
        self.pid: int = self.read()[0]["pid"]
        self._handle = os.pidfd_open(self.pid)

    def go(
        self, *, nice: int = 0, data_bytes: int | None = None, prefix: Sequence[str] = ()
    ) -> None:
        """Let it become the command.

        Args:
            nice: How far it stands back from others, 0 to 19.
            data_bytes: Most private memory that each of its processes may ask for (RLIMIT_DATA).
            prefix: A command that becomes the command, and stands before it.
        """
        told = {"nice": nice, "data_bytes": data_bytes, "prefix": list(prefix)}
        os.write(self._go, json.dumps(told).encode())
        os.close(self._go)

    def pass_signals(self) -> None:
        """Hand signals to the command from now on; those that we were told to ignore stay ignored.

        Ctrl-C in a terminal reaches the command itself, with the rest of its process group.
        """
        from_keys = {signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH} if self._in_our_group else ()
        for number in PASSED_ON:
            if number in self._ignored:
                continue
            signal.signal(number, _nothing if number in from_keys else self._pass)

    @property
    def _in_our_group(self) -> bool:
        try:
            return os.getpgid(self.pid) == os.getpgrp()
        except ProcessLookupError:
            return False

    def _pass(self, number: int, _: object) -> None:
        self.signal(number)

    def signal(self, number: int) -> None:
        """Send a signal to the command; nothing happens once it ended."""
        try:
            signal.pidfd_send_signal(self._handle, number)
        except OSError:
            return

    def end(self) -> None:
        """Have the watcher end the command and all that it started: SIGTERM, a grace, SIGKILL."""
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1

    def read(self) -> list[dict[str, Any]]:
        """What the watcher said since the last look; empty when it is gone.

        First `{"pid"}`; at the end `{"status", "cpu_s", "peak_bytes", "left"}`: the status as
        wait gives it, CPU seconds of all processes that were waited for, the largest resident
        memory of one of them in bytes, and how many it left running.
        """
        while True:
            chunk = os.read(self.report, 4096)
            self._unread += chunk
            *lines, self._unread = self._unread.split(b"\n")
            if lines or not chunk:
                return [json.loads(line) for line in lines]

    def bury(self, *, spared: Set[int] = frozenset()) -> None:
        """After the watcher was killed: end what became ours.

        Args:
            spared: Processes that we started beside the command; they and what is theirs stay.
        """
        self.end()
        _end_descendants(0.0, _Reaped(self.pid), spared)


def _nothing(*_: object) -> None:
    """A handler: the signal must not end us, and is no news."""


class _Watcher:
    """The watcher's own life; `run` does not return."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        ignored: Iterable[signal.Signals],
        group: int | None,
    ) -> None:
        self._argv = argv
        self._environment = environment
        self._ignored = frozenset(ignored)
        self._group = group

    def run(self, *, alive: int, report: int, go: int, stdin: int, stdout: int) -> NoReturn:
        """Start the command, and wait for its end or the front's."""
        try:
            if self._group is None:
                os.setsid()
            else:
                os.setpgid(0, 0)
            for number in PASSED_ON:
                signal.signal(number, signal.SIG_IGN)
            take_orphans()
            watcher = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._become(watcher, go, stdin, stdout)
            _keep_open(alive, report)
            _watch(pid, alive, report)
        finally:
            os._exit(0)

    def _become(self, watcher: int, go: int, stdin: int, stdout: int) -> NoReturn:
        code = NOT_RUNNABLE
        try:
            if self._group is None:
                os.setsid()
            else:
                os.setpgid(0, self._group)
            _prctl(_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != watcher:
                os._exit(code)
            os.dup2(stdin, 0)
            os.dup2(stdout, 1)
            told = os.read(go, 4096)
            if told:
                for number in (*PASSED_ON, *_PYTHON_IGNORES):
                    kept = number in self._ignored
                    signal.signal(number, signal.SIG_IGN if kept else signal.SIG_DFL)
                code = self._execute(**json.loads(told))
        finally:
            os._exit(code)

    def _execute(self, *, nice: int, data_bytes: int | None, prefix: list[str]) -> int:
        """Become the command.

        Returns:
            An exit code, when it cannot be started.
        """
        argv = [*prefix, *self._argv]
        if nice:
            os.nice(nice)
        if data_bytes is not None:
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            least = data_bytes if most == resource.RLIM_INFINITY else min(data_bytes, most)
            resource.setrlimit(resource.RLIMIT_DATA, (least, least))
        try:
            os.execvpe(argv[0], argv, self._environment)
        except OSError as error:
            os.write(2, f"sro: {argv[0]}: {error.strerror}\n".encode())
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE


def _keep_open(*wanted: int) -> None:
    """Close every other descriptor: our copies would keep the host's and the command's open."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in wanted:
            try:
                os.close(int(name))
            except OSError:
                continue


def _watch(pid: int, alive: int, report: int) -> None:
    """Wait for the end of the command or of the front, and end the rest."""
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _nothing)
    _tell(report, {"pid": pid})
    looking = select.poll()
    looking.register(alive, select.POLLIN)
    looking.register(woken, select.POLLIN)
    reaped = _Reaped(pid)
    while not reaped.now():
        if any(descriptor == alive for descriptor, _ in looking.poll()):
            break
        _drain(woken)
    if reaped.status is not None:
        _tell(report, reaped.told(left=len(_descendants())))
        _end_descendants(GRACE_S, reaped)
        return
    _end_descendants(GRACE_S, reaped)
    _tell(report, reaped.told(left=0))


class _Reaped:
    """What ended below us, and what it had used."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s = 0.0
        self._peak_bytes = 0
        self.status: int | None = None
        self.all_gone = False

    def now(self) -> bool:
        """Collect what ended; whether the command is among it."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.all_gone = True
                break
            if pid == 0:
                break
            self._cpu_s += used.ru_utime + used.ru_stime
            self._peak_bytes = max(self._peak_bytes, used.ru_maxrss * 1024)
            if pid == self._pid:
                self.status = status
        return self.status is not None

    def told(self, *, left: int) -> dict[str, Any]:
        """The end, as the front reads it."""
        used = {"cpu_s": self._cpu_s, "peak_bytes": self._peak_bytes}
        return {"status": self.status or 0, "left": left, **used}


def _end_descendants(grace_s: float, reaped: _Reaped, spared: Set[int] = frozenset()) -> None:
    """SIGTERM, a grace, and SIGKILL until nothing is left below us but who is spared."""
    deadline = time.monotonic() + grace_s
    if grace_s:
        _signal_all(signal.SIGTERM, spared)
    while True:
        reaped.now()
        if reaped.all_gone or (spared and not _descendants(spared)):
            return
        if time.monotonic() >= deadline:
            _signal_all(signal.SIGKILL, spared)
        time.sleep(_LOOK_AGAIN_S)


def _signal_all(number: int, spared: Set[int]) -> None:
    for pid in _descendants(spared):
        try:
            os.kill(pid, number)
        except OSError:
            continue


def _descendants(spared: Set[int] = frozenset()) -> list[int]:
    """Everything below us that has not ended; neither zombies nor who is spared, nor theirs."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = [
            pid for pid in _children(waiting.pop()) if pid not in spared and not _is_zombie(pid)
        ]
        found += below
        waiting += below
    return found


def _children(pid: int) -> list[int]:
    """What a process started, by all of its threads; empty when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        return found
    return found


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def _drain(descriptor: int) -> None:
    try:
        os.read(descriptor, 4096)
    except BlockingIOError:
        return


def _tell(report: int, facts: Mapping[str, Any]) -> None:
    try:
        os.write(report, json.dumps(facts).encode() + b"\n")
    except BrokenPipeError:
        return
