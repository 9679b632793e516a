"""What an OpenAI-compatible server answers, and what went wrong when it does not (pure)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optimizer.errors import DependencyError
from optimizer.thinking.thoughts import plain

ModelProblem = Literal[
    "auth", "credits", "rate_limited", "upstream", "timeout", "invalid_output", "rejected", "budget"
]
"""rejected: the server does not take the request as it is, for example its model; budget: ours."""


@dataclass(frozen=True)
class Usage:
    """What a request took.

    Attributes:
        tokens: Prompt and completion together, reasoning included; None when it is not known.
        usd: Dollars; None when they are not known, never a guess.
        reasoning: Tokens of the completion that were reasoning; None when not told.
    """

    tokens: int | None = None
    usd: float | None = None
    reasoning: int | None = None


NOTHING_SPENT = Usage(tokens=0, usd=0.0)
NOT_TOLD = Usage()


class ModelError(DependencyError):
    """A language model gave no usable answer.

    Args:
        problem: What kind of failure; programs compare this.
        detail: What was seen.
        retry_after_s: When the server wants to be asked again, in seconds; None when it said
            nothing.
        usage: What it took all the same.
    """

    code = "language_model_unavailable"

    def __init__(
        self,
        *,
        problem: ModelProblem,
        detail: str,
        retry_after_s: float | None = None,
        usage: Usage = NOTHING_SPENT,
    ) -> None:
        self.problem, self.detail = problem, detail
        self.retry_after_s, self.usage = retry_after_s, usage
        super().__init__(f"the language model gave no answer ({problem}): {detail}")


@dataclass(frozen=True)
class Reply:
    """One completion.

    Attributes:
        text: What the model said.
        is_cut: Whether it ran into max_tokens.
        usage: What it took.
        model: Which model answered, as the server says; it may be one that stands in.
    """

    text: str
    is_cut: bool
    usage: Usage
    model: str | None


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
        raise _failure(status, body, f"HTTP {status}", wait_s)
    if not isinstance(body, dict):
        raise ModelError(problem="upstream", detail="its answer is no JSON object", usage=NOT_TOLD)
    usage = _used(_dict(body.get("usage")))
    choice = _first(body.get("choices"))
    reason, error = choice.get("finish_reason"), body.get("error") or choice.get("error")
    if error or reason == "error":
        raise _failure(_code(error), {"error": error}, "an error in a 200", wait_s, usage)
    message = _dict(choice.get("message"))
    if reason == "content_filter" or message.get("refusal"):
        detail = "a content filter stopped it, or the model refused"
        raise ModelError(problem="rejected", detail=detail, usage=usage)
    content, model = message.get("content"), body.get("model")
    return Reply(
        text=content if isinstance(content, str) else "",
        is_cut=reason == "length",
        usage=usage,
        model=plain(model, 100) if isinstance(model, str) and model else None,
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


def _failure(
    code: int, body: object, otherwise: str, wait_s: float | None, usage: Usage = NOT_TOLD
) -> ModelError:
    """What a status code means, whether it came as the status or inside a 200.

    OpenRouter also answers 403 where a filter flagged the input; then a key is not to blame.
    """
    error = _dict(_dict(body).get("error"))
    metadata = _dict(error.get("metadata"))
    is_flagged = bool(metadata.get("reasons") or metadata.get("flagged_input"))
    problem: ModelProblem = "upstream"
    if code == 401 or (code == 403 and not is_flagged):
        problem = "auth"
    elif code == 402 and wait_s is None:
        problem = "credits"
    elif code in (402, 429) or (code == 503 and wait_s is not None):
        problem = "rate_limited"
    elif 400 <= code < 500 and code != 408:
        problem = "rejected"
    if problem != "upstream" and usage == NOT_TOLD:
        usage = NOTHING_SPENT
    detail = (_message(body) or otherwise)[:200]
    return ModelError(problem=problem, detail=detail, retry_after_s=wait_s, usage=usage)


def _used(usage: Mapping[str, Any]) -> Usage:
    """A usage block; what is absent or no amount stays unknown.

    With a key of one's own at the provider (`is_byok`), `cost` is OpenRouter's fee alone.
    """
    usd = _amount(usage.get("cost"))
    if usage.get("is_byok") is True:
        paid = _amount(_dict(usage.get("cost_details")).get("upstream_inference_cost"))
        usd = None if usd is None or paid is None else usd + paid
    return Usage(
        tokens=_count(usage.get("total_tokens")),
        usd=usd,
        reasoning=_count(_dict(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _count(value: object) -> int | None:
    amount = _amount(value)
    return None if amount is None else int(amount)


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e12 else None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


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
