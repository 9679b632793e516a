"""The front's connection to the daemon (I/O). Standard library only."""

import json
import socket
from collections.abc import Mapping
from typing import Any

Message = dict[str, Any]


class DaemonLostError(Exception):
    """The daemon closed the connection before it answered."""


class DaemonLine:
    """Messages of JSON, one a line, over the daemon's socket.

    Args:
        connection: To the daemon.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unread = b""
        self._waiting: list[Message] = []

    @property
    def descriptor(self) -> int:
        """To wait on."""
        return self._connection.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        """Say one thing.

        Raises:
            DaemonLostError: It does not listen any more.
        """
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise DaemonLostError from error

    def read(self) -> list[Message]:
        """Messages that came; waits for at least a part of one.

        Raises:
            DaemonLostError: None comes any more.
            TimeoutError: None came in time.
        """
        try:
            chunk = self._connection.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError as error:
            raise DaemonLostError from error
        if not chunk:
            raise DaemonLostError
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait_for(self, timeout_s: float | None) -> Message:
        """The next message.

        Raises:
            DaemonLostError: None comes any more.
            TimeoutError: None came in time.
        """
        self._connection.settimeout(timeout_s)
        try:
            while not self._waiting:
                self._waiting = self.read()
        finally:
            self._connection.settimeout(None)
        return self._waiting.pop(0)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
