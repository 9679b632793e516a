"""Who is at the other end of a Unix socket, as the kernel says."""

import os
import pwd
import socket
import struct
import sys
from dataclasses import dataclass

from optimizer.identity import Principal

_UCRED = struct.Struct("3i")


@dataclass(frozen=True)
class Peer:
    """The process that connected.

    Attributes:
        pid: Its process id; None where the kernel does not say.
        uid: Its user id.
    """

    pid: int | None
    uid: int

    @property
    def is_owner(self) -> bool:
        """Whether it may stop this daemon: the same user, or root."""
        return self.uid in (os.getuid(), 0)

    @property
    def principal(self) -> Principal:
        """One principal for each user; who owns the daemon operates it."""
        return Principal(
            name=f"uid:{self.uid}",
            role="operator" if self.is_owner else "user",
        )

    @property
    def user_name(self) -> str:
        """The login name, or the number where there is none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def peer_of(connection: socket.socket) -> Peer:
    """Ask the kernel who connected; nothing that the peer sends can change the answer.

    Source: SO_PEERCRED in unix(7); LOCAL_PEERCRED of macOS gives the user alone.
    """
    if sys.platform == "linux":
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, _ = _UCRED.unpack(raw)
        return Peer(pid=pid, uid=uid)
    raw = connection.getsockopt(0, 1, 76)  # SOL_LOCAL, LOCAL_PEERCRED: struct xucred
    return Peer(pid=None, uid=struct.unpack_from("=2I", raw)[1])
