"""analyze_validation_strategies: how to validate, and how often. Changes nothing."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.cost_benefit.validation import MAX_STRATEGIES
from optimizer.cost_benefit.validation_selection import ValidationAnalysis


class AnalyzeValidationRequest(BaseModel):
    """A choice among ways to validate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategies: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_STRATEGIES)] = (
        Field(
            description="Strategies: id, cycle_cost_usd, detection (share of errors that a cycle "
            "finds), cycle_latency_ms, repeats same|independent, max_cycles."
        )
    )
    requirements: dict[str, Any] = Field(
        description="prior_error (share wrong before validation), escape_loss_usd, "
        "usd_per_second_waiting, max_cycles, budget, max_escaped."
    )


async def analyze_validation(
    request: AnalyzeValidationRequest, *, analyzer: CostBenefitAnalyzer
) -> ValidationAnalysis:
    """Choose the strategy and number of cycles of least expected cost.

    Raises:
        InvalidRequestError: A strategy or a requirement is not allowed; nothing was analysed.
    """
    return await analyzer.analyze_validation_strategies(request.strategies, request.requirements)
