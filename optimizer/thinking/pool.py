"""Warm connections to a sequential-thinking server, one for each decision in flight (I/O).

The server keeps one history for a connection and never clears it, so two decisions never share one
at the same time, and a connection is replaced after some thoughts.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from optimizer.errors import CapacityError, McpServerError
from optimizer.mcp_client.connection import Connection
from optimizer.mcp_client.link import Link
from optimizer.thinking.embedded import TOOL


class PoolBusyError(CapacityError):
    """Every connection is taken by a decision in flight; nobody waits for one."""

    code = "pool_busy"


@dataclass(eq=False)
class Member:
    """A connection of the pool.

    Attributes:
        link: What keeps it open.
        written: Thoughts that it took since it was opened.
        spoiled: Whether an exchange was begun and not finished, so that its history is unknown.
        uses: Decisions that it served.
    """

    link: Link
    written: int = 0
    spoiled: bool = False
    uses: int = 0
    _is_checked: bool = field(default=False, repr=False)

    async def connection(self, *, within: timedelta) -> Connection:
        """The open connection to a server that has the tool.

        Raises:
            McpServerError: It did not open within the deadline, or has no such tool.
        """
        try:
            with anyio.fail_after(within.total_seconds()):
                connection = await self.link.connection()
        except TimeoutError:
            raise McpServerError(
                server=self.link.server,
                problem="timeout",
                detail=f"not ready within {within.total_seconds():g} s",
            ) from None
        if not self._is_checked:
            await _check_tool(connection, within)
            self._is_checked = True
        return connection


async def _check_tool(connection: Connection, within: timedelta) -> None:
    if TOOL not in [tool.name for tool in await connection.tools(within=within)]:
        raise McpServerError(
            server=connection.server, problem="not_mcp", detail=f"it has no tool {TOOL}"
        )


class Pool:
    """At most so many connections, in one event loop.

    Args:
        connect: Begins to open a connection.
        size: The most that exist at one time, those that are being closed included.
        recycle_after: Thoughts after which a connection is replaced.
        idle_after: How long one may be idle before it is closed; the last one stays warm.
    """

    def __init__(
        self,
        connect: Callable[[], Link],
        *,
        size: int,
        recycle_after: int,
        idle_after: timedelta,
    ) -> None:
        self._connect = connect
        self._size = size
        self._recycle_after = recycle_after
        self._idle_after_s = idle_after.total_seconds()
        self._members: set[Member] = set()
        self._idle: list[Member] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_free(self) -> bool:
        """Whether another decision would get a connection now."""
        return bool(self._idle) or len(self._members) < self._size

    @contextmanager
    def lend(self) -> Iterator[Member]:
        """Lend a connection to one decision.

        Raises:
            PoolBusyError: Every one is taken.
        """
        member = self._take()
        member.uses += 1
        try:
            yield member
        finally:
            self._give_back(member)

    def warm(self) -> None:
        """Begin to open one connection, when there is none."""
        if not self._members:
            self._idle.append(self._start())

    async def close(self) -> None:
        """Close every connection and wait until nothing of them is left."""
        self._is_closed = True
        self._idle.clear()
        for member in list(self._members):
            self._retire(member)
        if self._retiring:
            await asyncio.wait(set(self._retiring))

    def _take(self) -> Member:
        while self._idle:
            member = self._idle.pop()
            if member.link.is_usable:
                return member
            self._retire(member)
        if len(self._members) >= self._size:
            raise PoolBusyError(
                f"{self._size} of {self._size} connections to the sequential-thinking server are "
                "taken; the thoughts of this decision are kept in memory"
            )
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
            self._idle.append(member)
            asyncio.get_running_loop().call_later(
                self._idle_after_s, self._retire_if_idle, member, member.uses
            )

    def _retire_if_idle(self, member: Member, uses: int) -> None:
        is_last = len(self._members) - len(self._retiring) <= 1
        if member in self._idle and member.uses == uses and not is_last:
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
            self._idle.append(self._start())
