"""A real server in a process of its own, on a free port of this machine."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from optimizer.places import socket_path
from server.control import ask

CHECKOUT = Path(__file__).parents[1]

READY = re.compile(r"REST +(http://\S+)/api/v1")

STOP_S = 300.0

NOWHERE = "http://127.0.0.1:9/v1"
"""Where a model is asked by a server that was given a key; without a key none is asked."""


def lonely_environment(folder: Path, **settings: str) -> dict[str, str]:
    """This environment with other settings, all data in a folder, and no way to the internet."""
    passed = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "CI")
    return {
        **{name: os.environ[name] for name in passed if name in os.environ},
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "LOG_FILE": str(folder / "sro.log"),
        "PYTHONUNBUFFERED": "1",
        **({"OPENROUTER_BASE_URL": NOWHERE} if "OPENROUTER_API_KEY" in settings else {}),
        **settings,
    }


@contextmanager
def serving(folder: Path, *, within: Sequence[str] = (), **settings: str) -> Iterator[str]:
    """Serve until the end of the block.

    Args:
        folder: Where its data are.
        within: A command that becomes the server, which stands behind it.
        **settings: Its environment.

    Yields:
        The server's address, for example `http://127.0.0.1:34567`.
    """
    environment = lonely_environment(folder, **{"PORT": "0", **settings})
    command = [*within, sys.executable, str(CHECKOUT / "sequential_resource_optimization.py")]
    with (
        TemporaryFile("w+") as out,
        subprocess.Popen(
            command, env=environment, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            yield _address(process, environment)
        finally:
            process.terminate()
            process.communicate(timeout=STOP_S)


def stop_daemon(environment: Mapping[str, str]) -> None:
    """End the daemon that a stdio server started with this environment."""
    ask(socket_path(environment), "stop")


def _address(process: subprocess.Popen[str], environment: Mapping[str, str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        found = READY.search(line)
        if found:
            return found[1]
    raise AssertionError(f"the server ended before it was ready:\n{''.join(said)}")
