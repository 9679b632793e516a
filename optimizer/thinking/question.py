"""What is thought about, and what came of it. This room knows no other: it sees ids and figures."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Topic = Literal["optimization", "forecast", "mcp_selection", "reallocation"]

ScratchpadKind = Literal["embedded", "stdio", "http"]

ThoughtKind = Literal["assess", "forecast", "generate", "evaluate", "revise", "branch", "conclude"]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Noun):
    """One way to answer, with its computed figures."""

    id: str = Field(description="Identifier that a verdict names.")
    summary: str = Field(description="What it does, in one line, with numbers.")
    figures: Mapping[str, float | None] = Field(description="Figures by name; units in the names.")


class Dropped(_Noun):
    """A candidate that led until a limit dropped it."""

    id: str
    reason: str = Field(description="The limit that it breaks, with both numbers.")


class Question(_Noun):
    """A complete computed answer, put up for thought."""

    decision_id: str = Field(description="What the thoughts belong to; no two share a scratchpad.")
    topic: Topic
    situation: tuple[str, ...] = Field(
        description="Measured facts, one sentence each, with numbers."
    )
    outlook: tuple[str, ...] = Field((), description="Forecast facts, one sentence each.")
    context: str = Field("", description="What the asker says that no figure shows.")
    candidates: tuple[Candidate, ...] = Field(
        description="Those that hold every limit, ranked by the solver, best first; none when no "
        "candidate does."
    )
    dropped: tuple[Dropped, ...] = Field((), description="In the order in which they led.")
    experience: tuple[str, ...] = Field(
        (), description="What past decisions changed in fact, newest first, one sentence each."
    )
    chosen_because: str = Field(
        description="Why the solver ranks the first candidate first, or why none is left."
    )


class Thought(_Noun):
    """One entry of the chain, as the sequential-thinking server records it."""

    number: Annotated[int, Field(ge=1)]
    kind: ThoughtKind
    text: str = Field(description="States numbers, not adjectives.")
    revises: int | None = Field(None, description="Number of the thought that this one revises.")
    branch_from: int | None = Field(
        None, description="Number of the thought this one branches from."
    )
    branch_id: str | None = None
    author: Literal["solver", "model", "client"] = Field(
        "solver", description="client is the agent that asked, which thought itself."
    )


OnThought = Callable[[Thought], Awaitable[None]]
"""Told of each thought."""


class Reasoning(_Noun):
    """How a choice came about; it always tells the truth."""

    path: str = Field(
        description="Who took part, for example scratchpad+solver, solver_only:off, or "
        "client_pending while the agent that asked has not chosen yet."
    )
    scratchpad: ScratchpadKind | Literal["none"] = Field(
        description="Where every thought was recorded; none when one of them was not."
    )
    thoughts: tuple[Thought, ...] = ()
    model: str | None = Field(
        None, description="Language model that was asked; null when none was."
    )
    prompt: str | None = Field(
        None, description="Version of the prompt, for example choose.v2; null when none was asked."
    )
    tokens: int | None = Field(
        None, description="Tokens that the model used; null when none was asked."
    )
    usd: float | None = Field(None, description="US dollars that it cost; null when not known.")
    is_estimated: bool = Field(
        False,
        description="Whether some tokens or dollars are counted as reserved, not as reported.",
    )
    model_choice: str | None = Field(
        None,
        description="The candidate that the model, or the client, chose, whether or not it stands.",
    )
    ms: float = Field(description="Time that thinking took, in milliseconds.")
    agrees_with_solver: bool | None = Field(
        None,
        description="Whether the model, or the client, chose as the solver did; null when none was "
        "asked.",
    )
    warnings: tuple[str, ...] = Field((), description="Stable codes, for example pool_starting.")


class Recording(_Noun):
    """What came of recording further thoughts of a decision."""

    scratchpad: ScratchpadKind | None = Field(
        description="The server that recorded all of them; null when one was not recorded."
    )
    warnings: tuple[str, ...] = Field(description="Why not, as stable codes.")


class Verdict(_Noun):
    """Which candidate stands after thought."""

    candidate_id: str | None = Field(description="None when the question had no candidate.")
    reasoning: Reasoning
