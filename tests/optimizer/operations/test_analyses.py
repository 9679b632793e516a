import pytest

from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.errors import InvalidRequestError
from optimizer.operations.analyses import (
    AnalyzeRoutingRequest,
    AnalyzeValidationRequest,
    analyze_routing,
    analyze_validation,
)


async def test_the_system_of_least_expected_cost_is_chosen_and_the_beaten_one_named() -> None:
    request = AnalyzeRoutingRequest(
        available_systems=[
            {"id": "alita", "cost_usd": 0.1, "latency_ms": 900},
            {"id": "kgot", "cost_usd": 0.2, "latency_ms": 900},
        ]
    )

    analysis = await analyze_routing(request, analyzer=CostBenefitAnalyzer())

    assert (analysis["kind"], analysis["chosen"]) == ("routing", "alita")
    assert {o["id"]: o["dominated_by"] for o in analysis["options"]} == {
        "alita": None,
        "kgot": "alita",
    }


async def test_the_strategy_of_least_expected_cost_is_chosen() -> None:
    request = AnalyzeValidationRequest(
        strategies=[
            {"id": "once", "cycle_cost_usd": 0.1, "detection": 0.5, "max_cycles": 1},
            {"id": "often", "cycle_cost_usd": 0.1, "detection": 0.5, "repeats": "independent"},
        ],
        requirements={"prior_error": 0.3, "escape_loss_usd": 10, "usd_per_second_waiting": 0},
    )

    analysis = await analyze_validation(request, analyzer=CostBenefitAnalyzer())

    assert (analysis["kind"], analysis["chosen"]) == ("validation", "often")


async def test_an_unknown_requirement_is_refused_by_name() -> None:
    request = AnalyzeValidationRequest(
        strategies=[{"id": "once", "cycle_cost_usd": 0.1, "detection": 0.5}],
        requirements={"prior_eror": 0.3},
    )

    with pytest.raises(InvalidRequestError, match="prior_error"):
        await analyze_validation(request, analyzer=CostBenefitAnalyzer())
