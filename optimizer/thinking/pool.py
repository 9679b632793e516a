"""Warm connections to a sequential-thinking server, one for each decision in flight (I/O).

The server keeps one history for a connection and never clears it, so two decisions never share one
at the same time, and a connection is replaced after some thoughts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from optimizer.errors import CapacityError
from optimizer.mcp_client.connection import Connection
from optimizer.mcp_client.link import Link

STARTS_AT_ONCE = 2


class PoolBusyError(CapacityError):
    """Every connection is taken by a decision in flight; nobody waits for one."""

    code = "pool_busy"


class PoolStartingError(CapacityError):
    """A connection is being opened; nobody waits for it long."""

    code = "pool_starting"


def _now() -> float:
    """Seconds on the event loop's clock; anyio's own name for it does not work in a timer."""
    return asyncio.get_running_loop().time()


@dataclass(eq=False)
class Member:
    """A connection of the pool.

    Attributes:
        link: What keeps it open.
        written: Thoughts that it took since it was opened.
        spoiled: Whether an exchange was begun and not finished, so that its history is unknown.
        idle_since_s: When it was put by, on the event loop's clock.
        began_s: When its opening began.
    """

    link: Link
    written: int = 0
    spoiled: bool = False
    idle_since_s: float = 0.0
    began_s: float = field(default_factory=_now)

    async def open(self, *, within: timedelta) -> Connection:
        """The connection, once it is open.

        Args:
            within: How long after the opening began anyone waits for it.

        Raises:
            PoolStartingError: It is still being opened.
            McpServerError: It could not be opened, or has ended.
        """
        with anyio.CancelScope() as scope:
            if self.link.is_opening:
                scope.deadline = self.began_s + within.total_seconds()
            return await self.link.connection()
        raise PoolStartingError(f"{self.link.server} is being started")


@dataclass(frozen=True)
class Lent:
    """A connection that one decision has for itself."""

    member: Member
    connection: Connection


class Pool:
    """At most so many connections, in one event loop.

    Args:
        connect: Begins to open a connection.
        size: The most that exist at one time, those that are being closed included.
        starts_at_once: The most that are being opened at one time; a child takes half a second of
            CPU time to start, and many at once would take it from those that think.
        recycle_after: Thoughts after which a connection is replaced.
        idle_after: How long one may be idle before it is closed; the last one stays warm.
    """

    def __init__(
        self,
        connect: Callable[[], Link],
        *,
        size: int,
        starts_at_once: int = STARTS_AT_ONCE,
        recycle_after: int,
        idle_after: timedelta,
    ) -> None:
        self._connect = connect
        self._size = size
        self._starts_at_once = starts_at_once
        self._recycle_after = recycle_after
        self._idle_after_s = idle_after.total_seconds()
        self._members: set[Member] = set()
        self._idle: list[Member] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_free(self) -> bool:
        """Whether another decision would get a connection now."""
        return bool(self._idle) or len(self._members) < self._size

    @asynccontextmanager
    async def lend(self, *, within: timedelta) -> AsyncIterator[Lent]:
        """Lend a connection to one decision: an open one, else one that is being opened.

        Args:
            within: How long after its opening began anyone waits for one.

        Raises:
            PoolBusyError: Every one is taken.
            PoolStartingError: It is still being opened; it goes on, for those who come later.
            McpServerError: It could not be opened.
        """
        member = self._take()
        try:
            yield Lent(member, await member.open(within=within))
        finally:
            self._give_back(member)

    def warm(self) -> None:
        """Begin to open one connection, when there is none."""
        if not self._members:
            self._put_by(self._start())

    async def close(self) -> None:
        """Close every connection and wait until nothing of them is left."""
        self._is_closed = True
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()
        for member in list(self._members):
            self._retire(member)
        if self._retiring:
            await asyncio.wait(set(self._retiring))

    def _take(self) -> Member:
        for member in [m for m in self._idle if not m.link.is_usable]:
            self._idle.remove(member)
            self._retire(member)
        if self._idle:
            member = max(self._idle, key=lambda m: (not m.link.is_opening, m.idle_since_s))
            self._idle.remove(member)
            return member
        if len(self._members) >= self._size:
            raise PoolBusyError(
                f"{self._size} of {self._size} connections to the sequential-thinking server are "
                "taken by decisions in flight"
            )
        if sum(member.link.is_opening for member in self._members) >= self._starts_at_once:
            raise PoolStartingError(f"{self._starts_at_once} others are being started")
        return self._start()

    def _start(self) -> Member:
        member = Member(self._connect())
        self._members.add(member)
        return member

    def _give_back(self, member: Member) -> None:
        if self._is_closed or member.spoiled or not member.link.is_usable:
            self._retire(member)
        elif member.written >= self._recycle_after:
            self._retire(member, replace=True)
        else:
            self._put_by(member)

    def _put_by(self, member: Member) -> None:
        member.idle_since_s = _now()
        self._idle.append(member)
        if self._sweep is None:
            self._sweep_in(self._idle_after_s)

    def _sweep_in(self, seconds: float) -> None:
        self._sweep = asyncio.get_running_loop().call_later(seconds, self._retire_idle)

    def _retire_idle(self) -> None:
        """Close what has been idle for long, but for the last; look again when the next may be."""
        self._sweep = None
        long_ago = _now() - self._idle_after_s
        for member in sorted(self._idle, key=lambda m: m.idle_since_s):
            if len(self._members) - len(self._retiring) <= 1:
                return
            left_s = member.idle_since_s - long_ago
            if left_s > 0:
                self._sweep_in(left_s)
                return
            self._idle.remove(member)
            self._retire(member)

    def _retire(self, member: Member, *, replace: bool = False) -> None:
        """Close in the background; a successor is opened once the old one has gone."""
        task = asyncio.get_running_loop().create_task(self._see_off(member, replace))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _see_off(self, member: Member, replace: bool) -> None:
        await member.link.close()
        self._members.discard(member)
        if replace and not self._is_closed:
            self._put_by(self._start())
