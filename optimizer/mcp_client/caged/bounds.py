"""What a server in the cage may take and send, and what breaking it is called."""

import time
from dataclasses import dataclass, field
from typing import Literal

Problem = Literal[
    "absent", "closed", "timeout", "protocol", "too_much", "forbidden", "not_mcp", "address"
]
"""absent: it cannot be started or reached; closed: it went away; too_much: it sent more than it
may; address: its address is not allowed."""


class CagedError(Exception):
    """The server did what it may not, or did not do what it must.

    Args:
        problem: Which; programs compare this.
        detail: What was seen, with numbers.
    """

    def __init__(self, problem: Problem, detail: str) -> None:
        self.problem, self.detail = problem, detail
        super().__init__(f"{problem}: {detail}")


@dataclass(frozen=True)
class Bounds:
    """What a server may take and send. Times are seconds, sizes bytes."""

    connect_s: float = 10.0
    discover_s: float = 5.0
    list_s: float = 10.0
    probe_s: float = 5.0
    received: int = 8 * 2**20
    stderr_kept: int = 4096
    tools: int = 2000
    pages: int = 20
    schema: int = 64 * 2**10
    depth: int = 64
    description: int = 4000
    server_data: int = 2 * 2**30
    server_cpu_s: int = 60


@dataclass
class Clock:
    """A deadline that is looked at again and again."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds until it, never below zero."""
        return max(0.0, self.began + self.seconds - time.monotonic())

    def require(self, what: str) -> float:
        """The seconds that are left.

        Raises:
            CagedError: None is.
        """
        if self.left <= 0:
            raise CagedError("timeout", f"no answer to {what} within {self.seconds:g} s")
        return self.left
