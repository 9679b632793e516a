from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from optimizer.catalog.outcomes import CallOutcome, Measured, summarise
from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.errors import InvalidRequestError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Recorded:
    """Measurements of one server."""

    def __init__(self, mcp: str, calls: Sequence[CallOutcome]) -> None:
        self.mcp, self.calls = mcp, calls

    async def measured(self, mcps: Sequence[str], *, now: datetime) -> Mapping[str, Measured]:
        record = summarise(self.calls)
        return {self.mcp: record} if record is not None and self.mcp in mcps else {}


async def test_the_references_example_runs_as_written() -> None:
    available_mcps = [
        {"id": "sequential_thinking", "cost": 0.05, "performance": 0.9},
        {"id": "cost_optimization", "cost": 0.02, "performance": 0.7},
        {"id": "graph_analysis", "cost": 0.08, "performance": 0.95},
    ]
    task_requirements = {"complexity": "high", "budget": 100.0, "performance_target": 0.85}

    analysis = await CostBenefitAnalyzer().analyze_mcp_selection(available_mcps, task_requirements)

    recommended_mcp = analysis["recommendations"]["primary_recommendation"]
    assert recommended_mcp["mcp_id"] == "graph_analysis"


async def test_what_was_measured_beats_what_is_claimed() -> None:
    calls = [
        CallOutcome(mcp="liar", outcome="ok", latency_ms=900, usd=0.5, tokens=2000, n=50, at=NOON),
        CallOutcome(mcp="liar", outcome="timeout", n=50, at=NOON),
    ]
    analyzer = CostBenefitAnalyzer(measurements=Recorded("liar", calls), clock=lambda: NOON)
    claims = {"cost": 0.0, "reliability": 1.0, "latency_ms": 1, "performance": 0.9}

    analysis = await analyzer.analyze_mcp_selection(
        [{"id": "liar"} | claims, {"id": "honest"} | claims | {"cost": 0.1}]
    )

    assert analysis["recommendations"]["primary_recommendation"]["mcp_id"] == "honest"
    [liar] = [option for option in analysis["options"] if option["mcp_id"] == "liar"]
    assert liar["cost_usd"]["value"] == 0.5
    assert liar["latency_ms"]["source"] == "measured, 100 calls on record"
    assert liar["reliability"]["claimed"] == 1.0
    assert liar["reliability"]["value"] == pytest.approx(0.55, abs=0.1)


async def test_a_hundred_good_calls_meet_a_limit_that_a_claim_does_not() -> None:
    calls = [CallOutcome(mcp="proven", outcome="ok", n=100, at=NOON)]
    analyzer = CostBenefitAnalyzer(measurements=Recorded("proven", calls), clock=lambda: NOON)

    analysis = await analyzer.analyze_mcp_selection(
        [{"id": "proven"}, {"id": "boaster", "reliability": 1.0}], {"min_reliability": 0.95}
    )

    assert analysis["recommendations"]["primary_recommendation"]["mcp_id"] == "proven"
    assert [rejection["mcp_id"] for rejection in analysis["rejected"]] == ["boaster"]


async def test_a_bad_requirement_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="did you mean budget"):
        await CostBenefitAnalyzer().analyze_mcp_selection([{"id": "x"}], {"budgett": 1})


async def test_routing_and_validation_are_analysed_too() -> None:
    analyzer = CostBenefitAnalyzer()

    routing = await analyzer.analyze_system_routing(
        [{"system": "alita", "cost": 0.01}, {"system": "kgot", "cost": 0.2}]
    )
    validation = await analyzer.analyze_validation_strategies(
        [{"strategy": "review", "cost": 0.1, "detection_rate": 0.8}], {"error_rate": 0.3}
    )

    assert routing["chosen"] == "alita"
    assert validation["chosen"] == "review"
