"""One answer for everybody who asks about the same state."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast

import anyio

AnswerT = TypeVar("AnswerT")


class Shared:
    """Keeps the last answer of each kind with the state that it was made from.

    Callers that come while an answer is being made wait for it and share it.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, Any]] = {}
        self._turns: dict[str, anyio.Lock] = {}

    async def answer(
        self, kind: str, state: Hashable, make: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """The answer of a state.

        Args:
            kind: What is asked; each kind keeps one answer.
            state: Tells the present state from others.
            make: Works the answer out; what it raises is raised to this caller alone.
        """
        async with self._turns.setdefault(kind, anyio.Lock()):
            kept = self._kept.get(kind)
            if kept is None or kept[0] != state:
                kept = self._kept[kind] = state, await make()
        return cast(AnswerT, kept[1])
