"""Writes one decision's thoughts: to its page while that holds, and always to memory."""

import logging
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Literal

from optimizer.errors import McpServerError
from optimizer.thinking.page import Page
from optimizer.thinking.question import OnThought, ScratchpadKind, Thought, ThoughtKind
from optimizer.thinking.scratchpad import Scratchpad

logger = logging.getLogger("sequential_resource_optimization.thinking")


class Scribe:
    """The thoughts of one decision.

    Args:
        total: How many thoughts are expected.
        on_thought: Told of each thought.

    Attributes:
        thoughts: In order, recorded or not.
        warnings: Why some were not recorded, as stable codes.
        within: Deadline of recording one thought.
    """

    def __init__(self, total: int, on_thought: OnThought | None) -> None:
        self._total = total
        self._on_thought = on_thought
        self._page: Page | None = None
        self.thoughts: list[Thought] = []
        self.warnings: list[str] = []
        self.within = timedelta(milliseconds=300)

    @property
    def recorded_by(self) -> ScratchpadKind | None:
        """The server that recorded every thought; None when one was not recorded."""
        return None if self._page is None else self._page.kind

    async def take_page(
        self, scratchpad: Scratchpad, decision_id: str, stack: AsyncExitStack, within: timedelta
    ) -> None:
        """Take a page; without one the thoughts stay in memory.

        Args:
            scratchpad: Where from.
            decision_id: Whose thoughts these are.
            stack: Gives the page back.
            within: Deadline of getting one.
        """
        try:
            self._page = await stack.enter_async_context(
                scratchpad.page(decision_id, within=within)
            )
            if self._page.stands_in is not None:
                self.warnings.append(self._page.stands_in)
        except McpServerError as error:
            logger.info("thoughts of %s are kept in memory: %s", decision_id, error)
            self.lose(f"scratchpad_{error.problem}")

    async def add(
        self, kind: ThoughtKind, text: str, *, author: Literal["solver", "model"] = "solver"
    ) -> None:
        """Write a thought that follows those there are."""
        await self.write(self._next(kind, text, author))

    async def write(self, thought: Thought) -> None:
        """Record a thought where there is a page, keep it, and tell of it."""
        self.keep(thought)
        if self._page is not None:
            is_last = thought.kind == "conclude"
            total = thought.number if is_last else max(self._total, thought.number + 1)
            try:
                await self._page.write(thought, total=total, within=self.within)
            except McpServerError as error:
                logger.info("further thoughts are kept in memory: %s", error)
                self.lose(f"scratchpad_{error.problem}")
        if self._on_thought is not None:
            try:
                await self._on_thought(thought)
            except Exception:
                logger.exception("a listener failed on thought %d", thought.number)

    def keep(self, thought: Thought) -> None:
        """Keep a thought in memory only."""
        self.thoughts.append(thought)

    def keep_new(self, kind: ThoughtKind, text: str) -> None:
        """Keep a thought that follows those there are, in memory only."""
        self.keep(self._next(kind, text, "solver"))

    def lose(self, warning: str) -> None:
        """From here on, and so for the whole decision, no server has every thought."""
        self._page = None
        self.warnings.append(warning)

    def _next(self, kind: ThoughtKind, text: str, author: Literal["solver", "model"]) -> Thought:
        return Thought(number=len(self.thoughts) + 1, kind=kind, text=text, author=author)
