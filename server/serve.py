"""`serve`: the HTTP application on a port, until it is told to stop."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import uvicorn

from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from server.app import MCP_PATH, create_app
from server.logs import configure_logging
from server.operation import Optimizer
from server.rest import API
from server.security import without_port

logger = logging.getLogger("sequential_resource_optimization.server")

GRACE_S = 3
"""How long requests in flight may take to end after SIGTERM, in whole seconds."""

KEEP_ALIVE_S = 15
"""How long an idle connection is kept."""

BACKLOG = 1024
"""Connections that may wait to be accepted."""


class GracefulServer(uvicorn.Server):
    """A uvicorn server that says when it is ready, and ends within its grace with exit code 0.

    Args:
        config: What to serve.
        on_ready: Called once it answers.
        on_stop: Called when it is told to stop, before requests in flight are waited for.
    """

    def __init__(
        self, config: uvicorn.Config, *, on_ready: Callable[[], None], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM; a second one does not wait."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self._on_stop()
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(optimizer: Optimizer, settings: Settings) -> int:
    """Serve REST, MCP and the pages until SIGTERM or Ctrl-C.

    Args:
        optimizer: Does the work; it is started and stopped here.
        settings: Address, tokens, log.

    Returns:
        The exit code: 0 after a clean stop, 1 when it could not start.
    """
    configure_logging(settings, to_file=True)
    try:
        app = create_app(optimizer, settings)
        listener = listen_on(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    config = uvicorn.Config(
        app,
        http="httptools",
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
    where = places(settings.host, listener.getsockname()[1])
    server = GracefulServer(
        config,
        on_ready=lambda: _say(where),
        on_stop=app.state.mcp.listen.close,
    )
    with listener:
        try:
            asyncio.run(server.serve(sockets=[listener]))
        except SystemExit:
            sys.stderr.write(f"{app.state.failure}\n")
            return 1
    return 0


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
        in_use = error.errno == errno.EADDRINUSE
        raise ConfigurationError(
            setting="PORT" if in_use else "HOST",
            problem=(
                f"{settings.port} is taken by another process"
                if in_use
                else f"cannot listen on {settings.host}:{settings.port} ({error.strerror})"
            ),
            fix="stop that process, or set PORT to a free one (0 takes any)"
            if in_use
            else "use an address of this machine and a port that you may open",
        ) from None
    return listener


def places(host: str, port: int) -> str:
    """Where everything is, in lines for a person."""
    name = f"[{host}]" if ":" in host else host
    at = f"http://{'127.0.0.1' if without_port(name) == '0.0.0.0' else name}:{port}"
    return (
        "Sequential Resource Optimization is ready\n"
        f"  page  {at}/\n"
        f"  REST  {at}{API}\n"
        f"  MCP   {at}{MCP_PATH}\n"
        f"  docs  {at}/docs\n"
    )


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
