"""A child process that speaks MCP over its stdin and stdout (I/O).

The SDK's own stdio transport buffers lines without end and lets the child's stderr through. Here a
child lives in a session of its own, what it may send is bounded, the end of its stderr is kept for
the error message, and nothing of its process group is left when the connection closes.
"""

import logging
import os
import shlex
import signal
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from types import TracebackType
from typing import TypeAlias

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types.jsonrpc import jsonrpc_message_adapter

from optimizer.errors import ConfigurationError

logger = logging.getLogger("sequential_resource_optimization.mcp_client")

MAX_LINE_BYTES = 4 * 2**20
"""The longest message that a child may send."""

STDERR_TAIL_BYTES = 4096
"""How much of the end of a child's stderr is kept."""

GRACE_S = 1.0
"""How long a child may take to end after its stdin closes, and again after SIGTERM."""

KILLED_S = 5.0
"""How long a child may take to end after SIGKILL, on a busy machine too."""

Received: TypeAlias = MemoryObjectReceiveStream[SessionMessage | Exception]
Sent: TypeAlias = MemoryObjectSendStream[SessionMessage]


@dataclass(frozen=True)
class Command:
    """How to start a child.

    Attributes:
        argv: The program and its arguments; no shell reads them.
        env: Variables beside HOME, LOGNAME, PATH, SHELL, TERM and USER, which alone are inherited,
            so that no secret of ours reaches a child.
        cwd: Its working directory; None for ours.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    @property
    def shown(self) -> str:
        """The program's name; arguments may hold secrets."""
        return Path(self.argv[0]).name


def parse_command(text: str, *, setting: str, env: Mapping[str, str] | None = None) -> Command:
    """Split a command line as a POSIX shell would, without running one.

    Args:
        text: For example `npx -y @modelcontextprotocol/server-sequential-thinking`.
        setting: Name of the setting that holds it, for the message.
        env: Variables to add.

    Raises:
        ConfigurationError: It is empty, or a quote is not closed.
    """
    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigurationError(
            setting=setting, problem=f"the command cannot be read ({error})", fix="close the quote"
        ) from error
    if not argv:
        raise ConfigurationError(
            setting=setting, problem="no command is given", fix="write for example stdio:node FILE"
        )
    return Command(argv=argv, env=env or {})


class Child:
    """The transport of one child: enter it to start the process, leave it to end it.

    Args:
        command: What to start.
        max_line_bytes: A longer message ends the connection.
        grace_s: Seconds between closing stdin, SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        command: Command,
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
        grace_s: float = GRACE_S,
    ) -> None:
        self._command = command
        self._max_line_bytes = max_line_bytes
        self._grace_s = grace_s
        self._process: Process | None = None
        self._stderr: deque[bytes] = deque()
        self._running: AbstractAsyncContextManager[tuple[Received, Sent]] | None = None
        self.failure: str | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, which is also that of its session; None before it starts."""
        return None if self._process is None else self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def stderr_tail(self) -> str:
        """The end of what the child wrote to stderr, in one line."""
        text = b"".join(self._stderr)[-STDERR_TAIL_BYTES:].decode(errors="replace")
        return " ".join(text.split())

    async def __aenter__(self) -> tuple[Received, Sent]:
        """Start the child.

        Raises:
            OSError: It cannot be started.
        """
        self._running = self._run()
        return await self._running.__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the child and everything in its process group, also while being cancelled."""
        if self._running is not None:
            await self._running.__aexit__(exc_type, exc, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[tuple[Received, Sent]]:
        with anyio.CancelScope(shield=True):  # cut off half-way, asyncio would lose its pipes
            process = await anyio.open_process(
                self._command.argv,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=get_default_environment() | dict(self._command.env),
                cwd=self._command.cwd,
                start_new_session=True,
            )
        self._process = process
        to_session, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        sent, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, process, to_session)
            tasks.start_soon(self._write, process, from_session, to_session)
            tasks.start_soon(self._keep_stderr, process)
            try:
                yield received, sent
            finally:
                with anyio.CancelScope(shield=True):
                    received.close()
                    sent.close()
                    await self._end(process)
                tasks.cancel_scope.cancel()

    async def _read(
        self, process: Process, to_session: MemoryObjectSendStream[SessionMessage | Exception]
    ) -> None:
        """Hand each line to the session; the session sees the end when this returns."""
        assert process.stdout is not None
        with to_session, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            try:
                async for line in _lines(process.stdout, self._max_line_bytes):
                    if line.strip():
                        await to_session.send(_parse(line))
            except _LineTooLongError:
                self.failure = f"it sent a message of more than {self._max_line_bytes} bytes"

    async def _write(
        self,
        process: Process,
        from_session: MemoryObjectReceiveStream[SessionMessage],
        to_session: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        assert process.stdin is not None
        try:
            async for outgoing in from_session:
                line = outgoing.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(line.encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            to_session.close()
        finally:
            from_session.close()

    async def _keep_stderr(self, process: Process) -> None:
        assert process.stderr is not None
        kept = 0
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            async for chunk in process.stderr:
                self._stderr.append(chunk)
                kept += len(chunk)
                while kept - len(self._stderr[0]) > STDERR_TAIL_BYTES:
                    kept -= len(self._stderr.popleft())

    async def _end(self, process: Process) -> None:
        """Close stdin, wait, SIGTERM, wait, SIGKILL; each step reaches the whole group."""
        assert process.stdin is not None
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await process.stdin.aclose()
        await _ended(process, self._grace_s)
        if _signal_group(process.pid, signal.SIGTERM):
            await _group_ended(process, self._grace_s)
        _signal_group(process.pid, signal.SIGKILL)
        if not await _ended(process, KILLED_S):
            logger.warning("child %d of %s survived SIGKILL", process.pid, self._command.shown)
        _close_pipes(process)


class _LineTooLongError(Exception):
    """A child sent more than it may without ending a line."""


async def _lines(stream: ByteReceiveStream, limit: int) -> AsyncIterator[bytes]:
    """Whole lines, without their ends; scanned once, however small the chunks."""
    rest = bytearray()
    async for chunk in stream:
        scanned = len(rest)
        rest += chunk
        start = 0
        while (end := rest.find(b"\n", max(start, scanned))) >= 0:
            yield bytes(rest[start:end])
            start = end + 1
        del rest[:start]
        if len(rest) > limit:
            raise _LineTooLongError


def _parse(line: bytes) -> SessionMessage | Exception:
    """One message; what is no message is handed on as a value, and the session passes over it."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        logger.debug("a line from a child is no JSON-RPC message: %.80r", line)
        return error


async def _ended(process: Process, within_s: float) -> bool:
    """Whether the child ended in time. Polled: wait() also waits for pipes that others may hold."""
    with anyio.move_on_after(within_s):
        while process.returncode is None:  # noqa: ASYNC110
            await anyio.sleep(0.005)
    return process.returncode is not None


async def _group_ended(process: Process, within_s: float) -> None:
    with anyio.move_on_after(within_s):
        while process.returncode is None or _signal_group(process.pid, 0):  # noqa: ASYNC110
            await anyio.sleep(0.005)


def _close_pipes(process: Process) -> None:
    """Close pipes that still hold unread data; nothing public reaches them (as in the SDK)."""
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        transport.close()


def _signal_group(group: int, number: int) -> bool:
    """Signal everything in the group; False when nothing is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
