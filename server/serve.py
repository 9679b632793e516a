"""`serve`: the optimizer and its doors, until it is told to stop."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio

from optimizer.errors import OptimizerError
from optimizer.identity import LOCAL
from optimizer.operations.list_allocations import ListAllocationsRequest
from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.settings import Settings, load_settings
from optimizer.version import VERSION
from server.control import ask
from server.daemon_lock import DaemonLock, take_lock
from server.gate import Gate
from server.http_door import HttpDoor
from server.logs import configure_logging
from server.mcp_surface import create_mcp_surface
from server.socket_door import SocketDoor

logger = logging.getLogger("sequential_resource_optimization.server")

TAKEOVER_S = 8.0
"""How long `serve` waits for the daemon that a shim started to hand over."""

IDLE_CHECK_S = 5.0


def serve(settings: Settings, *, socket_path: str) -> int:
    """Be this machine's daemon, with HTTP on, until SIGTERM or Ctrl-C.

    A daemon that a shim started makes room; leases and history are in the store. Beside another
    `serve` only HTTP is served here: the stdio hosts stay with the first.

    Args:
        settings: Address, tokens, store, log.
        socket_path: The daemon's socket.

    Returns:
        The exit code: 0 after a clean stop, 1 when it could not start.
    """
    configure_logging(settings, to_file=True)
    lock = take_lock(socket_path) or _take_over(socket_path)
    if lock is None:
        logger.warning("another server holds %s; stdio hosts stay with it", socket_path)
    try:
        optimizer = SequentialResourceOptimizer(settings=settings)
        gate = Gate(settings)
        door = HttpDoor(optimizer, settings, gate)
        daemon = Daemon(optimizer, gate, socket_path=socket_path if lock else None, http=door)
        anyio.run(daemon.run)
    except OptimizerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        if lock is not None:
            lock.release()
    return 0


def run_daemon(socket_path: str, *, idle: timedelta) -> int:
    """Be the daemon of stdio hosts alone, until nobody needs it.

    Raises:
        ConfigurationError: A setting has a value that is not allowed.
    """
    settings = load_settings()
    configure_logging(settings, to_file=False)
    optimizer = SequentialResourceOptimizer(settings=settings)
    daemon = Daemon(optimizer, Gate(settings), socket_path=socket_path, http=None, idle=idle)
    anyio.run(daemon.run)
    return 0


def _take_over(socket_path: str) -> DaemonLock | None:
    """Ask a daemon that a shim started to end, and become the daemon in its place."""
    try:
        status = ask(socket_path, "status")
    except OSError:
        return None
    if status is None or not status.get("ends_when_idle"):
        return None
    ask(socket_path, "stop")
    return take_lock(socket_path, wait_s=TAKEOVER_S)


class Daemon:
    """One optimizer, started once, behind every door.

    Args:
        optimizer: Does the work; it is started and stopped here.
        gate: Knows the tokens and the rates.
        socket_path: Where shims connect; None while another daemon has the socket.
        http: The door on a port, if there is one.
        idle: It ends after this long without a client and without a lease; None stays.
    """

    def __init__(
        self,
        optimizer: SequentialResourceOptimizer,
        gate: Gate,
        *,
        socket_path: str | None,
        http: HttpDoor | None,
        idle: timedelta | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._gate = gate
        self._socket_path = socket_path
        self._http = http
        self._idle = idle
        self._started_at = datetime.now(UTC)
        self._stop = anyio.Event()
        self._socket: SocketDoor | None = None

    async def run(self) -> None:
        """Serve until told to stop: a signal, the word `stop`, or nobody left.

        Raises:
            OptimizerError: The optimizer cannot be started.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(_signals(self._stop))
            await stack.enter_async_context(self._optimizer)
            if self._socket_path is not None:
                await stack.enter_async_context(self._open_socket(self._socket_path))
            if self._http is not None:
                await stack.enter_async_context(self._http.open())
                _say(f"Sequential Resource Optimization is ready\n{self._http.places}")
            if self._idle is not None:
                await self._until_idle(self._idle)
            else:
                await self._stop.wait()
            logger.info("stopping")

    @asynccontextmanager
    async def _open_socket(self, path: str) -> AsyncIterator[None]:
        surface = create_mcp_surface(self._optimizer, lasting=True)
        door = SocketDoor(path, surface, gate=self._gate, status=self._status, stop=self._stop.set)
        async with surface.notices.running(), door.open():
            self._socket = door
            yield

    async def _until_idle(self, idle: timedelta) -> None:
        """Wait to be told to stop, or until nobody was here for the idle time."""
        quiet_since = anyio.current_time()
        while not self._stop.is_set():
            with anyio.move_on_after(min(IDLE_CHECK_S, idle.total_seconds())):
                await self._stop.wait()
            if await self._is_needed():
                quiet_since = anyio.current_time()
            elif anyio.current_time() - quiet_since >= idle.total_seconds():
                logger.info("no client and no lease for %s; ending", idle)
                return

    async def _is_needed(self) -> bool:
        if self._socket is not None and self._socket.connections:
            return True
        held = await self._optimizer.list_allocations(
            ListAllocationsRequest(whose="all", limit=1), principal=LOCAL
        )
        return held.total > 0

    def _status(self) -> Mapping[str, Any]:
        monitor = self._optimizer.performance_monitor
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "started_at": self._started_at.isoformat(),
            "socket": self._socket_path,
            "http": self._http.url if self._http is not None else None,
            "store": self._optimizer.store_url,
            "samples": monitor.version,
            "is_sampler": monitor.is_writer,
            "ends_when_idle": self._idle is not None,
        }


@asynccontextmanager
async def _signals(stop: anyio.Event) -> AsyncIterator[None]:
    """Set `stop` on SIGINT and SIGTERM; on a second one end at once."""

    async def listen() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            async for _ in received:
                if stop.is_set():
                    os._exit(1)
                stop.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(text)
        sys.stderr.flush()
