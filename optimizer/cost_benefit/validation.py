"""How to validate, and how often: cycles cost money, errors that escape cost more.

`J(n) = n c + p0 m(n) L`: n cycles of c USD, a prior error p0, the share m(n) of errors that n
cycles miss, a loss L per escaped error. Independent validators miss `(1 - d)^n`. One validator
that repeats misses the same kind of error again: its detection varies from error to error as
Beta(a, b) with mean d, and `m(n) = prod (b + k) / (a + b + k)`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, FiniteFloat

from optimizer.cost_benefit.reading import read
from optimizer.cost_benefit.requirements import DEVELOPER_USD_PER_HOUR
from optimizer.errors import InvalidRequestError

MAX_STRATEGIES = 50
MAX_CYCLES = 100
CONCENTRATION = 2.5
"""a + b of a validator that repeats: with d = 0.6 it missed 8.52 % of errors after five cycles,
where independent ones would have missed 1.02 %."""

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Usd = Annotated[FiniteFloat, Field(ge=0, le=1e9)]


class Strategy(BaseModel):
    """A way to validate."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="How answers name it.",
        validation_alias=AliasChoices("id", "strategy", "name"),
    )
    cycle_cost_usd: Usd = Field(
        description="USD per cycle.",
        validation_alias=AliasChoices("cycle_cost_usd", "cost_usd", "cost"),
    )
    cycle_latency_ms: Annotated[FiniteFloat, Field(ge=0, le=1e9)] | None = Field(
        None,
        description="Milliseconds per cycle; not charged when not known.",
        validation_alias=AliasChoices("cycle_latency_ms", "latency_ms"),
    )
    detection: Share = Field(
        description="Share of errors that one cycle finds.",
        validation_alias=AliasChoices("detection", "detection_rate", "effectiveness"),
    )
    repeats: Literal["same", "independent"] = Field(
        "same", description="Whether every cycle is the same validator or an independent one."
    )
    max_cycles: Annotated[int, Field(ge=0, le=MAX_CYCLES)] = Field(
        MAX_CYCLES, description="Most cycles that this strategy can run."
    )


class ValidationRequirements(BaseModel):
    """What is validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prior_error: Share = Field(
        description="Share of results that are wrong before any validation.",
        validation_alias=AliasChoices("prior_error", "error_rate"),
    )
    escape_loss_usd: Usd = Field(
        DEVELOPER_USD_PER_HOUR / 6,
        description="What an error costs that escapes; default ten minutes' wage.",
    )
    usd_per_second_waiting: Usd = Field(
        DEVELOPER_USD_PER_HOUR / 3600, description="What a second of waiting costs."
    )
    max_cycles: Annotated[int, Field(ge=0, le=MAX_CYCLES)] = Field(
        MAX_CYCLES, description="Most cycles."
    )
    budget: Usd | None = Field(None, description="Most USD for all cycles.")
    max_escaped: Share | None = Field(
        None, description="Most errors that may escape, as a share of all results."
    )


def missed_share(strategy: Strategy, cycles: int) -> float:
    """Share of errors that so many cycles miss."""
    if strategy.repeats == "independent":
        return (1 - strategy.detection) ** cycles
    a = CONCENTRATION * strategy.detection
    return math.prod((CONCENTRATION - a + k) / (CONCENTRATION + k) for k in range(cycles))


def cycle_price(strategy: Strategy, requirements: ValidationRequirements) -> float:
    """USD of a cycle, waiting included."""
    seconds = (strategy.cycle_latency_ms or 0.0) / 1000
    return strategy.cycle_cost_usd + requirements.usd_per_second_waiting * seconds


def expected_total(strategy: Strategy, requirements: ValidationRequirements, cycles: int) -> float:
    """J(n): USD of so many cycles and of the errors that escape them."""
    escaped = requirements.prior_error * missed_share(strategy, cycles)
    return cycles * cycle_price(strategy, requirements) + escaped * requirements.escape_loss_usd


def best_cycles(strategy: Strategy, requirements: ValidationRequirements) -> int:
    """The number of cycles of least expected cost.

    Each further cycle finds less than the one before, so the first that costs at least what it
    saves is one too many. A required `max_escaped` may ask for more.

    Returns:
        Cycles within the limits of the strategy, the requirements and the budget.
    """
    most = min(strategy.max_cycles, requirements.max_cycles)
    if requirements.budget is not None and strategy.cycle_cost_usd > 0:
        affordable = requirements.budget / strategy.cycle_cost_usd + 1e-9
        most = math.floor(min(most, affordable))
    price = cycle_price(strategy, requirements)
    at_stake = requirements.prior_error * requirements.escape_loss_usd
    missed, cycles = 1.0, 0
    while cycles < most:
        following = missed * _missed_by_next(strategy, cycles)
        enough = (
            requirements.max_escaped is None
            or requirements.prior_error * missed <= requirements.max_escaped
        )
        if enough and at_stake * (missed - following) <= price:
            break
        if following == missed:
            break
        missed, cycles = following, cycles + 1
    return cycles


def _missed_by_next(strategy: Strategy, cycles: int) -> float:
    """Of the errors that so many cycles missed, the share that the next one misses too."""
    if strategy.repeats == "independent":
        return 1 - strategy.detection
    b = CONCENTRATION * (1 - strategy.detection)
    return (b + cycles) / (CONCENTRATION + cycles)


def read_strategies(raw: Sequence[Mapping[str, Any]]) -> list[Strategy]:
    """Read strategies.

    Raises:
        InvalidRequestError: None, too many, two of one id, or a bad value.
    """
    if not 1 <= len(raw) <= MAX_STRATEGIES:
        raise InvalidRequestError(
            f"strategies has {len(raw)} entries; give 1 to {MAX_STRATEGIES}. Nothing was analysed",
            field="strategies",
        )
    strategies = [read(Strategy, item, where=f"strategies[{i}]") for i, item in enumerate(raw)]
    if len({strategy.id for strategy in strategies}) < len(strategies):
        raise InvalidRequestError(
            "two strategies have one id; ids must differ. Nothing was analysed", field="strategies"
        )
    return strategies
