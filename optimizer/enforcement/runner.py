"""The front of `sro run` (I/O): gets a lease, starts the command under it, stays until it ends.

Standard library only: one of these stands in front of every MCP server that a host wraps. The
daemon holds the lease for as long as this connection lasts; what is said is in
`server/run_door.py`.
"""

import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Set
from typing import TYPE_CHECKING

from optimizer.enforcement.daemon_line import DaemonLine, DaemonLostError, Message
from optimizer.enforcement.program import Program

if TYPE_CHECKING:
    from optimizer.enforcement.calls import Call
    from optimizer.enforcement.tap import Tap

REFUSED, UNAVAILABLE = 75, 69
"""Exit codes: no room now (EX_TEMPFAIL), and no daemon (EX_UNAVAILABLE). Source: sysexits.h."""

REFUSED_CODE = -32010
"""JSON-RPC code of a server that was not started because there is no room."""

MOST_TOOLS_BYTES = 2**20
"""A longer list of tools is not told to the daemon."""

TRIES = 3
ANSWER_S = 30.0
"""A daemon that ends hangs up at once; one on a busy machine may take a while."""
RECONNECT_S = 1.0

Connect = Callable[[], socket.socket | None]


class Runner:
    """Runs one command under a lease.

    Args:
        order: What is asked for; see `runs.RunOrder`.
        connect: Connects to the daemon, and starts one when none runs.
        reconnect: The same without waiting; None when there is none yet.
        daemons: Process ids of daemons that the two started: they are ours, not the command's.
        say: Prints one line for the person at the terminal.
        is_quiet: Whether it is not to be said what was granted.
    """

    def __init__(
        self,
        order: Message,
        *,
        connect: Connect,
        reconnect: Connect,
        daemons: Set[int],
        say: Callable[[str], None],
        is_quiet: bool = False,
    ) -> None:
        self._order = order
        self._connect, self._reconnect = connect, reconnect
        self._daemons = daemons
        self._say = say
        self._is_quiet = is_quiet
        self._daemon: DaemonLine | None = None
        self._program: Program | None = None
        self._tap: Tap | None = None
        self._has_told_tools = False
        self._lease = ""
        self._end: Message | None = None
        self._began_s = 0.0
        self._lost_s = 0.0

    def run(self) -> int:
        """Run it to its end.

        Returns:
            Its exit code; minus a signal's number when a signal ended it.
        """
        host = _host_of()
        answer = self._ask_for_lease()
        if answer is None:
            return UNAVAILABLE
        if "refused" in answer:
            return self._refuse(answer["refused"], is_mcp=answer["mcp"] is not None)
        self._lease = answer["lease"]
        return self._stay(host) if self._start(answer) else UNAVAILABLE

    def _ask_for_lease(self) -> Message | None:
        """The daemon's answer, asked of the next one where one ends before it gives it."""
        for _ in range(TRIES):
            connection = self._connect()
            assert connection is not None
            self._daemon = DaemonLine(connection)
            try:
                self._daemon.send({"control": "run", "order": self._order})
                return self._granted(self._daemon)
            except DaemonLostError:
                self._daemon.close()
        self._say(f"{TRIES} daemons ended before they answered; nothing was started. Try again")
        return None

    def _granted(self, daemon: "DaemonLine") -> Message | None:
        """The daemon's answer; it may say first why it takes a while.

        Raises:
            DaemonLostError: It ended before it answered.
        """
        while True:
            answer = daemon.wait_for(None)
            if "failed" in answer:
                self._say(answer["failed"])
                return None
            if "notice" not in answer:
                return answer
            self._say(answer["notice"])

    def _refuse(self, refused: Message, *, is_mcp: bool) -> int:
        """Say why; a host is told in its own protocol, whatever it asks, until it closes."""
        from optimizer.enforcement.calls import refusal

        self._say(refused["message"])
        unread = b""
        while is_mcp and (chunk := os.read(0, 1 << 16)):
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                answer = refusal(
                    line, code=REFUSED_CODE, message=refused["message"], data=refused["data"]
                )
                if answer is not None:
                    os.write(1, answer)
        return REFUSED

    def _start(self, answer: Message) -> bool:
        """Start the command under its lease; False when the daemon cannot hold it."""
        environment = os.environ | answer["environment"]
        stdin, stdout, tapped = 0, 1, None
        if answer["mcp"] is not None:
            stdin, to_server = os.pipe()
            from_server, stdout = os.pipe()
            from optimizer.enforcement.tap import Tap

            tapped = Tap(to_server, from_server)
        self._program = Program(
            self._order["command"],
            environment,
            stdin=stdin,
            stdout=stdout,
            in_terminal=os.isatty(0),
        )
        if tapped is not None:
            os.close(stdin)
            os.close(stdout)
        assert self._daemon is not None
        self._daemon.send({"pid": self._program.pid})
        try:
            held = self._await("held")
        except (DaemonLostError, TimeoutError):
            self._say("the daemon could not hold the command, so it was not started")
            self._program.end()
            return False
        if not self._is_quiet:
            self._say(f"{answer['said']}; {held['held']}")
        self._program.pass_signals()
        self._program.go(
            nice=held["nice"], data_bytes=held["data_bytes"], prefix=held.get("prefix", ())
        )
        self._began_s = time.monotonic()
        if tapped is not None:
            tapped.start()
            self._tap = tapped
        return True

    def _stay(self, host: int | None) -> int:
        """Pass on what comes, until nothing is left of the command."""
        program = self._program
        assert program is not None
        while True:
            readable = self._wait(host)
            if program.report in readable and not self._read_report(program):
                break
            if host is not None and host in readable:
                host = None
                program.end()
            if self._daemon is not None and self._daemon.descriptor in readable:
                self._listen(self._daemon)
            elif self._daemon is None:
                self._return_to_daemon(program)
            if self._tap is not None:
                self._read_tap(self._tap, program)
        return self._finish(program)

    def _wait(self, host: int | None) -> set[int]:
        looking = select.poll()
        assert self._program is not None
        looking.register(self._program.report, select.POLLIN)
        timeout_s = None
        if host is not None:
            looking.register(host, select.POLLIN)
        if self._daemon is not None:
            looking.register(self._daemon.descriptor, select.POLLIN)
        else:
            timeout_s = RECONNECT_S
        if self._tap is not None:
            if self._tap.has_unread:
                timeout_s = self._tap.quiet_s
            else:
                looking.register(self._tap.woken, select.POLLIN)
        milliseconds = None if timeout_s is None else round(timeout_s * 1e3)
        return {descriptor for descriptor, _ in looking.poll(milliseconds)}

    def _read_report(self, program: Program) -> bool:
        """What the watcher says; False when it is gone, and all is over."""
        said = program.read()
        if not said:
            return False
        self._end = said[-1]
        if self._end["left"]:
            self._say(f"ending {self._end['left']} processes that the command left running")
        return True

    def _listen(self, daemon: "DaemonLine") -> None:
        try:
            messages = daemon.read()
        except DaemonLostError:
            daemon.close()
            self._daemon = None
            self._lost_s = time.monotonic()
            return
        for message in messages:
            self._hear(message)

    def _return_to_daemon(self, program: Program) -> None:
        """The daemon ended under us: the next one is told what runs here."""
        if time.monotonic() - self._lost_s < RECONNECT_S:
            return
        self._lost_s = time.monotonic()
        self._resume(program.pid)

    def _resume(self, pid: int | None) -> None:
        connection = self._reconnect()
        if connection is None:
            return
        daemon = DaemonLine(connection)
        resumed = {"lease": self._lease, "pid": pid}
        try:
            daemon.send({"control": "run", "order": self._order, "resumed": resumed})
        except DaemonLostError:
            return
        self._daemon = daemon

    def _read_tap(self, tap: "Tap", program: Program) -> None:
        if tap.host_left:
            program.end()
        if tap.is_quiet(time.monotonic()):
            self._tell_what_passed(tap, tap.read())

    def _tell_what_passed(self, tap: "Tap", calls: "list[Call]") -> None:
        if calls:
            self._tell({"calls": [call._asdict() for call in calls]})
        if tap.tools is not None and not self._has_told_tools:
            self._has_told_tools = True
            if len(json.dumps(tap.tools)) <= MOST_TOOLS_BYTES:
                self._tell({"tools": tap.tools})

    def _tell(self, message: Message) -> None:
        """Tell the daemon; while there is none it is not told."""
        if self._daemon is None:
            return
        try:
            self._daemon.send(message)
        except DaemonLostError:
            self._lost_s = time.monotonic()
            self._daemon = None

    def _finish(self, program: Program) -> int:
        if self._end is None:
            program.bury(spared=self._daemons)
            self._say("its watcher was killed, and the command with it")
        end = self._end or {"status": signal.SIGKILL, "cpu_s": 0.0, "peak_bytes": 0}
        if self._daemon is None:
            self._resume(None)
        if self._tap is not None:
            self._tell_what_passed(self._tap, self._tap.finish())
        code = os.waitstatus_to_exitcode(end["status"])
        used = {"wall_s": time.monotonic() - self._began_s, "exit_code": code}
        self._tell({"ended": used | {name: end[name] for name in ("cpu_s", "peak_bytes")}})
        if self._daemon is not None:
            try:
                self._await("released")
            except (DaemonLostError, TimeoutError):
                self._say("the daemon did not take the lease back; it ends by itself")
        return code

    def _await(self, word: str) -> Message:
        """The answer that has this word; what is said meanwhile is shown.

        Raises:
            DaemonLostError, TimeoutError: There is none.
        """
        assert self._daemon is not None
        while word not in (answer := self._daemon.wait_for(ANSWER_S)):
            self._hear(answer)
            if "failed" in answer:
                raise DaemonLostError
        return answer

    def _hear(self, message: Message) -> None:
        for word in ("notice", "end", "failed"):
            if word in message:
                self._say(message[word])
        if "end" in message and self._program is not None:
            self._program.end()


def _host_of() -> int | None:
    """Becomes readable when the process that started us ends; None when we are to outlive it.

    That is so below an init, and when SIGHUP is ignored, which is what nohup does.
    """
    parent = os.getppid()
    if parent == 1 or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return None
    try:
        host = os.pidfd_open(parent)
    except OSError:
        return None
    if os.getppid() != parent:
        os.close(host)
        raise SystemExit(128 + signal.SIGHUP)
    return host


def end_like(code: int) -> int:
    """End as the command did: by the same signal, or with its exit code.

    Args:
        code: As `Runner.run` returned it.

    Returns:
        The exit code, where it was no signal.
    """
    if code >= 0:
        return code
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(-code, signal.SIG_DFL) if -code not in (9, 19) else None
    os.kill(os.getpid(), -code)
    return 128 - code
