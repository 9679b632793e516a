"""A language model's turn: it may choose among the candidates, inside time, tokens and dollars."""

import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from optimizer.thinking.breaker import Timer
from optimizer.thinking.llm import OPENROUTER, LanguageModel, RateLimit, Upstream
from optimizer.thinking.prompt import (
    MAX_THOUGHT_CHARS,
    PROMPT,
    Message,
    Redactor,
    answer_schema,
    count_tokens,
    first_messages,
    next_messages,
    shortlist,
)
from optimizer.thinking.question import Candidate, Question
from optimizer.thinking.reply import (
    NOT_TOLD,
    Answer,
    ModelError,
    ModelProblem,
    Reply,
    read_answer,
)
from optimizer.thinking.spending import Allowance, Bill, OpenPurse, Purse
from optimizer.thinking.thoughts import plain

logger = logging.getLogger("sequential_resource_optimization.thinking")

SETTLE_WITHIN_S = 1.0
"""A purse that hangs does not hold up the answer for longer; its reservation ends by itself."""


@dataclass
class Opinion:
    """What came of asking.

    Attributes:
        choice: Id of the candidate that the model settled on; None when it did not.
        said: What it said, if it named none of the candidates.
        thoughts: Its accepted thoughts, in order.
        problem: Why it did not settle.
        was_retried: Whether an answer came only at the second attempt.
        tokens: Tokens, those counted as reserved included.
        usd: Dollars that the server reported; None while one request's are unknown.
        is_estimated: Whether some are counted as reserved.
    """

    choice: str | None = None
    said: str | None = None
    thoughts: list[str] = field(default_factory=list)
    problem: ModelProblem | None = None
    was_retried: bool = False
    tokens: int = 0
    usd: float | None = 0.0
    is_estimated: bool = False
    spent_usd: float = 0.0
    """Dollars against the allowance, those counted as reserved included."""
    model: str | None = None
    """Which model answered last, as the server says."""

    def count(self, bill: Bill) -> None:
        """Add what one request is counted as."""
        self.tokens += bill.tokens
        self.spent_usd += bill.usd
        self.is_estimated |= bill.is_estimated
        if bill.told.usd is None:
            self.usd = None
        elif self.usd is not None:
            self.usd += bill.usd


OnModelThought = Callable[[str], Awaitable[None]]


class Mind:
    """Asks a language model to think a question over.

    Args:
        model: Whom to ask.
        purse: Our pools.
        allowance: The most that a decision may spend.
        redact: What takes secrets and host names out of prompts.
        sleep: Waits some seconds before a second attempt.
        jitter: A number from 0 to 1.
        timer: Seconds.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        purse: Purse | None = None,
        allowance: Allowance | None = None,
        redact: Redactor | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        jitter: Callable[[], float] = random.random,
        timer: Timer = time.monotonic,
    ) -> None:
        self._model = model
        self._purse = purse or OpenPurse()
        self._allowance = allowance or Allowance()
        self._redact = redact or Redactor()
        self._sleep = sleep
        self._jitter = jitter
        self._timer = timer

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._model.upstream.model

    @property
    def prompt(self) -> str:
        """Version of the prompt."""
        return PROMPT

    async def warm_up(self) -> None:
        """Have ready what the first question needs."""
        await self._model.warm_up()

    async def close(self) -> None:
        """Close the connections to the model."""
        await self._model.close()

    async def consider(
        self,
        question: Question,
        opinion: Opinion,
        *,
        within: timedelta,
        on_thought: OnModelThought,
    ) -> None:
        """Let the model choose. Whatever ends it, all that was reserved has been settled.

        Args:
            question: With two candidates or more.
            opinion: Filled as it forms; at the end complete, or with the problem that ended it.
            within: Deadline of all of it.
            on_thought: Told of each accepted thought.
        """
        deadline = self._timer() + within.total_seconds()
        turn = _Turn(question, shortlist(question), deadline, opinion)
        opinion.problem = "timeout"
        with anyio.move_on_after(within.total_seconds()):
            try:
                await self._converse(turn, on_thought)
            except ModelError as error:
                logger.warning("thinking over %s: %s", question.decision_id, error)
                opinion.problem = error.problem
            except Exception:
                logger.exception("thinking over %s failed", question.decision_id)
                opinion.problem = "upstream"

    async def _converse(self, turn: "_Turn", on_thought: OnModelThought) -> None:
        opinion = turn.opinion
        messages = first_messages(turn.question, turn.shown, self._redact)
        while True:
            answer, text = await self._thought(turn, messages)
            chosen = turn.shown.get(answer.candidate_id)
            thought = plain(answer.thought, MAX_THOUGHT_CHARS)
            opinion.thoughts.append(thought)
            await on_thought(thought)
            messages = messages + next_messages(text, "continue")
            is_last = (
                not answer.next_thought_needed
                or len(opinion.thoughts) >= self._allowance.thoughts
                or not self._affords(turn, self._reservation(messages, self._allowance.max_tokens))
            )
            if is_last:
                opinion.choice = chosen.id if chosen else None
                opinion.said = answer.candidate_id
                opinion.problem = None
                return

    async def _thought(self, turn: "_Turn", messages: list[Message]) -> tuple[Answer, str]:
        """One answer of the asked shape, after one repair if need be."""
        limit = self._allowance.max_tokens
        reply = await self._ask(turn, messages, limit)
        answer = None if reply.is_cut else read_answer(reply.text)
        if answer is not None:
            return answer, reply.text
        # Some servers refuse an empty turn, which is what is left of a model that only reasoned.
        again = messages + next_messages(reply.text, "repair") if reply.text else messages
        if self._affords(turn, self._reservation(again, 2 * limit)):
            reply = await self._ask(turn, again, 2 * limit)
            answer = read_answer(reply.text)
            if answer is not None:
                return answer, reply.text
        raise ModelError(problem="invalid_output", detail=_not_whole(reply))

    async def _ask(self, turn: "_Turn", messages: list[Message], max_tokens: int) -> Reply:
        """One request, and a second one when the first failure allows it."""
        try:
            return await self._request(turn, messages, max_tokens, attempt=0)
        except ModelError as error:
            wait_s = self._wait(error, turn.deadline - self._timer())
            if wait_s is None:
                raise
        await self._sleep(wait_s)
        reply = await self._request(turn, messages, max_tokens, attempt=1)
        turn.opinion.was_retried = True
        return reply

    def _wait(self, error: ModelError, left_s: float) -> float | None:
        """Seconds until another attempt; None when there is none."""
        if error.problem == "rate_limited" and error.retry_after_s is not None:
            wait_s = error.retry_after_s
        elif error.problem == "upstream":
            wait_s = 0.1 + 0.3 * self._jitter()
        elif error.problem == "rejected" and self._model.upstream.fallback_models:
            wait_s = 0.0
        else:
            return None
        return wait_s if wait_s <= left_s else None

    async def _request(
        self, turn: "_Turn", messages: list[Message], max_tokens: int, *, attempt: int
    ) -> Reply:
        """Reserve, ask, settle."""
        tokens = self._reservation(messages, max_tokens)
        usd = self._share(tokens)
        if not self._affords(turn, tokens):
            raise ModelError(problem="budget", detail=f"{tokens} tokens are more than are left")
        self._model.check()
        purse = self._purse
        reservation = await purse.reserve(turn.question.decision_id, tokens=tokens, usd=usd)
        if reservation is None:
            raise ModelError(problem="budget", detail=f"no pool has {tokens} tokens, {usd:.4f} USD")
        told = NOT_TOLD
        try:
            reply = await self._model.ask(
                messages,
                schema=answer_schema(list(turn.shown)),
                max_tokens=max_tokens,
                reserved_tokens=tokens,
                within=self._allowance.call_within,
                attempt=attempt,
            )
            told = reply.usage
            turn.opinion.model = reply.model
            return reply
        except ModelError as error:
            told = error.usage
            raise
        finally:
            bill = Bill.of(told, tokens=tokens, usd=usd)
            turn.opinion.count(bill)
            with anyio.move_on_after(SETTLE_WITHIN_S, shield=True):
                await purse.settle(
                    reservation,
                    tokens=bill.tokens,
                    usd=bill.usd,
                    is_estimated=bill.is_estimated,
                )

    def _reservation(self, messages: list[Message], max_tokens: int) -> int:
        return count_tokens(messages) + max_tokens

    def _share(self, tokens: int) -> float:
        return self._allowance.usd * tokens / self._allowance.tokens

    def _affords(self, turn: "_Turn", tokens: int) -> bool:
        return (
            turn.opinion.tokens + tokens <= self._allowance.tokens
            and turn.opinion.spent_usd + self._share(tokens) <= self._allowance.usd * (1 + 1e-9)
        )


def mind_at(
    *,
    base_url: str,
    model: str,
    key: str | None,
    fallback_models: tuple[str, ...] = (),
    allow_insecure: bool = False,
    rate: RateLimit | None = None,
    purse: Purse | None = None,
    allowance: Allowance | None = None,
    redact: Redactor | None = None,
) -> "Mind | None":
    """The mind that the settings describe; None when they describe none.

    Args:
        base_url: The API's root. OpenRouter needs a key; a server of one's own may not.
        model: Whom to ask.
        key: The API key.
        fallback_models: Asked when an attempt failed.
        allow_insecure: Whether plain HTTP may leave this machine.
        rate: Requests and tokens a minute.
        purse: Our pools.
        allowance: The most that a decision may spend.
        redact: What takes secrets and host names out of prompts.

    Raises:
        ConfigurationError: The URL is none, or is plain HTTP to another machine.
    """
    if not model or (key is None and base_url.rstrip("/") == OPENROUTER):
        return None
    upstream = Upstream(
        base_url=base_url,
        model=model,
        key=key,
        fallback_models=fallback_models,
        allow_insecure=allow_insecure,
    )
    model_there = LanguageModel(upstream, rate=rate)
    return Mind(model_there, purse=purse, allowance=allowance, redact=redact)


def _not_whole(reply: Reply) -> str:
    """Why there is no answer; a model that reasons may spend all that it may say on that."""
    if not reply.is_cut:
        return "no JSON object of the asked shape"
    reasoned = f", {reply.usage.reasoning} of them reasoning" if reply.usage.reasoning else ""
    return f"cut off before the end of its answer ({reply.usage.tokens} tokens{reasoned})"


@dataclass
class _Turn:
    """One decision's conversation."""

    question: Question
    shown: Mapping[str, Candidate]
    deadline: float
    opinion: Opinion
