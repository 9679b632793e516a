"""A forecast and a choice of servers are thought over; what is computed stays as it is."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.forecasting.forecast import Forecast
from optimizer.forecasting.planner import BUILT_IN, PredictivePlanner
from optimizer.monitoring.history import Series
from optimizer.operations.reallocate import Party, Proposal
from optimizer.operations.synthesis import (
    forecast_question,
    reallocation_choice,
    selection_question,
    synthesise_forecast,
    synthesise_selection,
)
from optimizer.plugins import Registry
from optimizer.thinking.llm import LanguageModel, Upstream
from optimizer.thinking.mind import Mind
from optimizer.thinking.scratchpad import EmbeddedScratchpad
from optimizer.thinking.spending import Allowance
from optimizer.thinking.thinker import Thinker
from tests.upstream import chooses, upstream

pytest.importorskip("openai", reason="its import takes half a second, too long for short budgets")

END = datetime(2026, 11, 12, tzinfo=UTC)
BUDGET = timedelta(seconds=60)
PATIENT = Allowance(call_within=BUDGET)


@pytest.fixture(scope="module")
def values() -> np.ndarray[Any, np.dtype[np.float64]]:
    hours = np.arange(240)
    noise = np.random.default_rng(7).normal(0, 2, hours.size)
    return np.asarray(50 + 20 * np.sin(2 * math.pi * hours / 24) + noise)


async def forecast_of(values: np.ndarray[Any, np.dtype[np.float64]]) -> Forecast:
    planner = PredictivePlanner(Registry("forecast model", BUILT_IN), clock=lambda: END)
    past = Series("cpu_usage", values, timedelta(hours=1), END - timedelta(hours=values.size))
    planned = await planner.plan(
        {"cpu_usage": past}, horizon_hours=24, host="box", limits={"cpu_usage": 85}
    )
    return planned.forecast


async def analysis_of(candidates: list[dict[str, Any]]) -> McpSelectionAnalysis:
    analyzer = CostBenefitAnalyzer(clock=lambda: END)
    return await analyzer.analyze_mcp_selection(candidates, {"task": "search the web"})


NEAR = [
    {"id": "first", "cost": 0.010, "performance": 0.90},
    {"id": "second", "cost": 0.011, "performance": 0.90},
    {"id": "far", "cost": 0.010, "performance": 0.30},
]


async def test_the_models_of_a_forecast_are_weighed_by_their_track_record(
    values: np.ndarray[Any, np.dtype[np.float64]],
) -> None:
    forecast = await forecast_of(values)

    asked = forecast_question(forecast, "forecast-1")

    assert asked is not None
    question, ranked = asked
    assert question.topic == "forecast"
    assert question.candidates[0].id == "ml_hybrid"
    assert {"linear_trend", "seasonal_patterns"} < {c.id for c in question.candidates}
    assert question.candidates[0].figures["cpu_usage_skill"] is not None
    told = question.outlook[-1]
    hour = int(told.split("hour ")[1].split(":")[0])
    values_then = [
        float(m.predictions[hour - 1].cpu_usage or 0) for m in forecast.model_forecasts.values()
    ]
    assert told.startswith("The models differ most about cpu_usage in hour")
    assert f": {min(values_then):.4g} % (" in told
    assert f" to {max(values_then):.4g} % (" in told
    assert ranked.refusal("ml_hybrid") is None
    assert ranked.refusal("crystal_ball") is not None


async def test_a_forecast_without_a_track_record_is_not_thought_over(
    values: np.ndarray[Any, np.dtype[np.float64]],
) -> None:
    forecast = await forecast_of(values[:5])

    async with Thinker(EmbeddedScratchpad()) as thinker:
        assert await synthesise_forecast(forecast, thinker=thinker, budget=BUDGET) == forecast


async def test_a_synthesis_says_which_model_to_act_on_and_leaves_the_numbers_alone(
    values: np.ndarray[Any, np.dtype[np.float64]],
) -> None:
    forecast = await forecast_of(values)

    async with Thinker(EmbeddedScratchpad()) as thinker:
        thought = await synthesise_forecast(forecast, thinker=thinker, budget=BUDGET)

    assert thought.synthesis is not None
    assert thought.synthesis.act_on == "ml_hybrid"
    assert thought.synthesis.reasoning.path == "scratchpad+solver"
    assert thought.model_copy(update={"synthesis": None}) == forecast


async def selected(candidates: list[dict[str, Any]], choice: str) -> Mapping[str, Any]:
    """The analysis, thought over by a model that makes this choice."""
    analysis = await analysis_of(candidates)
    async with upstream([chooses(choice)]) as seen:
        mind = Mind(LanguageModel(Upstream(base_url=seen.url, model="m")), allowance=PATIENT)
        async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
            return await synthesise_selection(
                analysis, task="search the web", thinker=thinker, budget=BUDGET
            )


async def test_a_near_equal_server_that_is_chosen_becomes_the_recommendation() -> None:
    found = await selected(NEAR, "second")

    recommended = found["recommendations"]
    assert recommended["primary_recommendation"]["mcp_id"] == "second"
    assert recommended["alternatives"][0]["mcp_id"] == "first"
    assert found["reasoning"].path == "llm+scratchpad+solver"
    assert found["options"] == (await analysis_of(NEAR))["options"]


@pytest.mark.parametrize("choice", ["far", "invented"])
async def test_a_server_that_is_worse_or_unknown_is_overruled(choice: str) -> None:
    found = await selected(NEAR, choice)

    assert found["recommendations"] == (await analysis_of(NEAR))["recommendations"]
    assert found["reasoning"].path == "solver_overrode_llm"


async def test_one_server_needs_no_thought() -> None:
    analysis = await analysis_of(NEAR[:1])

    assert selection_question(analysis, "selection-1", task="") is None


def proposals(count: int) -> tuple[Proposal, ...]:
    def party(name: str) -> Party:
        return Party(lease=name, priority_level="normal", from_amount=1, to_amount=2)

    return tuple(
        Proposal(
            resource="cpu",
            unit="core",
            amount=1,
            gains=party(f"lease-{at}"),
            loses=None,
            why=f"lease-{at} got less cpu than it asked for; 1 core became free.",
        )
        for at in range(count)
    )


@pytest.mark.parametrize(
    ("count", "said", "leaves_out", "path"),
    [
        (12, "without_3", 2, "llm+scratchpad+solver"),
        (12, "all", None, "llm+scratchpad+solver"),
        (3, "without_3", None, "solver_overrode_llm"),
        (12, "without_99", None, "solver_overrode_llm"),
    ],
)
async def test_one_change_of_many_may_be_left_out_and_never_a_tenth_of_them(
    count: int, said: str, leaves_out: int | None, path: str
) -> None:
    async with upstream([chooses(said)]) as seen:
        mind = Mind(LanguageModel(Upstream(base_url=seen.url, model="m")), allowance=PATIENT)
        async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
            choice = await reallocation_choice(thinker, budget=BUDGET)(proposals(count))

    assert choice is not None
    assert choice.leaves_out == leaves_out
    assert choice.reasoning.path == path


async def test_where_nothing_is_proposed_nothing_is_thought_over() -> None:
    async with Thinker(EmbeddedScratchpad()) as thinker:
        assert await reallocation_choice(thinker, budget=BUDGET)(()) is None
