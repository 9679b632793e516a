"""Thinker: the solver has answered, a model may choose, a scratchpad remembers, within a budget."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

import anyio

from optimizer.thinking.breaker import Timer
from optimizer.thinking.mind import OnModelThought, Opinion
from optimizer.thinking.question import (
    OnThought,
    Question,
    Reasoning,
    Recording,
    ScratchpadKind,
    Thought,
    Verdict,
)
from optimizer.thinking.scratchpad import Scratchpad
from optimizer.thinking.scribe import Scribe
from optimizer.thinking.thoughts import chain_of_thoughts, conclusion

logger = logging.getLogger("sequential_resource_optimization.thinking")

MODEL_SHARE = 0.7
"""The share of the budget that a language model may take."""

Judge = Callable[[str], str | None]
"""Why a candidate of this id cannot stand; None when it can."""


class Considers(Protocol):
    """A language model, as far as the thinker needs it."""

    @property
    def model(self) -> str:
        """Its name."""

    @property
    def prompt(self) -> str:
        """Version of its prompt."""

    async def consider(
        self,
        question: Question,
        opinion: Opinion,
        *,
        within: timedelta,
        on_thought: OnModelThought,
    ) -> None:
        """Choose among the candidates of a question; the opinion is filled as it forms."""

    async def warm_up(self) -> None:
        """Have ready what the first question needs; may take seconds."""

    async def close(self) -> None:
        """Close its connections."""


def solver_alone(question: Question, *, reason: str = "off") -> Verdict:
    """The solver's choice, without thought; what `use_sequential_thinking=false` returns."""
    return Verdict(
        candidate_id=_solvers_choice(question),
        reasoning=Reasoning(path=f"solver_only:{reason}", scratchpad="none", ms=0.0),
    )


class Thinker:
    """Thinks decisions over.

    Args:
        scratchpad: Where thoughts are recorded; opened by the first question.
        mind: The language model; None when there is none, and then the solver's choice stands.
        page_within: The most that a decision waits for a scratchpad that is being started.
        thought_within: The most that it waits for one thought to be recorded.
        timer: Seconds, for the time that thinking took.
    """

    def __init__(
        self,
        scratchpad: Scratchpad,
        *,
        mind: Considers | None = None,
        page_within: timedelta = timedelta(milliseconds=100),
        thought_within: timedelta = timedelta(milliseconds=300),
        timer: Timer = time.perf_counter,
    ) -> None:
        self._scratchpad = scratchpad
        self._mind = mind
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
    def scratchpad(self) -> str:
        """Which server records the thoughts, for messages; it holds no secret."""
        return self._scratchpad.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What get_health should say about the scratchpad, as stable codes."""
        return self._scratchpad.warnings

    async def open(self) -> None:
        """Begin to connect to the scratchpad, so that the first decision need not wait."""
        await self._scratchpad.open()

    async def warm_up(self) -> None:
        """Have the language model's client ready, where there is a model; may take seconds."""
        if self._mind is not None:
            await self._mind.warm_up()

    async def close(self) -> None:
        """Close the scratchpad and the model's connections; the next question opens them again."""
        await self._scratchpad.close()
        if self._mind is not None:
            await self._mind.close()

    async def think(
        self,
        question: Question,
        *,
        budget: timedelta,
        on_thought: OnThought | None = None,
        judge: Judge | None = None,
        ask_model: bool = True,
    ) -> Verdict:
        """Think a question through.

        Args:
            question: A complete computed answer.
            budget: The answer comes within this time, whatever happens.
            on_thought: Told of each thought once it is recorded, or once it is known that it will
                not be. When it raises, that is logged and thinking goes on.
            judge: Says why a model's choice cannot stand. It is asked before the last thought is
                written, so that the chain ends with what is true.
            ask_model: Whether the language model is asked; not where somebody else chooses.

        Returns:
            The verdict, with how it came about.
        """
        started = self._timer()
        run = _Run(question, judge, on_thought)
        with anyio.move_on_after(budget.total_seconds()) as scope:
            async with AsyncExitStack() as stack:
                await self._begin(run, stack)
                left = budget - timedelta(seconds=self._timer() - started)
                if ask_model:
                    await self._ask(run, min(budget * MODEL_SHARE, left * 0.9))
                await run.conclude()
        if scope.cancelled_caught:
            run.cut_off()
        return run.verdict(self._mind, (self._timer() - started) * 1000, self._scratchpad.warnings)

    async def record(
        self, decision_id: str, thoughts: Sequence[Thought], *, budget: timedelta
    ) -> Recording:
        """Write further thoughts of a decision that was thought over before.

        Args:
            decision_id: Whose thoughts these are.
            thoughts: Numbered on from those that are there.
            budget: The answer comes within this time, whatever happens.
        """
        scribe = Scribe(thoughts[-1].number, on_thought=None)
        with anyio.move_on_after(budget.total_seconds()) as scope:
            async with AsyncExitStack() as stack:
                await scribe.take_page(self._scratchpad, decision_id, stack, self._page_within)
                scribe.within = self._thought_within
                for thought in thoughts:
                    await scribe.write(thought)
        if scope.cancelled_caught:
            scribe.lose("thinking_budget_spent")
        return Recording(scratchpad=scribe.recorded_by, warnings=tuple(scribe.warnings))

    async def _begin(self, run: "_Run", stack: AsyncExitStack) -> None:
        """Take a page and write what was computed."""
        await run.scribe.take_page(
            self._scratchpad, run.question.decision_id, stack, self._page_within
        )
        run.scribe.within = self._thought_within
        for thought in run.computed:
            await run.scribe.write(thought)

    async def _ask(self, run: "_Run", within: timedelta) -> None:
        """Let the model choose, where there is one and something to choose."""
        if self._mind is None or len(run.question.candidates) < 2:
            return

        async def write(text: str) -> None:
            await run.scribe.add("evaluate", text, author="model")

        run.opinion = Opinion()
        await self._mind.consider(run.question, run.opinion, within=within, on_thought=write)


class _Run:
    """One question being thought over."""

    def __init__(
        self, question: Question, judge: Judge | None, on_thought: OnThought | None
    ) -> None:
        self.question = question
        self.computed = chain_of_thoughts(question)[:-1]
        self.scribe = Scribe(len(self.computed) + 1, on_thought)
        self.opinion: Opinion | None = None
        self._judge = judge
        self._refusal: str | None = None

    async def conclude(self) -> None:
        """Judge the model's choice and write the last thought."""
        opinion = self.opinion
        if opinion is not None and opinion.problem is None:
            self._refusal = self._refuse(opinion)
        await self.scribe.add("conclude", self._last_words())

    def cut_off(self) -> None:
        """The budget ended before the chain did: keep what there is, and say so."""
        self.scribe.lose("thinking_budget_spent")
        for thought in self.computed[len(self.scribe.thoughts) :]:
            self.scribe.keep(thought)
        if self.scribe.thoughts[-1].kind != "conclude":
            self.scribe.keep_new("conclude", self._last_words())

    def verdict(self, mind: Considers | None, ms: float, warnings: tuple[str, ...]) -> Verdict:
        """What stands, and the truth about how."""
        opinion, kind = self.opinion, self.scribe.recorded_by
        reasoning = Reasoning(
            path=_path(kind, opinion, self._refusal),
            scratchpad=kind or "none",
            thoughts=tuple(self.scribe.thoughts),
            ms=ms,
            warnings=tuple(dict.fromkeys((*self.scribe.warnings, *warnings))),
        )
        if opinion is not None and mind is not None:
            reasoning = reasoning.model_copy(
                update={
                    "model": opinion.model or mind.model,
                    "prompt": mind.prompt,
                    "tokens": opinion.tokens,
                    "usd": opinion.usd,
                    "is_estimated": opinion.is_estimated,
                    "model_choice": opinion.choice or opinion.said,
                    "agrees_with_solver": _agrees(opinion, self.question),
                }
            )
        return Verdict(candidate_id=self._stands(), reasoning=reasoning)

    def _stands(self) -> str | None:
        opinion = self.opinion
        if opinion is None or opinion.problem or self._refusal or opinion.choice is None:
            return _solvers_choice(self.question)
        return opinion.choice

    def _refuse(self, opinion: Opinion) -> str | None:
        if opinion.choice is None:
            return f"{str(opinion.said)[:60]!r} is none of the candidates"
        if opinion.choice == _solvers_choice(self.question) or self._judge is None:
            return None
        return self._judge(opinion.choice)

    def _last_words(self) -> str:
        return conclusion(
            self.question,
            self._stands(),
            refusal=self._refusal,
            is_weighed=self.opinion is not None and self.opinion.problem is None,
        )


def _path(kind: ScratchpadKind | None, opinion: Opinion | None, refusal: str | None) -> str:
    """Who took part, by the table of docs: the first line that applies."""
    if opinion is None:
        return "scratchpad+solver" if kind else "solver_without_scratchpad"
    if opinion.problem is not None:
        return f"solver_only:{opinion.problem}"
    if refusal is not None:
        return "solver_overrode_llm"
    if kind is None:
        return "llm_without_scratchpad"
    return "llm_after_retry" if opinion.was_retried else "llm+scratchpad+solver"


def _agrees(opinion: Opinion, question: Question) -> bool | None:
    if opinion.problem is not None:
        return None
    return opinion.choice == _solvers_choice(question)


def _solvers_choice(question: Question) -> str | None:
    return question.candidates[0].id if question.candidates else None
