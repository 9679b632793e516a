"""`serve`: the optimizer and its doors, until it is told to stop."""

import logging
import sys
from collections.abc import Callable
from datetime import timedelta

import anyio

from optimizer.errors import OptimizerError
from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.settings import Settings, load_settings
from server.addresses import is_loopback
from server.control import ask
from server.daemon_lock import DaemonLock, take_lock
from server.gate import Gate
from server.http_door import HttpDoor
from server.logs import configure_logging
from server.running import Daemon

logger = logging.getLogger("sequential_resource_optimization.server")

TAKEOVER_S = 30.0
"""How long `serve` waits for the daemon that a shim started to hand over."""


TLS_OFF = "tls_off"


def serve(
    settings: Settings, *, socket_path: str, reread: Callable[[], Settings] = load_settings
) -> int:
    """Be this machine's daemon, with HTTP on, until SIGTERM or Ctrl-C.

    A daemon that a shim started makes room; leases and history are in the store. Beside another
    `serve` only HTTP is served here: the stdio hosts stay with the first.

    Args:
        settings: Address, tokens, store, log.
        socket_path: The daemon's socket.
        reread: Reads the settings again, after SIGHUP.

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
        if not is_loopback(settings.host) and settings.tls_certfile is None:
            optimizer.advice[TLS_OFF] = (
                f"HTTP on {settings.host} is not encrypted, tokens included. What to do: set "
                "TLS_CERTFILE and TLS_KEYFILE, or HOST=127.0.0.1 behind a proxy that speaks HTTPS"
            )
        daemon = Daemon(
            optimizer,
            gate,
            reread=reread,
            socket_path=socket_path if lock else None,
            http=door,
        )
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
    daemon = Daemon(
        optimizer,
        Gate(settings),
        reread=load_settings,
        socket_path=socket_path,
        http=None,
        idle=idle,
    )
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
