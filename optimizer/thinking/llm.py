"""A language model behind OpenRouter or any other server with OpenAI's API (I/O).

One request, one answer, one deadline. The SDK's own time limit (600 s) and retries (2) are switched
off; whether to ask again is decided where the money is counted, in `mind.py`.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2

from optimizer.clock import Clock, utc_now
from optimizer.errors import ConfigurationError
from optimizer.mcp_client.http import bounded_client, is_loopback, shown_url
from optimizer.mcp_client.link import PerLoop
from optimizer.thinking.breaker import CircuitBreaker, Timer
from optimizer.thinking.prompt import Message
from optimizer.thinking.reply import (
    NOT_TOLD,
    NOTHING_SPENT,
    ModelError,
    ModelProblem,
    Reply,
    read_reply,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENROUTER = "https://openrouter.ai/api/v1"

MAX_BODY_BYTES = 2**20

REASONS_NOT = {"enabled": False}
REASONS_LITTLE = {"effort": "low", "exclude": True}
"""OpenRouter's `reasoning`: what a model reasons counts against max_tokens, of which a thought has
few, so it is switched off, and kept low with models that refuse that (HTTP 400).

Source: openrouter.ai/docs/guides/best-practices/reasoning-tokens.
"""

LONG_REST_S = 600.0
"""How long a refused key or an empty account is left alone."""

_FOR_LONG: frozenset[ModelProblem] = frozenset({"auth", "credits"})
_FOR_A_WHILE: frozenset[ModelProblem] = frozenset({"upstream", "timeout", "rate_limited"})


@dataclass(frozen=True)
class Upstream:
    """Where a language model is, and how to ask it.

    Attributes:
        base_url: The API's root, for example `https://openrouter.ai/api/v1`.
        model: Its name there.
        key: The API key; None sends none, as a server of one's own may need none.
        fallback_models: Asked in turn when an attempt failed and there is time for another.
        allow_insecure: Whether a key may go over plain HTTP to another machine.
        referer: Sent as HTTP-Referer, which OpenRouter shows beside the usage.
        title: Sent as X-Title.

    Raises:
        ConfigurationError: The URL is none, or is plain HTTP to another machine.
    """

    base_url: str
    model: str
    key: str | None = None
    fallback_models: tuple[str, ...] = ()
    allow_insecure: bool = False
    referer: str = "https://github.com/sequential-resource-optimization"
    title: str = "Sequential Resource Optimization"

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                setting="OPENROUTER_BASE_URL",
                problem=f"{shown_url(self.base_url)!r} is no URL",
                fix=f"write one that begins with https, for example {OPENROUTER}",
            )
        if parts.scheme == "http" and not is_loopback(parts.hostname) and not self.allow_insecure:
            raise ConfigurationError(
                setting="OPENROUTER_BASE_URL",
                problem=f"{shown_url(self.base_url)} would carry key and prompt in the clear",
                fix="use https, or set ALLOW_INSECURE_UPSTREAM=true for a network that you trust",
            )

    @property
    def is_openrouter(self) -> bool:
        """Whether it knows OpenRouter's own parameters; others may refuse what they do not know."""
        host = urlsplit(self.base_url).hostname or ""
        return host == "openrouter.ai" or host.endswith(".openrouter.ai")

    @property
    def models(self) -> tuple[str, ...]:
        """The model and those that stand in for it."""
        return (self.model, *self.fallback_models)

    def __repr__(self) -> str:
        """Without the key."""
        return f"Upstream({shown_url(self.base_url)!r}, {self.model!r})"


class RateLimit:
    """So many requests and tokens in any minute.

    Args:
        requests: The most requests; None for no limit.
        tokens: The most tokens; None for no limit.
        timer: Seconds.
    """

    def __init__(
        self,
        *,
        requests: int | None = None,
        tokens: int | None = None,
        timer: Timer = time.monotonic,
    ) -> None:
        self._requests, self._tokens = requests, tokens
        self._timer = timer
        self._spent: deque[tuple[float, int]] = deque()

    def admit(self, tokens: int) -> bool:
        """Whether a request of so many tokens may go out now; it is counted if it may."""
        now = self._timer()
        while self._spent and self._spent[0][0] <= now - 60:
            self._spent.popleft()
        if self._requests is not None and len(self._spent) >= self._requests:
            return False
        spent = sum(count for _, count in self._spent)
        if self._tokens is not None and spent + tokens > self._tokens:
            return False
        self._spent.append((now, tokens))
        return True


class LanguageModel:
    """Asks one upstream, and leaves it alone while it fails.

    Args:
        upstream: Where it is.
        breaker: Opens after five failures in a row, or one that money or a key must mend.
        rate: Requests and tokens a minute.
        clock: For a Retry-After that is a date.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        breaker: CircuitBreaker | None = None,
        rate: RateLimit | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.upstream = upstream
        self._breaker = breaker or CircuitBreaker()
        self._rate = rate or RateLimit()
        self._clock = clock
        self._opened_by: ModelProblem = "upstream"
        self._always_reason: set[str] = set()
        self._clients: PerLoop[_LazyClient] = PerLoop(lambda: _LazyClient(upstream))

    def check(self) -> None:
        """Refuse while the upstream is left alone, before anything is set aside for a request.

        Raises:
            ModelError: It failed too often, or a key or money is missing.
        """
        if self._breaker.open_for_s > 0:
            raise self._left_alone()

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        schema: dict[str, Any],
        max_tokens: int,
        reserved_tokens: int,
        within: timedelta,
        attempt: int = 0,
    ) -> Reply:
        """Send one request.

        Args:
            messages: The conversation.
            schema: JSON schema of the answer.
            max_tokens: The most that the model may say.
            reserved_tokens: What the request is counted as in the rate limit.
            within: Deadline of the whole answer.
            attempt: 0 asks the model, 1 the first that stands in for it.

        Raises:
            ModelError: No usable answer came; the breaker has counted it.
        """
        if not self._breaker.admit():
            raise self._left_alone()
        if not self._rate.admit(reserved_tokens):
            raise ModelError(problem="rate_limited", detail="our own limit a minute is reached")
        models = self.upstream.models
        try:
            reply = await self._answer(
                {
                    "model": models[min(attempt, len(models) - 1)],
                    "messages": list(messages),
                    "max_tokens": max_tokens,
                    "temperature": 0,
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "thought", "strict": True, "schema": schema},
                    },
                },
                within,
            )
        except ModelError as error:
            self._count(error.problem)
            raise
        self._breaker.succeeded()
        return reply

    async def warm_up(self) -> None:
        """Import the SDK, which takes seconds on a busy machine, before the first question."""
        await self._clients.get().made()

    async def close(self) -> None:
        """Close the connections of the running event loop; the next question opens new ones."""
        client = self._clients.take()
        if client is not None:
            await client.close()

    async def _answer(self, request: dict[str, Any], within: timedelta) -> Reply:
        """Send a request, and once more when its model turns out to reason always."""
        if not self.upstream.is_openrouter:
            return await self._send(request, within)
        model = request["model"]
        try:
            return await self._send(request | self._reasoning(model), within)
        except ModelError as error:
            is_bound = error.problem == "rejected" and "reasoning" in error.detail.lower()
            if model in self._always_reason or not is_bound:
                raise
            self._always_reason.add(model)
        return await self._send(request | self._reasoning(model), within)

    def _reasoning(self, model: str) -> dict[str, Any]:
        how = REASONS_LITTLE if model in self._always_reason else REASONS_NOT
        return {"extra_body": {"reasoning": how}}

    async def _send(self, request: dict[str, Any], within: timedelta) -> Reply:
        limit_s = within.total_seconds()
        try:
            with anyio.fail_after(limit_s):
                status, headers, text = await self._clients.get().post(request)
        except TimeoutError:
            raise ModelError(
                problem="timeout", detail=f"no answer within {limit_s:.3g} s", usage=NOT_TOLD
            ) from None
        return read_reply(status, headers, text, now=self._clock())

    def _left_alone(self) -> ModelError:
        return ModelError(
            problem=self._opened_by,
            detail=f"left alone for another {self._breaker.open_for_s:.0f} s",
        )

    def _count(self, problem: ModelProblem) -> None:
        if problem in _FOR_LONG:
            self._opened_by = problem
            self._breaker.trip(LONG_REST_S)
        elif problem in _FOR_A_WHILE:
            self._opened_by = problem
            self._breaker.failed()


class _LazyClient:
    """The SDK's client, imported and made when an event loop first needs it."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._client: AsyncOpenAI | None = None
        self._making = anyio.Lock()

    async def post(self, request: dict[str, Any]) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of the answer, whatever its status.

        Raises:
            ModelError: There is no whole answer.
        """
        client = await self.made()
        import openai

        if self._upstream.key is None:
            request = request | {"extra_headers": {"Authorization": openai.Omit()}}
        try:
            raw = await client.chat.completions.with_raw_response.create(**request)
            response = raw.http_response
            text = response.text
        except openai.APIStatusError as error:
            response, text = error.response, error.response.text
        except (openai.APIError, httpx2.HTTPError, UnicodeError) as error:
            raise ModelError(
                problem="upstream",
                detail=f"the connection broke ({type(error.__cause__ or error).__name__})",
                usage=NOTHING_SPENT if _was_refused(error) else NOT_TOLD,
            ) from error
        return response.status_code, dict(response.headers), text

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def made(self) -> "AsyncOpenAI":
        """Import takes half a second, so it goes to a thread."""
        async with self._making:
            if self._client is None:
                self._client = await anyio.to_thread.run_sync(_make_client, self._upstream)
            return self._client


def _make_client(upstream: Upstream) -> "AsyncOpenAI":
    import openai

    return openai.AsyncOpenAI(
        base_url=upstream.base_url,
        api_key=upstream.key or "none",
        max_retries=0,
        timeout=None,
        default_headers={"HTTP-Referer": upstream.referer, "X-Title": upstream.title},
        http_client=bounded_client(upstream.base_url, max_body_bytes=MAX_BODY_BYTES, timeout=None),
    )


def _was_refused(error: BaseException) -> bool:
    """Whether no connection was made, so that nothing can have been spent."""
    return isinstance(error.__cause__ or error, httpx2.ConnectError)
