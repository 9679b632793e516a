"""Due: tells a task that it is time to look, from one event loop after another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from optimizer.errors import DependencyError


class Due:
    """A bell that one task waits for; rung before anybody waits, it is heard all the same.

    An `asyncio.Event` belongs to the event loop in which it was first waited for, and a program may
    call `asyncio.run` more than once.
    """

    def __init__(self) -> None:
        self._is_due = False
        self._event: asyncio.Event | None = None

    def set(self) -> None:
        """It is time."""
        self._is_due = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Return as soon as it is time; from then on it is not, until it is set again."""
        self._event = asyncio.Event()
        if not self._is_due:
            await self._event.wait()
        self._is_due = False

    async def keep_looking(
        self,
        look: Callable[[], Awaitable[object]],
        *,
        logger: logging.Logger,
        trouble: str,
        apart_s: float = 0.0,
    ) -> NoReturn:
        """Look whenever it is time, until cancelled; a look that fails is logged, not the last.

        Args:
            look: What to do when it is time.
            logger: Where a failure is told.
            trouble: What a failure means, as in "leases cannot be looked at".
            apart_s: Seconds between two looks; what becomes due meanwhile is one look.
        """
        while True:
            await self.wait()
            try:
                await look()
            except DependencyError as error:
                logger.warning("%s: %s", trouble, error)
            except Exception:
                logger.exception(trouble)
            await asyncio.sleep(apart_s)
