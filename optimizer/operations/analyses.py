"""analyze_system_routing and analyze_validation_strategies: what to ask. They change nothing."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.cost_benefit.route_selection import RoutingAnalysis
from optimizer.cost_benefit.routing import MAX_ROUTES
from optimizer.cost_benefit.validation import MAX_STRATEGIES
from optimizer.cost_benefit.validation_selection import ValidationAnalysis


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnalyzeRoutingRequest(_Request):
    """A choice among systems."""

    available_systems: Annotated[
        list[dict[str, Any]], Field(min_length=1, max_length=MAX_ROUTES)
    ] = Field(
        description="Systems: id, cost_usd (per attempt), and what is known of latency_ms, "
        "success_rate or successes and failures, quality or right and wrong."
    )
    task_requirements: dict[str, Any] = Field(
        default_factory=dict,
        description="loss_per_error_usd, loss_per_failure_usd, usd_per_second_waiting, "
        "max_attempts, max_latency_ms, budget, performance_target.",
    )


class AnalyzeValidationRequest(_Request):
    """A choice among ways to validate."""

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


async def analyze_routing(
    request: AnalyzeRoutingRequest, *, analyzer: CostBenefitAnalyzer
) -> RoutingAnalysis:
    """Choose the system of least expected cost, errors and retries included.

    Raises:
        InvalidRequestError: A system or a requirement is not allowed; nothing was analysed.
    """
    return await analyzer.analyze_system_routing(
        request.available_systems, request.task_requirements
    )


async def analyze_validation(
    request: AnalyzeValidationRequest, *, analyzer: CostBenefitAnalyzer
) -> ValidationAnalysis:
    """Choose the strategy and number of cycles of least expected cost.

    Raises:
        InvalidRequestError: A strategy or a requirement is not allowed; nothing was analysed.
    """
    return await analyzer.analyze_validation_strategies(request.strategies, request.requirements)
