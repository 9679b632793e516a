"""What an OpenAI-compatible server answers, and what went wrong when it does not (pure)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optimizer.errors import DependencyError

ModelProblem = Literal[
    "auth", "credits", "rate_limited", "upstream", "timeout", "invalid_output", "rejected", "budget"
]
"""rejected: the server does not take the request as it is, for example its model; budget: ours."""


class ModelError(DependencyError):
    """A language model gave no usable answer.

    Args:
        problem: What kind of failure; programs compare this.
        detail: What was seen.
        retry_after_s: When the server wants to be asked again, in seconds; None when it said
            nothing.
        may_have_cost: Whether tokens may have been spent that no usage tells of.
    """

    code = "language_model_unavailable"

    def __init__(
        self,
        *,
        problem: ModelProblem,
        detail: str,
        retry_after_s: float | None = None,
        may_have_cost: bool = False,
    ) -> None:
        self.problem, self.detail = problem, detail
        self.retry_after_s, self.may_have_cost = retry_after_s, may_have_cost
        super().__init__(f"the language model gave no answer ({problem}): {detail}")


@dataclass(frozen=True)
class Reply:
    """One completion.

    Attributes:
        text: What the model said.
        is_cut: Whether it ran into max_tokens.
        tokens: Prompt and completion together; None when the server does not say.
        usd: What it cost; None when the server does not say.
    """

    text: str
    is_cut: bool
    tokens: int | None
    usd: float | None


class Answer(BaseModel):
    """What a model says in one thought; what it adds beside that is passed over."""

    model_config = ConfigDict(frozen=True, strict=True)

    thought: str = Field(min_length=1)
    candidate_id: str
    next_thought_needed: bool


def read_reply(status: int, headers: Mapping[str, str], text: str, *, now: datetime) -> Reply:
    """Read an HTTP answer.

    Args:
        status: HTTP status.
        headers: Its headers, with names in lower case.
        text: Its body.
        now: For a Retry-After that is a date.

    Raises:
        ModelError: It is an error, also one that came with status 200.
    """
    wait_s = retry_after(headers, now)
    body = _json(text)
    if status >= 400:
        raise _failure(status, _message(body) or f"HTTP {status}", wait_s)
    if not isinstance(body, dict):
        raise ModelError(
            problem="upstream", detail="its answer is no JSON object", may_have_cost=True
        )
    choice = _first(body.get("choices"))
    error = body.get("error") or choice.get("error")
    if error or choice.get("finish_reason") == "error":
        raise _failure(_code(error), _message({"error": error}) or "an error in a 200", wait_s)
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    usage = body.get("usage")
    tokens, usd = _used(usage if isinstance(usage, dict) else {})
    return Reply(
        text=content if isinstance(content, str) else "",
        is_cut=choice.get("finish_reason") == "length",
        tokens=tokens,
        usd=usd,
    )


def read_answer(text: str) -> Answer | None:
    """The JSON object in a model's text; None when there is no whole one of the asked shape."""
    start, end = text.find("{"), text.rfind("}")
    body = _json(text[start : end + 1]) if 0 <= start < end else None
    try:
        return Answer.model_validate(body)
    except ValidationError:
        return None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None when there is none."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _failure(code: int, detail: str, wait_s: float | None) -> ModelError:
    """What a status code means, whether it came as the status or inside a 200."""
    problem: ModelProblem = "upstream"
    if code in (401, 403):
        problem = "auth"
    elif code == 402 and wait_s is None:
        problem = "credits"
    elif code in (402, 429) or (code == 503 and wait_s is not None):
        problem = "rate_limited"
    elif 400 <= code < 500 and code != 408:
        problem = "rejected"
    return ModelError(
        problem=problem,
        detail=detail[:200],
        retry_after_s=wait_s,
        may_have_cost=problem == "upstream",
    )


def _used(usage: Mapping[str, Any]) -> tuple[int | None, float | None]:
    """Tokens and dollars of a usage block; what is absent or no amount stays unknown."""
    tokens, usd = _amount(usage.get("total_tokens")), _amount(usage.get("cost"))
    return None if tokens is None else int(tokens), usd


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e12 else None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _first(choices: object) -> Mapping[str, Any]:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _code(error: object) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 500


def _message(body: object) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""
