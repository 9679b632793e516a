"""Which system to send a task to: the least expected cost, errors and retries included.

`E = A (c + v t) + f^m L_f + (1 - f^m) e L_e`, with c USD and t seconds per attempt, v USD per
second of waiting, f the share of attempts that visibly fail and are tried again, at most m times
(A = (1 - f^m) / (1 - f) attempts are expected), e the share of finished answers that are wrong
without anybody seeing it, and L_f, L_e what a failed and a wrong answer cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, FiniteFloat

from optimizer.cost_benefit.posterior import BetaBelief
from optimizer.cost_benefit.reading import read
from optimizer.cost_benefit.requirements import DEVELOPER_USD_PER_HOUR
from optimizer.errors import InvalidRequestError

MAX_ROUTES = 50
PRIOR = (0.5, 0.5)
"""Jeffreys' prior for a share: half a success and half a failure."""
CLAIM_STRENGTH = 4.0

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Count = Annotated[FiniteFloat, Field(ge=0, le=1e9)]
Usd = Annotated[FiniteFloat, Field(ge=0, le=1e9)]


class Route(BaseModel):
    """A system that could take the task."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="How answers name it.",
        validation_alias=AliasChoices("id", "system", "name"),
    )
    cost_usd: Usd = Field(
        description="USD per attempt.", validation_alias=AliasChoices("cost_usd", "cost")
    )
    latency_ms: Annotated[FiniteFloat, Field(ge=0, le=1e9)] | None = Field(
        None, description="Milliseconds per attempt; not charged when not known."
    )
    success_rate: Share | None = Field(
        None,
        description="Claimed share of attempts that do not visibly fail.",
        validation_alias=AliasChoices("success_rate", "reliability"),
    )
    successes: Count = Field(0.0, description="Attempts on record that did not fail.")
    failures: Count = Field(0.0, description="Attempts on record that visibly failed.")
    quality: Share | None = Field(
        None,
        description="Claimed share of finished answers that are right.",
        validation_alias=AliasChoices("quality", "performance"),
    )
    right: Count = Field(0.0, description="Checked answers on record that were right.")
    wrong: Count = Field(0.0, description="Checked answers on record that were wrong.")


class RoutingRequirements(BaseModel):
    """What the task needs of a route."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    loss_per_error_usd: Usd = Field(
        DEVELOPER_USD_PER_HOUR / 6,
        description="What a wrong answer costs that nobody notices; default ten minutes' wage.",
    )
    loss_per_failure_usd: Usd = Field(
        DEVELOPER_USD_PER_HOUR / 60,
        description="What it costs when every attempt failed; default one minute's wage.",
    )
    usd_per_second_waiting: Usd = Field(
        DEVELOPER_USD_PER_HOUR / 3600, description="What a second of waiting costs."
    )
    max_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="How often a visibly failed attempt is made."
    )
    max_latency_ms: Annotated[FiniteFloat, Field(gt=0)] | None = Field(
        None, description="Most milliseconds of one attempt."
    )
    budget: Usd | None = Field(None, description="Most USD that all expected attempts may cost.")
    performance_target: Share | None = Field(None, description="Least expected share right.")


@dataclass(frozen=True)
class Expected:
    """Expected USD of sending the task to a route.

    Attributes:
        attempts: What the expected attempts are charged.
        waiting: What waiting for them costs.
        failure: What failing in the end costs, times its probability.
        errors: What unnoticed errors cost, times their probability.
    """

    attempts: float
    waiting: float
    failure: float
    errors: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.attempts + self.waiting + self.failure + self.errors


def belief(claim: float | None, yes: float, no: float) -> BetaBelief:
    """A share from a claim, counted as four observations, and from what was counted."""
    a, b = PRIOR[0] + yes, PRIOR[1] + no
    parts = [f"counted: {yes:g} of {yes + no:g}"] if yes + no > 0 else []
    if claim is not None:
        a, b = a + CLAIM_STRENGTH * claim, b + CLAIM_STRENGTH * (1 - claim)
        parts.append(f"claimed {claim:g}, as 4 observations")
    return BetaBelief(a, b, "; ".join([*parts, "Jeffreys' prior"]))


@dataclass(frozen=True)
class Chances:
    """What is expected of sending the task to a route.

    Attributes:
        attempts: How many are made.
        fails: Probability that every one of them visibly fails.
        wrong: Probability that a finished answer is wrong without anybody seeing it.
    """

    attempts: float
    fails: float
    wrong: float


def chances(route: Route, requirements: RoutingRequirements) -> Chances:
    """Attempts and probabilities of a route, by the means of what is believed of it."""
    fail = 1 - belief(route.success_rate, route.successes, route.failures).mean
    all_fail = fail**requirements.max_attempts
    return Chances(
        attempts=_attempts(fail, requirements.max_attempts),
        fails=all_fail,
        wrong=1 - belief(route.quality, route.right, route.wrong).mean,
    )


def attempts_interval(route: Route, requirements: RoutingRequirements) -> tuple[float, float]:
    """Expected attempts at the ends of the 90 % interval of its success, the most first."""
    least, most = belief(route.success_rate, route.successes, route.failures).interval
    return (
        _attempts(1 - least, requirements.max_attempts),
        _attempts(1 - most, requirements.max_attempts),
    )


def _attempts(fail: float, most: int) -> float:
    """Attempts that are expected when each fails with a probability and the last one is given."""
    return float(most) if fail >= 1 else (1 - fail**most) / (1 - fail)


def expected_cost(route: Route, requirements: RoutingRequirements) -> Expected:
    """Expected USD of a route, see the module's formula."""
    expected = chances(route, requirements)
    seconds = (route.latency_ms or 0.0) / 1000
    return Expected(
        attempts=expected.attempts * route.cost_usd,
        waiting=expected.attempts * requirements.usd_per_second_waiting * seconds,
        failure=expected.fails * requirements.loss_per_failure_usd,
        errors=(1 - expected.fails) * expected.wrong * requirements.loss_per_error_usd,
    )


def read_routes(raw: Sequence[Mapping[str, Any]]) -> list[Route]:
    """Read routes.

    Raises:
        InvalidRequestError: None, too many, two of one id, or a bad value.
    """
    if not 1 <= len(raw) <= MAX_ROUTES:
        raise InvalidRequestError(
            f"available_systems has {len(raw)} entries; give 1 to {MAX_ROUTES}. "
            "Nothing was analysed",
            field="available_systems",
        )
    routes = [read(Route, item, where=f"available_systems[{i}]") for i, item in enumerate(raw)]
    if len({route.id for route in routes}) < len(routes):
        raise InvalidRequestError(
            "two of available_systems have one id; ids must differ. Nothing was analysed",
            field="available_systems",
        )
    return routes
