"""Where things lie on this machine, by each platform's convention.

Standard library only, and little of it: the stdio shim, which every desktop host starts, asks here
for the daemon's socket before anything heavy is imported.
"""

import os
import sys
import zlib
from collections.abc import Mapping

APP_NAME = "sequential-resource-optimization"

SYSTEM_SOCKET = "/run/sro/daemon.sock"
"""Socket of the daemon that an operator installed for the whole machine."""

_WHAT_A_DAEMON_SERVES = ("DATABASE_URL", "DATA_DIR", "SRO_CONFIG")


def data_folder(environment: Mapping[str, str]) -> str:
    """The folder of the database and the daemon's log: DATA_DIR, or the user's data folder."""
    if environment.get("DATA_DIR"):
        return os.path.abspath(environment["DATA_DIR"])
    if sys.platform == "darwin":
        return os.path.join(_home(environment), "Library", "Application Support", APP_NAME)
    base = environment.get("XDG_DATA_HOME") or os.path.join(_home(environment), ".local", "share")
    return os.path.join(base, APP_NAME)


def config_folder(environment: Mapping[str, str]) -> str:
    """The folder where `sro.toml` is looked for when none lies in the working folder."""
    if sys.platform == "darwin":
        return data_folder({**environment, "DATA_DIR": ""})
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(_home(environment), ".config")
    return os.path.join(base, APP_NAME)


def socket_path(environment: Mapping[str, str]) -> str:
    """The daemon's Unix socket: SRO_SOCKET, the whole machine's, or this user's own.

    A user has one daemon for each store, so the name of the socket tells the stores apart. It lies
    in the runtime folder because the path of a Unix socket may have at most 107 bytes.
    """
    if environment.get("SRO_SOCKET"):
        return environment["SRO_SOCKET"]
    own_store = any(environment.get(name) for name in _WHAT_A_DAEMON_SERVES)
    if not own_store and os.access(SYSTEM_SOCKET, os.W_OK):
        return SYSTEM_SOCKET
    served = [data_folder(environment), *map(environment.get, _WHAT_A_DAEMON_SERVES)]
    store = zlib.crc32(repr(served).encode())
    return os.path.join(_runtime_folder(environment), f"daemon-{store:08x}.sock")


def _runtime_folder(environment: Mapping[str, str]) -> str:
    base = environment.get("XDG_RUNTIME_DIR")
    return os.path.join(base, "sro") if base else f"/tmp/sro-{os.getuid()}"


def _home(environment: Mapping[str, str]) -> str:
    return environment.get("HOME") or os.path.expanduser("~")
