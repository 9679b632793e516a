"""The parent of a command (I/O): starts it, and leaves nothing of it behind. Standard library only.

    host ── front (`sro run`) ── watcher ── command ── what it starts

The watcher is a process of its own, so that it acts when the front is killed with -9: then, or when
the command ends, it ends everything below the command. The kernel hands it what parts from its own
parent (PR_SET_CHILD_SUBREAPER), so nothing gets away by a double fork. When the watcher is killed,
the kernel kills the command (PR_SET_PDEATHSIG), and the front gets the rest. Source: prctl(2).
"""

import json
import os
import resource
import select
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from optimizer.enforcement.descendants import (
    Reaped,
    descendants,
    die_with_parent,
    end_descendants,
    take_orphans,
)

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


def do_nothing(*_: object) -> None:
    """A handler: the signal must not end us, and is no news."""


class Watcher:
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
            die_with_parent()
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
    signal.signal(signal.SIGCHLD, do_nothing)
    _tell(report, {"pid": pid})
    looking = select.poll()
    looking.register(alive, select.POLLIN)
    looking.register(woken, select.POLLIN)
    reaped = Reaped(pid)
    while not reaped.now():
        if any(descriptor == alive for descriptor, _ in looking.poll()):
            break
        _drain(woken)
    if reaped.status is not None:
        _tell(report, reaped.told(left=len(descendants())))
        end_descendants(GRACE_S, reaped)
        return
    end_descendants(GRACE_S, reaped)
    _tell(report, reaped.told(left=0))


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
