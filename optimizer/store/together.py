"""What comes while other things are written is written together, in the next transaction."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from optimizer.errors import StorageError
from optimizer.store.engine import Database
from optimizer.store.unstoppable import finish

ItemT = TypeVar("ItemT")


@dataclass(eq=False, slots=True)
class _Waiting(Generic[ItemT]):
    """One thing to write, and who waits for it."""

    item: ItemT
    durable: bool
    done: "asyncio.Future[Any]"

    async def ended(self) -> Any:
        """What came of it. A caller who is cancelled waits for the end of what it handed in.

        A future of one's own is cheaper than a shield.

        Raises:
            asyncio.CancelledError: The caller was cancelled meanwhile; it is written or not.
        """
        try:
            return await self.done
        except asyncio.CancelledError:
            if self.done.cancelled():
                self.done = asyncio.get_running_loop().create_future()
            with contextlib.suppress(Exception):
                await finish(self.done)
            raise

    def end(self, outcome: Any) -> None:
        """Wake who waits for it; an exception is raised there."""
        if self.done.cancelled():
            self.done = asyncio.get_running_loop().create_future()
        if isinstance(outcome, Exception):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class Together(Generic[ItemT]):
    """Writes things in the order in which they came, all that wait in one transaction.

    Args:
        database: Where.
        write: Writes them, and answers for each what came of it or what was wrong with it; what it
            raises undoes them all, and is raised to everybody.
        name: Of the task that writes.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Connection, Sequence[ItemT]], Sequence[Any]],
        *,
        name: str,
    ) -> None:
        self._database = database
        self._write = write
        self._name = name
        self._waiting: list[_Waiting[ItemT]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, item: ItemT, *, durable: bool) -> Any:
        """Write a thing, and answer what came of it.

        What has been handed in is written, even when the caller is cancelled meanwhile.

        Args:
            item: What.
            durable: Whether it must reach the disk before this returns.

        Raises:
            StorageError: It could not be written.
        """
        waiting = _Waiting(item, durable, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name=self._name)
        return await waiting.ended()

    async def _write_all(self) -> None:
        """Write until nothing waits."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            outcomes: Sequence[Any] = [StorageError("the writer was stopped")] * len(group)
            try:
                outcomes = await self._written(group)
            finally:
                for waiting, outcome in zip(group, outcomes, strict=True):
                    waiting.end(outcome)

    async def _written(self, group: Sequence[_Waiting[ItemT]]) -> Sequence[Any]:
        items = [waiting.item for waiting in group]
        try:
            return await self._database.write(
                lambda connection: self._write(connection, items),
                durable=any(waiting.durable for waiting in group),
            )
        except Exception as error:  # raised to everybody whose item it was
            return [error] * len(group)
