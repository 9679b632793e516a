"""Tables of the answers that the reference document shows, and of their edges."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from server.cli.tables.shown import TABLES, shown
from server.operations import OPERATIONS
from server.views import plain
from tests.documented.blocks import code_blocks
from tests.doors import nouns

REFERENCE = Path(__file__).parents[3] / "documented" / "reference.md"

EXAMPLES: dict[str, dict[str, Any]] = {
    block.heading: json.loads(block.source) for block in code_blocks(REFERENCE, language="json")
}
"""By heading; of a request and its response, the response, which comes last."""


def printed(operation: str, answer: dict[str, Any]) -> str:
    """What a terminal of 100 columns shows."""
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(shown(operation, answer))
    return captured.get()


@pytest.mark.parametrize(
    ("operation", "heading", "said"),
    [
        ("get_health", "GET /health", ["healthy", "45.2 %", "elevated_memory_usage"]),
        ("get_metrics", "GET /metrics", ["145.7", "memory_trend: increasing", "75.00"]),
        ("forecast_workload", "GET /forecast", ["scale_memory_resources by 20%", "15.2%"]),
        ("optimize_resources", "POST /optimize", ["opt-12345", "250.75", "10 minutes"]),
    ],
)
def test_the_documented_answers_can_be_read(operation: str, heading: str, said: list[str]) -> None:
    text = printed(operation, EXAMPLES[heading])

    assert [part for part in said if part not in text] == []


def test_a_missing_forecast_says_what_is_missing() -> None:
    answer = {"forecast_available": False, "reason": "3 hours recorded, 6 needed"}

    assert "3 hours recorded, 6 needed" in printed("forecast_workload", answer)


def test_a_band_shows_its_ends_on_one_scale() -> None:
    quantiles = {"0.1": [10.0, 20.0], "0.5": [20.0, 40.0], "0.9": [50.0, 80.0]}
    metric = {
        "metric": "cpu_usage",
        "unit": "%",
        "model": "ml_hybrid",
        "quantiles": quantiles,
        "backtest": {"skill": 0.31, "n": 48},
    }
    answer = {
        "forecast_available": True,
        "forecast_horizon_hours": 2,
        "metrics": {"cpu_usage": metric},
        "scaling_recommendations": [],
    }

    text = printed("forecast_workload", answer)

    assert "ml_hybrid, +31% against repeating yesterday in the back-test, 48 hours" in text
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert rows["90 %"].endswith("80.0")
    assert "▁" in rows["10 %"]
    assert "█" in rows["90 %"]


def test_a_refused_lease_says_what_fits() -> None:
    answer = {
        "state": "refused",
        "allocation_id": None,
        "summary": "2 cores asked, 1.2 cores free",
        "alternatives": [{"how": "cpu='1 core'", "granted_fraction": 0.5}],
        "next": "wait_s=45, or min_fraction=0.5",
    }

    text = printed("allocate", answer)

    assert "refused" in text
    assert "cpu='1 core' (50%)" in text
    assert "wait_s=45" in text


def test_limits_that_conflict_are_named_with_a_way_out() -> None:
    answer = {
        "decision_id": "dec-1",
        "strategy": "cost_minimization",
        "status": "infeasible",
        "summary": "No choice holds max_cost; max_cost 80 instead of 50 USD/month would do.",
        "estimated_cost": None,
        "implementation_plan": [],
        "unknown": {"estimated_cost": "no choice holds the limits; see conflict"},
        "next": "Ask again with max_cost 80 instead of 50 USD/month",
    }

    text = printed("optimize_resources", answer)

    assert "No choice holds max_cost" in text
    assert "Ask again with max_cost 80 instead of 50" in text
    assert "see conflict" not in text


def test_an_answer_without_a_table_is_json() -> None:
    assert json.loads(printed("report_usage", {"recorded": 1})) == {"recorded": 1}


def test_every_table_belongs_to_an_operation() -> None:
    assert set(TABLES) <= {operation.name for operation in OPERATIONS}


def test_the_record_of_served_forecasts_has_a_line_for_each_lead() -> None:
    text = printed("forecast_skill", plain(nouns.SKILL))

    assert " ".join(text.split()).count("cpu_usage 2-6h 240 +28% 81% 0.98") == 1
    assert "! memory_usage, 1h ahead: no better than repeating yesterday" in text


def test_a_list_of_ones_own_leases_says_that_others_hold_some() -> None:
    pool = {"resource": "memory", "unit": "byte", "total": 2**30, "available": 0.0}
    mine: dict[str, Any] = {"allocations": [], "total": 0}

    taken = printed("list_allocations", mine | {"pools": {"memory": pool | {"allocated": 2**30}}})
    free = printed("list_allocations", mine | {"pools": {"memory": pool | {"allocated": 0.0}}})

    assert "You hold no lease. Others do: --whose all shows them." in taken
    assert "No lease is held." in free
