"""Thinker: a computed answer is written down as thoughts, and stands, within its time."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

import anyio

from optimizer.errors import McpServerError
from optimizer.thinking.breaker import Timer
from optimizer.thinking.pool import PoolBusyError
from optimizer.thinking.question import (
    Question,
    Reasoning,
    ScratchpadKind,
    Thought,
    Verdict,
)
from optimizer.thinking.scratchpad import Scratchpad
from optimizer.thinking.thoughts import chain_of_thoughts

logger = logging.getLogger("sequential_resource_optimization.thinking")

OnThought = Callable[[Thought], Awaitable[None]]


def solver_alone(question: Question, *, reason: str = "off") -> Verdict:
    """The solver's choice, without thought; what `use_sequential_thinking=false` returns."""
    return Verdict(
        candidate_id=_solvers_choice(question),
        reasoning=Reasoning(path=f"solver_only:{reason}", scratchpad="none", ms=0.0),
    )


@dataclass
class _Notes:
    """What came of writing a chain down."""

    kind: ScratchpadKind | None = None
    told: int = 0
    warnings: list[str] = field(default_factory=list)


class Thinker:
    """Writes the thoughts of a decision to a scratchpad, and answers within a budget.

    Args:
        scratchpad: Where thoughts are recorded; opened by the first question.
        page_within: The most that a decision waits for a page.
        thought_within: The most that it waits for one thought to be recorded.
        timer: Seconds, for the time that thinking took.
    """

    def __init__(
        self,
        scratchpad: Scratchpad,
        *,
        page_within: timedelta = timedelta(seconds=2),
        thought_within: timedelta = timedelta(milliseconds=300),
        timer: Timer = time.perf_counter,
    ) -> None:
        self._scratchpad = scratchpad
        self._page_within = page_within
        self._thought_within = thought_within
        self._timer = timer

    async def __aenter__(self) -> Self:
        """Begin to connect."""
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What get_health should say about the scratchpad, as stable codes."""
        return self._scratchpad.warnings

    async def open(self) -> None:
        """Begin to connect to the scratchpad, so that the first decision need not wait."""
        await self._scratchpad.open()

    async def close(self) -> None:
        """Close the scratchpad; the next question opens it again."""
        await self._scratchpad.close()

    async def think(
        self,
        question: Question,
        *,
        budget: timedelta,
        on_thought: OnThought | None = None,
    ) -> Verdict:
        """Think a question through.

        Args:
            question: A complete computed answer.
            budget: The answer comes within this time, whatever happens.
            on_thought: Told of each thought once it is recorded, or once it is known that it will
                not be. When it raises, that is logged and thinking goes on.

        Returns:
            The verdict, with how it came about.
        """
        started = self._timer()
        chain = chain_of_thoughts(question)
        notes = _Notes()
        with anyio.move_on_after(budget.total_seconds()) as scope:
            await self._write(question, chain, notes, on_thought)
            await _tell(chain[notes.told :], notes, on_thought)
        if scope.cancelled_caught:
            notes.warnings.append("thinking_budget_spent")
        return Verdict(
            candidate_id=_solvers_choice(question),
            reasoning=Reasoning(
                path="scratchpad+solver" if notes.kind else "solver_without_scratchpad",
                scratchpad=notes.kind or "none",
                thoughts=chain,
                ms=(self._timer() - started) * 1000,
                warnings=tuple(notes.warnings),
            ),
        )

    async def _write(
        self,
        question: Question,
        chain: Sequence[Thought],
        notes: _Notes,
        on_thought: OnThought | None,
    ) -> None:
        """Record the chain; what fails is noted, and the thoughts stay in memory."""
        try:
            async with self._scratchpad.page(
                question.decision_id, within=self._page_within
            ) as page:
                for thought in chain:
                    await page.write(thought, total=len(chain), within=self._thought_within)
                    await _tell([thought], notes, on_thought)
                notes.kind = page.kind
        except PoolBusyError as error:
            notes.warnings.append(error.code)
        except McpServerError as error:
            logger.warning("thoughts of %s are kept in memory: %s", question.decision_id, error)
            notes.warnings.append(f"scratchpad_{error.problem}")
        notes.warnings.extend(self._scratchpad.warnings)


async def _tell(thoughts: Sequence[Thought], notes: _Notes, on_thought: OnThought | None) -> None:
    for thought in thoughts:
        notes.told += 1
        if on_thought is not None:
            try:
                await on_thought(thought)
            except Exception:
                logger.exception("a listener failed on thought %d", thought.number)


def _solvers_choice(question: Question) -> str | None:
    return question.candidates[0].id if question.candidates else None
