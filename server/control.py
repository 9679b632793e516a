"""Words to a running daemon over its socket, beside MCP. Standard library only."""

import json
import socket
from typing import Any, Literal

Word = Literal["status", "stop", "rest"]

TIMEOUT_S = 5.0


def ask(path: str, word: Word) -> dict[str, Any] | None:
    """Say a word to the daemon.

    Args:
        path: Its socket.
        word: `status`; `stop` and `rest` (serve HTTP too), which its owner alone may say.

    Returns:
        Its answer; None when no daemon listens there.

    Raises:
        OSError: It does not answer in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(json.dumps({"control": word}).encode() + b"\n")
        with connection.makefile("rb") as answer:
            line = answer.readline()
    if not line:
        raise OSError(f"the daemon at {path} closed the connection without an answer")
    answered: dict[str, Any] = json.loads(line)
    return answered
