from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.operations.analyze_validation import AnalyzeValidationRequest, analyze_validation


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
