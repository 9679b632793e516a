"""Who asks. A principal comes from credentials, never from an argument."""

from dataclasses import dataclass
from typing import Literal

from optimizer.errors import ForbiddenError

Role = Literal["reader", "user", "operator"]
"""reader: looks; user: also reserves and reports; operator: also applies and profiles."""


@dataclass(frozen=True)
class Principal:
    """Somebody who asks.

    Attributes:
        name: Stable identity, for example `uid:1000`, `token:default`, `local`.
        role: What this principal may do.
    """

    name: str
    role: Role = "user"

    def require_writer(self, operation: str) -> None:
        """Refuse a reader.

        Raises:
            ForbiddenError: The principal may only read.
        """
        if self.role == "reader":
            raise ForbiddenError(operation=operation, role=self.role)

    def require_operator(self, operation: str) -> None:
        """Refuse everybody but an operator.

        Raises:
            ForbiddenError: The principal does not operate this machine.
        """
        if self.role != "operator":
            raise ForbiddenError(operation=operation, role=self.role, needs="operator")


def told_apart_by(name: str) -> str:
    """By what somebody is the principal of this name, in words for who is another one."""
    kind, _, which = name.partition(":")
    if kind == "uid" and which:
        return f"user {which} over the daemon's socket"
    if kind == "token" and which:
        return f"whoever sends the bearer token {which!r} over HTTP"
    if name == LOCAL.name:
        return "whoever calls over HTTP without a token (`sro --server URL`)"
    return f"the principal {name!r}"


LOCAL = Principal(name="local", role="operator")
"""A Python program that holds the library in its own process."""
