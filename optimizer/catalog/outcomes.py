"""Recorded calls of MCP servers, and what they say about a server today.

Old calls count less: a call's weight halves every 30 days and every 200 later calls of the same
server, so a server that was mended is believed again.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

OutcomeClass = Literal["ok", "tool_error", "protocol_error", "timeout", "transport", "caller_fault"]
"""How a call ended. A caller_fault (bad arguments, a refused permission) says nothing about the
server, so it counts neither as a success nor as a failure."""

FAILURES: frozenset[OutcomeClass] = frozenset(
    ("tool_error", "protocol_error", "timeout", "transport")
)

Witness = Literal["tap", "client", "reported"]
"""Who saw the call: `sro run` around the server, our own MCP client, or a report of somebody's."""

HALF_LIFE_AGE = timedelta(days=30)
HALF_LIFE_CALLS = 200


class CallOutcome(BaseModel):
    """One or several like calls of a tool, after they ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mcp: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="Id of the MCP server, as candidates name it."
    )
    tool: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Name of the tool; null when the report does not say."
    )
    outcome: OutcomeClass = Field(description="How the call ended.")
    latency_ms: Annotated[FiniteFloat, Field(ge=0)] | None = Field(
        None, description="Milliseconds from request to answer, per call; null when not known."
    )
    tokens: Annotated[FiniteFloat, Field(ge=0)] | None = Field(
        None, description="Tokens of the answer, per call; null when not known."
    )
    usd: Annotated[FiniteFloat, Field(ge=0)] | None = Field(
        None, description="US dollars that one call cost; null when not known."
    )
    n: Annotated[int, Field(ge=1, le=10_000)] = Field(1, description="How many like calls.")
    at: AwareDatetime = Field(description="When the last of them ended, UTC.")


@dataclass(frozen=True)
class Measured:
    """What recorded calls say about one server now.

    Attributes:
        calls: Calls recorded and still kept, unweighted, caller faults included.
        successes: Discounted count of calls that ended well.
        failures: Discounted count of calls that failed at the server's side.
        latency_ms: Weighted median of the calls that ended well; None when none was timed.
        p95_latency_ms: Their weighted 95th percentile; None when none was timed.
        usd: Weighted mean cost of a call in USD; None when no call said.
        tokens: Weighted mean tokens of an answer; None when no call said.
        last_at: When the newest call ended.
    """

    calls: int
    successes: float
    failures: float
    latency_ms: float | None
    p95_latency_ms: float | None
    usd: float | None
    tokens: float | None
    last_at: datetime

    def aged(self, age: timedelta) -> "Measured":
        """The same record after `age` more without a call: its counts are worth less."""
        factor = _age_factor(age)
        return Measured(
            calls=self.calls,
            successes=self.successes * factor,
            failures=self.failures * factor,
            latency_ms=self.latency_ms,
            p95_latency_ms=self.p95_latency_ms,
            usd=self.usd,
            tokens=self.tokens,
            last_at=self.last_at,
        )


def summarise(outcomes: Iterable[CallOutcome]) -> Measured | None:
    """What the calls of one server say at the moment of the newest of them.

    Args:
        outcomes: Calls of one server in any order. Calls of the same moment count in the order
            given, the last as the newest.

    Returns:
        The record as of its newest call (see `Measured.aged`), or None without calls.
    """
    newest_first = sorted(outcomes, key=lambda outcome: outcome.at)[::-1]
    if not newest_first:
        return None
    now = newest_first[0].at
    weights = _weights(newest_first, now)
    timed = [
        (o.latency_ms, w)
        for o, w in zip(newest_first, weights, strict=True)
        if o.latency_ms is not None and o.outcome == "ok"
    ]
    return Measured(
        calls=sum(o.n for o in newest_first),
        successes=sum(w for o, w in zip(newest_first, weights, strict=True) if o.outcome == "ok"),
        failures=sum(
            w for o, w in zip(newest_first, weights, strict=True) if o.outcome in FAILURES
        ),
        latency_ms=_weighted_quantile(timed, 0.5),
        p95_latency_ms=_weighted_quantile(timed, 0.95),
        usd=_weighted_mean(
            [(o.usd, w) for o, w in zip(newest_first, weights, strict=True) if o.usd is not None]
        ),
        tokens=_weighted_mean(
            [
                (o.tokens, w)
                for o, w in zip(newest_first, weights, strict=True)
                if o.tokens is not None
            ]
        ),
        last_at=now,
    )


def _age_factor(age: timedelta) -> float:
    return math.exp2(-max(0.0, age / HALF_LIFE_AGE))


def _weights(newest_first: Sequence[CallOutcome], now: datetime) -> list[float]:
    """The sum of the weights of each entry's calls; a call weighs 1 when nothing came after it."""
    per_call = 0.5 ** (1 / HALF_LIFE_CALLS)
    weights = []
    later_calls = 0
    for outcome in newest_first:
        block = per_call**later_calls * (1 - per_call**outcome.n) / (1 - per_call)
        weights.append(block * _age_factor(now - outcome.at))
        later_calls += outcome.n
    return weights


def _weighted_quantile(pairs: Sequence[tuple[float, float]], probability: float) -> float | None:
    """The smallest value with at least that share of the weight at or below it."""
    total = sum(weight for _, weight in pairs)
    if total <= 0:
        return None
    reached = 0.0
    for value, weight in sorted(pairs):
        reached += weight
        if reached >= probability * total * (1 - 1e-12):
            return value
    return max(value for value, _ in pairs)


def _weighted_mean(pairs: Sequence[tuple[float, float]]) -> float | None:
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total > 0 else None
