"""analyze_system_routing: which system to send a task to. Changes nothing."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.cost_benefit.route_selection import RoutingAnalysis
from optimizer.cost_benefit.routing import MAX_ROUTES


class AnalyzeRoutingRequest(BaseModel):
    """A choice among systems."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
