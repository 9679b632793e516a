"""What a task needs, as the caller says it, with a stated default for everything left out."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)

from optimizer.cost_benefit.reading import read
from optimizer.cost_benefit.words import task_words
from optimizer.prices import MODELS

Complexity = Literal["low", "medium", "high"]
Mode = Literal["single", "fallback_chain", "set"]
Risk = Literal["neutral", "cautious", "explore"]

EXPECTED_CALLS: dict[Complexity, int] = {"low": 1, "medium": 2, "high": 4}
"""The 10th, 50th and 90th percentile of annotated tool calls per task in LiveMCPBench."""

DEVELOPER_USD_PER_HOUR = 63.98
WAGE_SOURCE = "a developer's median wage, 63.98 USD/h (US BLS, May 2024)"
_MODEL = MODELS["anthropic/claude-sonnet-4"]
MODEL_USD_PER_TOKEN = _MODEL.usd_per_million_prompt_tokens / 1e6
TOKEN_SOURCE = (
    f"default: Claude Sonnet 4's input, {_MODEL.usd_per_million_prompt_tokens:g} USD per million "
    f"({_MODEL.source}, {_MODEL.date})"
)

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Usd = Annotated[FiniteFloat, Field(ge=0, le=1e9)]


class Assumption(BaseModel):
    """A coefficient of the utility: its value, and who or what set it."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    unit: str
    source: str


MAX_PARTS = 16
_BETWEEN_PARTS = re.compile(
    r"(?:[.,;!?\n]+(?:\s|$))?\s*\b(?:and|then|also)\s+|[.,;!?\n]+(?:\s|$)", re.IGNORECASE
)


def parts_of(task: str) -> tuple[str, ...]:
    """The parts of a task that may need servers of their own: its sentences and clauses."""
    parts = (" ".join(part.split()) for part in _BETWEEN_PARTS.split(task))
    return tuple(dict.fromkeys(part[:200] for part in parts if task_words(part)))[:MAX_PARTS]


class Requirements(BaseModel):
    """What a task needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task: Annotated[str, Field(max_length=10_000)] = Field(
        "",
        description="The task in words; candidates are matched with it.",
        validation_alias=AliasChoices("task", "task_text", "text", "description"),
    )
    complexity: Complexity = Field(
        "medium", description="low, medium, high: 1, 2, 4 expected calls, and one turn more."
    )
    budget: Usd | None = Field(
        None,
        description="USD that may be spent on calls.",
        validation_alias=AliasChoices("budget", "budget_usd"),
    )
    budget_per: Literal["task", "call"] = Field("task", description="What the budget is for.")
    performance_target: Share | None = Field(
        None, description="Least claimed performance, 0 to 1; below it a candidate is rejected."
    )
    max_latency_ms: Annotated[FiniteFloat, Field(gt=0)] | None = Field(
        None, description="Most milliseconds of a call (p95 where known)."
    )
    min_reliability: Share | None = Field(
        None,
        description="Least share of calls that succeed, held against the lower 90 % bound.",
    )
    capabilities: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
        Field(max_length=16, strict=False),
    ] = Field((), description="What must be offered; in mode set, by the set together.")
    max_context_tokens: Annotated[FiniteFloat, Field(gt=0)] | None = Field(
        None, description="Most tokens of tool lists in the model's context."
    )
    value_of_success_usd: Usd | None = Field(
        None, description="What the done task is worth; default a developer's minute per call."
    )
    expected_calls: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Calls that the task takes; default by complexity."
    )
    turns: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Model turns that carry the tool list; default calls + 1."
    )
    usd_per_second_waiting: Usd | None = Field(
        None, description="What a second of waiting costs; default a developer's wage."
    )
    usd_per_context_token: Usd | None = Field(
        None, description="What a token of context costs; default Claude Sonnet 4 input."
    )
    unknown_cost_usd: Usd = Field(0.0, description="USD per call to charge an unknown cost as.")
    unknown_latency_ms: Annotated[FiniteFloat, Field(ge=0)] = Field(
        0.0, description="Milliseconds to charge an unknown latency as."
    )
    min_relevance: Share | None = Field(
        None, description="Least match with the task, 0 to 1; default from the calibration."
    )
    mode: Mode = Field("single", description="One server, an order to try, or a set.")
    risk: Risk = Field(
        "neutral",
        description="neutral: expected success; cautious: its lower bound; explore: a seeded draw.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of every draw.")

    @model_validator(mode="after")
    def _a_set_has_something_to_cover(self) -> Self:
        if self.mode == "set" and not self.needed:
            raise ValueError(
                "mode set needs capabilities, the list that the set must cover, or a task, whose "
                "parts are covered then"
            )
        return self

    @property
    def is_by_parts(self) -> bool:
        """Whether a set is matched with each part of the task, rather than with the whole."""
        return self.mode == "set" and not self.capabilities

    @property
    def needed(self) -> tuple[str, ...]:
        """What must be offered: the capabilities, else for a set the parts of the task."""
        return parts_of(self.task) if self.is_by_parts else self.capabilities

    @property
    def calls(self) -> int:
        """Calls that the task is expected to take."""
        return self.expected_calls or EXPECTED_CALLS[self.complexity]

    @property
    def model_turns(self) -> int:
        """Model turns: one per call and one for the answer, unless the caller says."""
        return self.turns or self.calls + 1

    @property
    def value_usd(self) -> float:
        """What success is worth in USD."""
        if self.value_of_success_usd is not None:
            return self.value_of_success_usd
        return self.calls * DEVELOPER_USD_PER_HOUR / 60

    @property
    def waiting_usd_per_s(self) -> float:
        """What a second of waiting costs in USD."""
        if self.usd_per_second_waiting is not None:
            return self.usd_per_second_waiting
        return DEVELOPER_USD_PER_HOUR / 3600

    @property
    def context_usd_per_token(self) -> float:
        """What a token of context costs in USD."""
        if self.usd_per_context_token is not None:
            return self.usd_per_context_token
        return MODEL_USD_PER_TOKEN

    @property
    def budget_usd_per_task(self) -> float | None:
        """USD that the calls of one task may cost together."""
        if self.budget is None:
            return None
        return self.budget if self.budget_per == "task" else self.budget * self.calls

    def assumptions(self) -> list[Assumption]:
        """Every coefficient of the utility with its source."""
        return [
            self._assumption(
                "value_of_success_usd",
                self.value_usd,
                "USD per task",
                f"default: a minute saved per call, at {WAGE_SOURCE}",
            ),
            self._assumption("expected_calls", self.calls, "calls per task", self._calls_source),
            self._assumption(
                "turns", self.model_turns, "model turns per task", "expected_calls + 1, the answer"
            ),
            self._assumption(
                "usd_per_second_waiting",
                self.waiting_usd_per_s,
                "USD per second",
                f"default: {WAGE_SOURCE}",
            ),
            self._assumption(
                "usd_per_context_token",
                self.context_usd_per_token,
                "USD per token and turn",
                TOKEN_SOURCE,
            ),
            self._assumption(
                "unknown_cost_usd", self.unknown_cost_usd, "USD per call", "default: not charged"
            ),
            self._assumption(
                "unknown_latency_ms", self.unknown_latency_ms, "ms per call", "default: not charged"
            ),
        ]

    @property
    def _calls_source(self) -> str:
        return (
            f"complexity {self.complexity} of low 1, medium 2, high 4 (10th, 50th, 90th percentile "
            "in LiveMCPBench)"
        )

    def _assumption(self, name: str, value: float, unit: str, default_source: str) -> Assumption:
        is_given = name in self.model_fields_set and getattr(self, name) is not None
        source = "given" if is_given else default_source
        return Assumption(name=name, value=value, unit=unit, source=source)


def read_requirements(raw: Mapping[str, Any] | None) -> Requirements:
    """Read the requirements of a task.

    Args:
        raw: Keys of `Requirements`; None for all defaults.

    Raises:
        InvalidRequestError: A key is unknown, or a value is not allowed.
    """
    return read(Requirements, raw, where="task_requirements")
