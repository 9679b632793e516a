"""A command, seen from the front of `sro run` (I/O). Standard library only."""

import json
import os
import signal
from collections.abc import Mapping, Sequence, Set
from typing import Any

from optimizer.enforcement.descendants import Reaped, end_descendants, take_orphans
from optimizer.enforcement.watcher import PASSED_ON, Watcher, do_nothing


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
            Watcher(argv, environment, self._ignored, group).run(
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
            signal.signal(number, do_nothing if number in from_keys else self._pass)

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
        end_descendants(0.0, Reaped(self.pid), spared)
