"""Words to a running daemon over its socket, beside MCP. Standard library only."""

import json
import socket
from typing import Any, Literal

Word = Literal["status", "perform", "stop", "rest", "reload_history"]

TIMEOUT_S = 15.0


def ask(
    path: str, word: Word, *, timeout_s: float = TIMEOUT_S, **further: object
) -> dict[str, Any] | None:
    """Say a word to the daemon.

    Args:
        path: Its socket.
        word: `status`; `perform`, with `operation` and `arguments`; `stop`, `rest` (serve HTTP too)
            and `reload_history` (after an import), which its owner alone may say.
        timeout_s: How long its answer may take.
        further: What the word needs, as JSON.

    Returns:
        Its answer; None when no daemon listens there.

    Raises:
        OSError: It does not answer in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(json.dumps({"control": word, **further}).encode() + b"\n")
        with connection.makefile("rb") as answer:
            line = answer.readline()
    if not line:
        raise OSError(f"the daemon at {path} closed the connection without an answer")
    answered: dict[str, Any] = json.loads(line)
    return answered
