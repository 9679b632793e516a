"""A value that is made once for each state and shared by all who ask for that state."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

ValueT = TypeVar("ValueT")


class Latest(Generic[ValueT]):
    """Holds the value of the latest state; those who come while it is made wait and share it."""

    def __init__(self) -> None:
        self._held: tuple[Hashable, ValueT] | None = None
        self._turn = anyio.Lock()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """The value of a state.

        Args:
            key: Tells the state from others.
            make: Makes the value; when it raises, nothing is held and the next one tries again.
        """
        if self._held is None or self._held[0] != key:
            async with self._turn:
                if self._held is None or self._held[0] != key:
                    self._held = key, await make()
        return self._held[1]

    def forget(self) -> None:
        """Make it anew for the next one who asks."""
        self._held = None
