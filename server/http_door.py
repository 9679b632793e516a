"""REST, MCP and the pages on a TCP port, served inside the daemon's event loop."""

import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import uvicorn

from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from server.addresses import base_url
from server.app import create_app
from server.gate import Gate
from server.http_protocol import BoundedHttpProtocol
from server.operation import Optimizer
from server.rest import API
from server.security import MCP_PATH

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
        settings: Address, certificate, hosts and origins.
        gate: Knows the tokens and the rates; made from the settings when None.

    Raises:
        ConfigurationError: The port is taken, the certificate cannot be used, or the settings would
            leave the door open.
    """

    def __init__(self, optimizer: Optimizer, settings: Settings, gate: Gate | None = None) -> None:
        self._settings = settings
        self._app = create_app(optimizer, settings, gate)
        check_certificate(settings)
        self._listener = listen_on(settings)
        port = self._listener.getsockname()[1]
        self.url = base_url(settings.host, port, scheme=settings.scheme)

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
                ssl_certfile=self._settings.tls_certfile,
                ssl_keyfile=self._settings.tls_keyfile,
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
                    server.stop()

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
    """A uvicorn server that says when it answers, leaves signals to the daemon, and sleeps.

    uvicorn wakes ten times a second, to look whether it should end and to note the date for its
    answers: more than all else that an idle daemon does. Here it is told to end, and the protocol
    dates its answers.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()
        self._told_to_stop = anyio.Event()

    async def main_loop(self) -> None:
        """Wait to be told to stop."""
        await self._told_to_stop.wait()

    def stop(self) -> None:
        """Accept no more, and answer what is in flight."""
        self.should_exit = True
        self._told_to_stop.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer."""
        await super().startup(sockets=sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the daemon listens to them."""
        yield


def check_certificate(settings: Settings) -> None:
    """Load the certificate and its key once, so that a bad one is known before anything is opened.

    Raises:
        ConfigurationError: One of them cannot be read, or they do not fit each other.
    """
    if settings.tls_certfile is None or settings.tls_keyfile is None:
        return
    for variable, path in (
        ("TLS_CERTFILE", settings.tls_certfile),
        ("TLS_KEYFILE", settings.tls_keyfile),
    ):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                setting=variable,
                problem=f"{path} cannot be read ({error.strerror})",
                fix="name a PEM file that the server's user may read",
            ) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_certfile, settings.tls_keyfile, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            setting="TLS_CERTFILE",
            problem=f"it and TLS_KEYFILE are no certificate with its key ({error})",
            fix="use PEM files of one pair, and a key without a password",
        ) from None


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
