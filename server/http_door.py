"""REST, MCP and the pages on a TCP port, served inside the daemon's event loop."""

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import uvicorn

from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from server.app import MCP_PATH, create_app
from server.http_protocol import BoundedHttpProtocol
from server.operation import Optimizer
from server.rest import API
from server.security import without_port

GRACE_S = 3
"""How long requests in flight may take to end after the daemon is told to stop."""

KEEP_ALIVE_S = 15
BACKLOG = 1024
"""Connections that may wait to be accepted."""


class HttpDoor:
    """Serves HTTP until the daemon ends.

    The port is taken at once, so that a port that somebody else has is known before anything else
    is opened.

    Args:
        optimizer: Does the work.
        settings: Address, tokens, hosts and origins.

    Raises:
        ConfigurationError: The port is taken, or the settings would leave the door open.
    """

    def __init__(self, optimizer: Optimizer, settings: Settings) -> None:
        self._app = create_app(optimizer, settings)
        self._listener = listen_on(settings)
        self.url = base_url(settings.host, self._listener.getsockname()[1])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Answer while the body runs; at its end requests in flight get their answers."""
        server = _Server(
            uvicorn.Config(
                self._app,
                http=BoundedHttpProtocol,
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                backlog=BACKLOG,
            )
        )
        with self._listener:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, [self._listener])
                await server.ready.wait()
                try:
                    yield
                finally:
                    self._app.state.mcp.listen.close()
                    server.should_exit = True

    @property
    def places(self) -> str:
        """Where everything is, in lines for a person."""
        return (
            f"  page  {self.url}/\n"
            f"  REST  {self.url}{API}\n"
            f"  MCP   {self.url}{MCP_PATH}\n"
            f"  docs  {self.url}/docs\n"
        )


class _Server(uvicorn.Server):
    """A uvicorn server that says when it answers, and leaves signals to the daemon."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer."""
        await super().startup(sockets=sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the daemon listens to them."""
        yield


def listen_on(settings: Settings) -> socket.socket:
    """Take the port.

    Raises:
        ConfigurationError: Somebody else has it, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(settings, error) from None
    return listener


def _cannot_listen(settings: Settings, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            setting="PORT",
            problem=f"{settings.port} is taken by another process",
            fix="stop that process, or set PORT to a free one (0 takes any)",
        )
    return ConfigurationError(
        setting="HOST",
        problem=f"cannot listen on {settings.host}:{settings.port} ({error.strerror})",
        fix="use an address of this machine and a port that you may open",
    )


def base_url(host: str, port: int) -> str:
    """Where a client on this machine finds a server that was bound to `host`."""
    name = f"[{host}]" if ":" in host else host
    reachable = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(without_port(name), name)
    return f"http://{reachable}:{port}"
