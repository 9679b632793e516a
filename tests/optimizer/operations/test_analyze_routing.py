from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.operations.analyze_routing import AnalyzeRoutingRequest, analyze_routing


async def test_the_system_of_least_expected_cost_is_chosen() -> None:
    request = AnalyzeRoutingRequest(
        available_systems=[{"id": "alita", "cost_usd": 0.1}, {"id": "kgot", "cost_usd": 0.2}]
    )

    analysis = await analyze_routing(request, analyzer=CostBenefitAnalyzer())

    assert (analysis["kind"], analysis["chosen"]) == ("routing", "alita")
