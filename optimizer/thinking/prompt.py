"""What a language model is shown: at most five candidates, their numbers, and fenced words (pure).

The prompts are files, `prompts/NAME.vN.md`; a changed prompt is a new file, so that a stored
decision can say which one it saw.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from optimizer.thinking.question import Candidate, Question
from optimizer.thinking.thoughts import number, plain

PROMPT = "choose.v2"

MAX_CANDIDATES = 5
MAX_THOUGHT_CHARS = 300
_MAX_FACTS, _FACT_CHARS = 8, 200
_MAX_EXPERIENCE = 3
_CONTEXT_CHARS = 1200

Message = dict[str, str]

_FENCE = re.compile(r"<(?=\s*/?\s*untrusted)", re.IGNORECASE)

_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}")

_KEYS = (
    re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA)[-_A-Za-z0-9]{8,}"),
    re.compile(r"\bBearer\s+\S+", re.IGNORECASE),
    re.compile(r"(?<=://)[^\s/@]+(?=@)"),
)
"""API keys, bearer tokens, and who logs in by a URL."""

_HOSTS = (
    re.compile(r"\b[a-z]+://[^\s/]+", re.IGNORECASE),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re.compile(r"\b[\w-]+(?:\.[\w-]+)*\.(?:local|internal|lan|corp|home|localdomain)\b", re.I),
)
"""Hosts of URLs, IPv4 addresses, and names of private networks."""

HIDDEN = "[hidden]"


@dataclass(frozen=True)
class Redactor:
    """Takes out what a stranger's computer should not see.

    Attributes:
        hosts: Names of machines to take out.
        may_name_hosts: Whether the operator allows names and addresses of machines to be sent; keys
            are taken out all the same.
    """

    hosts: tuple[str, ...] = ()
    may_name_hosts: bool = False

    def __call__(self, text: str) -> str:
        """The text without keys, addresses and host names."""
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return text

    @property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        if self.may_name_hosts:
            return _KEYS
        named = (re.compile(re.escape(host), re.IGNORECASE) for host in self.hosts if host)
        return (*named, *_KEYS, *_HOSTS)


def shortlist(question: Question) -> dict[str, Candidate]:
    """The candidates that a model is shown, by the id under which it sees them.

    An id that is no plain word may be an instruction in disguise; it is replaced by its rank.
    """
    shown = {}
    for rank, candidate in enumerate(question.candidates[:MAX_CANDIDATES], start=1):
        is_plain = _PLAIN_ID.fullmatch(candidate.id) is not None and candidate.id not in shown
        shown[candidate.id if is_plain else f"candidate-{rank}"] = candidate
    return shown


def first_messages(
    question: Question, shown: Mapping[str, Candidate], redact: Redactor
) -> list[Message]:
    """The conversation's beginning.

    Args:
        question: What is decided.
        shown: The candidates of `shortlist`.
        redact: What takes out secrets and host names.
    """
    parts = _parts(PROMPT)
    filled = Template(parts["user"]).substitute(
        topic=question.topic.replace("_", " "),
        situation=_lines(question.situation[:_MAX_FACTS], redact),
        outlook=_lines(question.outlook[:_MAX_FACTS], redact),
        context=_fenced(question.context, redact, _CONTEXT_CHARS) or "nothing",
        experience=_lines(question.experience[:_MAX_EXPERIENCE], redact),
        candidates="\n".join(_row(name, c, redact) for name, c in shown.items()),
        reason=_fenced(question.chosen_because, redact),
    )
    return [{"role": "system", "content": parts["system"]}, {"role": "user", "content": filled}]


def next_messages(answer: str, part: str) -> list[Message]:
    """What follows an answer.

    Args:
        answer: What the model said.
        part: `continue` or `repair`.
    """
    return [
        {"role": "assistant", "content": answer[: 4 * MAX_THOUGHT_CHARS]},
        {"role": "user", "content": _parts(PROMPT)[part]},
    ]


def answer_schema(ids: Sequence[str]) -> dict[str, Any]:
    """JSON schema of an answer: the model chooses among the ids, and supplies no number."""
    return {
        "type": "object",
        "properties": {
            "thought": {"type": "string", "maxLength": MAX_THOUGHT_CHARS},
            "candidate_id": {"type": "string", "enum": list(ids)},
            "next_thought_needed": {"type": "boolean"},
        },
        "required": ["thought", "candidate_id", "next_thought_needed"],
        "additionalProperties": False,
    }


def count_tokens(messages: Sequence[Message]) -> int:
    """An upper estimate of a conversation's tokens: 3 bytes each, and 8 for every message.

    English takes about 4 bytes a token; the reservation is settled to what was really used.
    """
    return sum(len(message["content"].encode()) // 3 + 8 for message in messages)


def _row(name: str, candidate: Candidate, redact: Redactor) -> str:
    figures = ", ".join(
        f"{plain(figure, 40)} {number(value)}"
        for figure, value in list(candidate.figures.items())[:8]
    )
    return f"- {name}: {_fenced(candidate.summary, redact)} ({_fenced(figures, redact)})"


def _lines(facts: Sequence[str], redact: Redactor) -> str:
    return "\n".join(f"- {_fenced(fact, redact)}" for fact in facts) or "- nothing is known"


def _fenced(text: str, redact: Redactor, limit: int = _FACT_CHARS) -> str:
    """A stranger's text on one line, without anything that could close its fence."""
    return _FENCE.sub("(", plain(redact(text), limit))


@cache
def _parts(name: str) -> dict[str, str]:
    """The parts of a prompt file, by the headings that begin them."""
    text = files("optimizer.thinking").joinpath("prompts", f"{name}.md").read_text("utf-8")
    parts = re.split(r"^# (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {heading: body.strip() for heading, body in zip(parts[::2], parts[1::2], strict=True)}
