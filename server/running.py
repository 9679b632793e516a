"""The running daemon: one optimizer behind every door, until it is told to stop."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus

from optimizer.errors import ConfigurationError, OptimizerError
from optimizer.identity import LOCAL
from optimizer.operations.list_allocations import ListAllocationsRequest
from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.settings import Settings
from optimizer.version import VERSION
from server.gate import Gate
from server.http_door import HttpDoor
from server.logs import change_logging
from server.mcp_surface import create_mcp_surface
from server.operations import listed
from server.peers import Peer
from server.quick_start import settle
from server.security import check_binding
from server.socket_door import SocketDoor
from server.words import answer_operation

logger = logging.getLogger("sequential_resource_optimization.server")

IDLE_CHECK_S = 5.0

NOT_RELOADED = "configuration_not_reloaded"
"""What the health says while the configuration file holds something that cannot be used."""


class Daemon:
    """One optimizer, started once, behind every door.

    Args:
        optimizer: Does the work; it is started and stopped here.
        gate: Knows the tokens and the rates.
        reread: Reads the settings again, after SIGHUP.
        socket_path: Where shims connect; None while another daemon has the socket.
        http: The door on a port, if there is one; a word over the socket can open it later.
        idle: It ends after this long without a client and without a lease; None stays.
    """

    def __init__(
        self,
        optimizer: SequentialResourceOptimizer,
        gate: Gate,
        *,
        reread: Callable[[], Settings],
        socket_path: str | None,
        http: HttpDoor | None,
        idle: timedelta | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._gate = gate
        self._reread = reread
        self._tasks: TaskGroup | None = None
        self._opening_http = anyio.Lock()
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
            await stack.enter_async_context(_signals(self._stop, self._reload))
            await stack.enter_async_context(self._optimizer)
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            if self._socket_path is not None:
                await stack.enter_async_context(self._open_socket(self._socket_path))
            if self._http is not None:
                await stack.enter_async_context(self._http.open())
                _say(f"Sequential Resource Optimization is ready\n{self._http.places}")
            settle()
            if self._idle is not None:
                await self._until_idle(self._idle)
            else:
                await self._stop.wait()
            self._stop.set()
            logger.info("stopping")

    @asynccontextmanager
    async def _open_socket(self, path: str) -> AsyncIterator[None]:
        operations = listed(self._optimizer.settings.toolsets)
        surface = create_mcp_surface(self._optimizer, lasting=True, operations=operations)
        door = SocketDoor(path, surface, self._optimizer, gate=self._gate, answer=self._answer)
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

    async def _answer(self, message: Mapping[str, Any], peer: Peer) -> Mapping[str, Any]:
        """Answer a control word; only its owner and root may change the daemon."""
        word = message["control"]
        if word == "status":
            return self._status()
        if word == "perform":
            return await answer_operation(message, peer, optimizer=self._optimizer, gate=self._gate)
        if word not in ("stop", "rest", "reload_history"):
            known = "status, perform, stop, rest, reload_history"
            return {"reason": f"there is no control word {word[:40]!r}; there are {known}"}
        if not peer.is_owner:
            return {"reason": f"only its owner or root may say {word} to the daemon"}
        if word == "stop":
            self._stop.set()
            return {"stopping": True}
        if word == "reload_history":
            await self._optimizer.reload_history()
            return {"reloaded": True}
        return await self._serve_rest()

    async def _serve_rest(self) -> Mapping[str, Any]:
        """Serve HTTP from now on; where it is served already, say where."""
        async with self._opening_http:
            if self._http is None and self._tasks is not None:
                try:
                    door = HttpDoor(self._optimizer, self._optimizer.settings, self._gate)
                except OptimizerError as error:
                    return {"reason": str(error)}
                await self._tasks.start(self._keep_open, door)
                self._http = door
            return {} if self._http is None else {"url": self._http.url}

    async def _keep_open(
        self, door: HttpDoor, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        async with door.open():
            task_status.started()
            await self._stop.wait()

    async def _reload(self) -> None:
        """Read the settings again; bad ones change nothing, and the health says so."""
        optimizer = self._optimizer
        try:
            settings = self._reread()
            check_binding(
                settings.model_copy(update={"host": optimizer.settings.host}), Gate(settings)
            )
            waiting = await optimizer.reload(settings)
        except ConfigurationError as error:
            logger.error("the configuration was not read again: %s", error)
            optimizer.troubles[NOT_RELOADED] = f"{error}. The former settings stay"
            return
        optimizer.troubles.pop(NOT_RELOADED, None)
        self._gate.replace(optimizer.settings)
        change_logging(optimizer.settings)
        logger.info("the configuration was read again")
        if waiting:
            logger.warning("restart for: %s", ", ".join(waiting))

    def _status(self) -> Mapping[str, Any]:
        monitor = self._optimizer.performance_monitor
        storage = self._optimizer.storage.latest
        return {
            "connections": 0 if self._socket is None else self._socket.connections,
            "version": VERSION,
            "pid": os.getpid(),
            "started_at": self._started_at.isoformat(),
            "socket": self._socket_path,
            "http": self._http.url if self._http is not None else None,
            "store": self._optimizer.store_url,
            "stored_bytes": None if storage is None else storage.total,
            "storage_limit": self._optimizer.storage.limit,
            "samples": monitor.version,
            "is_sampler": monitor.is_writer,
            "ends_when_idle": self._idle is not None,
        }


@asynccontextmanager
async def _signals(stop: anyio.Event, reload: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Set `stop` on SIGINT and SIGTERM, on a second one end at once; reload on SIGHUP."""

    async def listen() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
            async for number in received:
                if number == signal.SIGHUP:
                    await reload()
                    continue
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
