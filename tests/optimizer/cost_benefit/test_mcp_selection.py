"""The whole selection, by properties and by cases that can be worked by hand."""

from typing import Any

import pytest

from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.cost_benefit.descriptor import read_options
from optimizer.cost_benefit.mcp_selection import select_mcp_servers
from optimizer.cost_benefit.requirements import read_requirements

REFERENCE: list[dict[str, Any]] = [
    {"id": "sequential_thinking", "cost": 0.05, "performance": 0.9},
    {"id": "cost_optimization", "cost": 0.02, "performance": 0.7},
    {"id": "graph_analysis", "cost": 0.08, "performance": 0.95},
]
REFERENCE_TASK = {"complexity": "high", "budget": 100.0, "performance_target": 0.85}


def select(
    candidates: list[dict[str, Any]], requirements: dict[str, Any] | None = None
) -> McpSelectionAnalysis:
    return select_mcp_servers(read_options(candidates), read_requirements(requirements))


def chosen(analysis: McpSelectionAnalysis) -> str | None:
    return analysis["recommendations"]["primary_recommendation"]["mcp_id"]


def scores(analysis: McpSelectionAnalysis) -> dict[str, float | None]:
    return {option["mcp_id"]: option["net_usd"] for option in analysis["options"]}


def test_the_references_candidates_get_three_different_scores() -> None:
    analysis = select(REFERENCE, REFERENCE_TASK)

    # V = 4 calls x 63.98 USD/h x 1 minute; q = (1 + 4 performance) / 6; p = 0.94; cost x 4 calls.
    value = 4 * 63.98 / 60
    assert scores(analysis) == pytest.approx(
        {
            "graph_analysis": value * 4.8 / 6 * 0.94 - 0.32,
            "sequential_thinking": value * 4.6 / 6 * 0.94 - 0.2,
            "cost_optimization": value * 3.8 / 6 * 0.94 - 0.08,
        },
        rel=1e-5,
    )
    assert chosen(analysis) == "graph_analysis"


def test_a_candidate_below_the_performance_target_is_rejected_by_name_and_still_scored() -> None:
    analysis = select(REFERENCE, REFERENCE_TASK)

    [rejection] = analysis["rejected"]
    assert (rejection["mcp_id"], rejection["limit"]) == ("cost_optimization", "performance_target")
    assert "0.7" in rejection["reason"]
    assert "0.85" in rejection["reason"]
    assert analysis["options"][-1]["mcp_id"] == "cost_optimization"


def test_every_choice_is_explained_from_its_terms() -> None:
    reason = select(REFERENCE, REFERENCE_TASK)["recommendations"]["primary_recommendation"][
        "reason"
    ]

    assert reason == (
        "worth 2.89 USD: a benefit of 3.21 (quality 0.80 x success 0.94), less 0.32 USD for calls"
    )


def test_a_switch_point_is_where_the_choice_really_flips() -> None:
    analysis = select(REFERENCE, REFERENCE_TASK)
    [point] = [p for p in analysis["switch_points"] if p["input"] == "value_of_success_usd"]
    assert point["direction"] == "below"
    assert point["value"] is not None

    for value, winner in (
        (point["value"] * 0.99, point["mcp_id"]),
        (point["value"] * 1.01, chosen(analysis)),
    ):
        assert chosen(select(REFERENCE, REFERENCE_TASK | {"value_of_success_usd": value})) == winner


def test_relaxing_a_limit_is_named_when_it_would_change_the_choice() -> None:
    slow = {"id": "slow", "cost": 0.0, "performance": 1.0, "latency_ms": 900}
    fast = {"id": "fast", "cost": 0.0, "performance": 0.6, "latency_ms": 100}

    analysis = select([slow, fast], {"max_latency_ms": 500})

    assert chosen(analysis) == "fast"
    statements = [point["statement"] for point in analysis["switch_points"]]
    assert "slow wins if max_latency_ms is at least 900" in statements
    assert chosen(select([slow, fast], {"max_latency_ms": 900})) == "slow"


def test_a_claim_alone_does_not_reach_a_high_reliability_limit() -> None:
    analysis = select([{"id": "boaster", "reliability": 1.0}], {"min_reliability": 0.95})

    assert analysis["status"] == "all_rejected"
    assert chosen(analysis) is None
    assert "boaster" in analysis["recommendations"]["primary_recommendation"]["reason"]


def test_a_limit_on_something_unknown_prefers_who_can_be_checked_and_says_so() -> None:
    silent = {"id": "silent", "performance": 1.0}
    open_ = {"id": "open", "performance": 0.6, "cost": 0.01}

    assert chosen(select([silent, open_], {"budget": 1.0})) == "open"
    alone = select([silent], {"budget": 1.0})
    assert chosen(alone) == "silent"
    assert "may break the limit" in alone["warnings"][0]


def test_an_unknown_cost_is_said_up_to_which_it_would_still_win() -> None:
    silent = {"id": "silent", "performance": 1.0}
    known = {"id": "known", "performance": 1.0, "cost": 0.25}

    analysis = select([silent, known])

    assert chosen(analysis) == "silent"
    assert "less than 0.25 USD" in analysis["warnings"][0]


def test_nothing_is_recommended_when_no_text_fits_the_task() -> None:
    mail = {"id": "mail", "description": "Sends e-mail.", "tools": ["send_email"]}

    analysis = select([mail], {"task": "Draw a unicorn in watercolour"})

    assert analysis["status"] == "nothing_fits"
    assert chosen(analysis) is None


def test_the_server_that_fits_beats_a_cheaper_one_that_does_not() -> None:
    mail = {"id": "mail", "description": "Sends email messages.", "tools": ["send_email"]}
    maps = {"id": "maps", "description": "Routes and places.", "tools": ["find_route"], "cost": 0}

    analysis = select([mail | {"cost": 0.05}, maps], {"task": "Send an email"})

    assert chosen(analysis) == "mail"
    assert analysis["recommendations"]["primary_recommendation"]["tools"] == ["send_email"]


def test_a_candidate_that_says_nothing_comes_after_one_that_fits() -> None:
    mail = {"id": "mail", "tools": ["send_email"], "cost": 0.1}

    analysis = select([{"id": "silent"}, mail], {"task": "Send an email"})

    assert chosen(analysis) == "mail"
    assert chosen(select([{"id": "silent"}], {"task": "Send an email"})) == "silent"


def test_a_chain_tries_what_succeeds_most_per_dollar_first() -> None:
    analysis = select(REFERENCE, {"complexity": "high", "mode": "fallback_chain"})

    chain = analysis["recommendations"]["fallback_chain"]
    assert chain is not None
    assert chain["mcp_ids"] == ["cost_optimization", "sequential_thinking", "graph_analysis"]
    assert chosen(analysis) == "cost_optimization"


def test_a_set_covers_what_is_needed_and_names_what_nobody_offers() -> None:
    candidates = [
        {"id": "office", "capabilities": ["mail", "calendar"]},
        {"id": "mailer", "capabilities": ["mail"]},
        {"id": "shop", "tools": ["buy_flowers"]},
    ]

    analysis = select(
        candidates, {"mode": "set", "capabilities": ["mail", "calendar", "flowers", "opera"]}
    )

    cover = analysis["recommendations"]["set"]
    assert cover is not None
    assert cover["missing"] == ["opera"]
    assert cover["serves"]["calendar"] == "office"
    assert cover["serves"]["flowers"] == "shop"
    assert analysis["status"] == "not_covered"


def test_a_set_that_serves_nothing_recommends_nobody() -> None:
    analysis = select(
        [{"id": "mail", "tools": ["send_email"]}],
        {"task": "Knit a sweater of alpaca wool", "mode": "set"},
    )

    assert analysis["status"] == "not_covered"
    primary = analysis["recommendations"]["primary_recommendation"]
    assert primary["mcp_id"] is None
    assert "offers Knit a sweater of alpaca wool" in primary["reason"]


def test_a_dominated_candidate_names_the_one_that_beats_it() -> None:
    analysis = select(
        [{"id": "good", "cost": 1, "performance": 1}, {"id": "bad", "cost": 2, "performance": 0.5}]
    )

    assert analysis["pareto_set"] == ["good"]
    [bad] = [option for option in analysis["options"] if option["mcp_id"] == "bad"]
    assert bad["dominated_by"] == "good"


def test_a_misspelt_figure_is_warned_of_once_and_what_means_nothing_is_not() -> None:
    candidates = [{"id": name, "latency": 300, "version": "1"} for name in ("b", "a", "c")]

    warnings = select(candidates)["warnings"]

    assert [each for each in warnings if "not used" in each] == [
        "latency of a and 2 more is not used: not read; did you mean latency_ms?"
    ]


def test_a_fit_that_is_not_known_is_said_to_be_not_known() -> None:
    candidates = [{"id": "a", "description": "searches papers"}, {"id": "b"}]

    analysis = select(candidates, {"task": "search papers"})

    [other] = analysis["recommendations"]["alternatives"]
    assert other["mcp_id"] == "b"
    assert "if it fits the task, which is not known" in other["reason"]


def test_each_of_several_broken_limits_is_named() -> None:
    limits = {"budget": 0.001, "performance_target": 0.9, "expected_calls": 1}

    [rejected] = select([{"id": "a", "cost": 0.01, "performance": 0.5}], limits)["rejected"]

    assert rejected["reason"] == (
        "budget: 0.01 USD for 1 call (claimed) is over 0.001; "
        "performance_target: 0.5 of 1 (claimed) is below 0.9"
    )
