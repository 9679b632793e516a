"""One answer for everybody who asks about the same state."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import anyio

AnswerT = TypeVar("AnswerT")

_NOTHING = object()
"""The state of what was never answered."""


@dataclass
class _Kept:
    """The last answer of one kind, and the turn of who makes the next."""

    state: Hashable = _NOTHING
    answer: Any = None
    turn: anyio.Lock = field(default_factory=anyio.Lock)


class Shared:
    """Keeps the last answer of each kind with the state that it was made from.

    Callers that come while an answer is being made wait for it and share it.

    Args:
        kinds: How many kinds are kept; of more, the one that was asked for longest ago is dropped.
    """

    def __init__(self, kinds: int = 32) -> None:
        self._kinds = kinds
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def answer(
        self, kind: Hashable, state: Hashable, make: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """The answer of a state.

        Args:
            kind: What is asked; each kind keeps one answer.
            state: Tells the present state from others.
            make: Works the answer out; what it raises is raised to this caller alone.
        """
        kept = self._kept.setdefault(kind, _Kept())
        self._kept.move_to_end(kind)
        while len(self._kept) > self._kinds:
            self._kept.popitem(last=False)
        if kept.state != state:
            async with kept.turn:
                if kept.state != state:
                    kept.answer, kept.state = await make(), state
        return cast(AnswerT, kept.answer)

    def forget(self, kind: Hashable) -> None:
        """Work it out anew for the next one who asks."""
        self._kept.pop(kind, None)
