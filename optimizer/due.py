"""Due: tells a task that it is time to look, from one event loop after another."""

import asyncio


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
