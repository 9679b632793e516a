"""`sro run`: a command under a lease. Standard library only: hosts start one for every server."""

import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from typing import Any

from optimizer.places import socket_path

MISUSED = 2

HELP = """Usage: sro run [OPTIONS] [--] COMMAND [ARGUMENT]...

  Run a command under a lease, held to it, and give the lease back when the command ends.

  The command gets our input and output byte for byte, and SRO_LEASE_ID in its environment. Signals
  and the exit code are passed on. Nothing that it started outlives it, or the program that started
  us (but with nohup it does). Sizes that are not given are what the command usually used.

  A stdio MCP server can be wrapped so in mcp.json; its calls are then recorded, and where sro.toml
  has a pool "mcp:NAME" each copy takes one of it.

Options:
  --cpu AMOUNT        For example "2 cores", or 25 for 25 % of the machine.
  --memory AMOUNT     For example 4GiB, or 2-6GiB: 2 guaranteed, up to 6 shared.
  --gpu AMOUNT        Devices; CUDA_VISIBLE_DEVICES names them.
  --need NAME=AMOUNT  Of any other pool. May be given several times.
  --wait SECONDS      Wait for room, instead of ending with 75.
  --priority LEVEL    low, normal, high or critical.
  --purpose TEXT      What it is for.
  --mcp NAME          The command is the stdio MCP server NAME; needed where its command line does
                      not say so.
  --no-tap            Record no calls of an MCP server.
  --quiet             Say nothing on stderr unless something goes wrong.
  -h, --help          Show this.

Exit codes: the command's own; 75 no room now, 69 no daemon, 2 used wrongly, 127 no such command.
"""

_VALUED = ("--cpu", "--memory", "--gpu", "--need", "--wait", "--priority", "--purpose", "--mcp")
_FLAGS = ("--no-tap", "--quiet", "--help", "-h")


class _MisusedError(Exception):
    """What was typed cannot be done."""


def main(typed: Sequence[str]) -> int:
    """Run a command under a lease.

    Args:
        typed: What stands behind `sro run`.

    Returns:
        The exit code; when a signal ended the command, the same signal ends us.
    """
    try:
        options, command = parsed(typed)
        given = dict(options)
        if "-h" in given or "--help" in given:
            sys.stdout.write(HELP)
            return 0
        order = _order(options, command)
    except _MisusedError as error:
        sys.stderr.write(f"sro run: {error}; see sro run --help\n")
        return MISUSED

    from optimizer.enforcement.runner import UNAVAILABLE, Runner, end_like
    from server.shim import DaemonUnreachableError, connect

    path = socket_path(os.environ)
    daemons: set[int] = set()
    runner = Runner(
        order,
        connect=lambda: connect(path, started=daemons.add),
        reconnect=lambda: _try(path, daemons.add),
        daemons=daemons,
        say=_say,
        is_quiet="--quiet" in given,
    )
    try:
        return end_like(runner.run())
    except DaemonUnreachableError as error:
        _say(str(error))
        return UNAVAILABLE
    except KeyboardInterrupt:
        return end_like(-signal.SIGINT)


def parsed(typed: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options, each with its value, and the command behind them.

    Raises:
        _MisusedError: There is no such option, or its value is missing.
    """
    options, rest = [], list(typed)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if option in _VALUED:
            if not equals and not rest:
                raise _MisusedError(f"{option} needs a value")
            options.append((option, value if equals else rest.pop(0)))
        elif option in _FLAGS and not equals:
            options.append((option, ""))
        else:
            raise _MisusedError(f"there is no option {option}")
    return options, rest


def _order(options: Sequence[tuple[str, str]], command: list[str]) -> dict[str, Any]:
    """What is asked of the daemon.

    Raises:
        _MisusedError: Something is missing, or cannot be read.
    """
    if not command:
        raise _MisusedError("name the command to run")
    given = dict(options)
    resources = {
        name: given[f"--{name}"] for name in ("cpu", "memory", "gpu") if f"--{name}" in given
    }
    for option, value in options:
        if option == "--need":
            name, equals, amount = value.partition("=")
            if not name or not equals:
                raise _MisusedError(f"--need {value!r} is not NAME=AMOUNT")
            resources[name] = amount
    order: dict[str, Any] = {
        "command": command,
        "directory": os.getcwd(),
        "resources": {name: _amount(text) for name, text in resources.items()},
        "is_piped": _is_pipe(0) and _is_pipe(1),
        "is_tapped": "--no-tap" not in given,
    }
    for option, name in (
        ("--purpose", "purpose"),
        ("--priority", "priority_level"),
        ("--mcp", "mcp"),
    ):
        if option in given:
            order[name] = given[option]
    if "--wait" in given:
        order["wait_s"] = _number(given["--wait"])
    return order


def _amount(text: str) -> float | str:
    """A bare number is one, as everywhere: % of the machine, or a count."""
    try:
        return float(text)
    except ValueError:
        return text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _MisusedError(f"--wait {text!r} is not a number of seconds") from None


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _try(path: str, started: Callable[[int], object]) -> socket.socket | None:
    """A connection to the daemon, if one listens; else one is started, unless one is starting."""
    from server.daemon_lock import take_lock
    from server.shim import start_daemon

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        lock = take_lock(path)
        if lock is not None:
            lock.release()
            started(start_daemon(path))
        return None
    return connection


def _say(text: str) -> None:
    sys.stderr.write(f"sro: {text}\n")
    sys.stderr.flush()
