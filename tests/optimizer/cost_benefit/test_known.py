"""What a profile adds to a candidate, and a choice among servers that nobody named."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from optimizer.catalog.entry import CatalogEntry, Change, Failure, ToolEntry
from optimizer.catalog.host_configs import HostConfig
from optimizer.catalog.servers import ConfiguredServer
from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.errors import InvalidRequestError

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MAIL = ToolEntry(name="send_mail", description="Sends a mail.", parameters=("to", "text"))


def entry(identifier: str, **further: Any) -> CatalogEntry:
    plain = {
        "source": "mcp.json",
        "command": "node x.js",
        "status": "profiled",
        "profiled_at": NOW,
        "tools": (MAIL,),
        "tool_list_tokens": 120,
        "connect_ms": 250.0,
        "resident_bytes": 70 * 2**20,
    }
    return CatalogEntry.model_validate({"id": identifier, **plain, **further})


class Kept:
    def __init__(self, *entries: CatalogEntry) -> None:
        self._entries = {each.id: each for each in entries}

    async def entries(self) -> Mapping[str, CatalogEntry]:
        return self._entries


def analyzer(*entries: CatalogEntry, configured: tuple[str, ...] = ()) -> CostBenefitAnalyzer:
    servers = tuple(ConfiguredServer(name, "mcp.json", ("x",)) for name in configured)
    config = HostConfig(servers, {"off": "is disabled there"})
    return CostBenefitAnalyzer(catalog=Kept(*entries), configured=lambda: config)


async def test_without_candidates_the_configured_and_the_profiled_ones_are_chosen_among() -> None:
    analysis = await analyzer(entry("a"), configured=("b",)).analyze_mcp_selection(
        task_requirements={"task": "send a mail"}
    )

    assert [option["mcp_id"] for option in analysis["options"]] == ["a", "b"]
    assert analysis["recommendations"]["primary_recommendation"]["mcp_id"] == "a"
    assert analysis["recommendations"]["primary_recommendation"]["tools"] == ["send_mail"]
    assert analysis["unknown"]["off"] == "left out: is disabled there"
    [best, _] = analysis["options"]
    assert best["context_tokens"]["value"] == 120
    assert best["startup_ms"] == {
        "value": 250.0,
        "unit": "ms",
        "source": "measured by a profile on 2026-11-25",
    }
    assert best["resident_bytes"]["value"] == 73_400_300  # six digits of 70 MiB


async def test_where_nothing_is_known_the_answer_says_what_to_do() -> None:
    with pytest.raises(InvalidRequestError, match="sro profile --config FILE"):
        await analyzer().analyze_mcp_selection()


async def test_what_a_descriptor_says_of_its_tools_goes_before_the_profile() -> None:
    analysis = await analyzer(entry("a")).analyze_mcp_selection(
        [{"id": "a", "tools": [{"name": "draw_chart"}]}], {"task": "draw a chart"}
    )

    assert analysis["recommendations"]["primary_recommendation"]["tools"] == ["draw_chart"]


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (
            {"status": "changed", "change": Change(seen_at=NOW, command=False, added=("rm",))},
            "new: rm",
        ),
        (
            {"status": "failed", "failure": Failure(problem="closed", detail="code 1")},
            "its last profile failed at 2026-11-25 12:00 UTC (code 1)",
        ),
    ],
)
async def test_a_server_that_changed_or_failed_is_rejected_by_name_and_still_scored(
    further: dict[str, Any], words: str
) -> None:
    analysis = await analyzer(entry("a", **further), entry("b")).analyze_mcp_selection(
        task_requirements={"task": "send a mail"}
    )

    assert analysis["recommendations"]["primary_recommendation"]["mcp_id"] == "b"
    [rejected] = analysis["rejected"]
    assert (rejected["mcp_id"], rejected["limit"]) == ("a", "profile")
    assert words in rejected["reason"]
    assert analysis["options"][1]["net_usd"] is not None


async def test_a_set_covers_the_parts_of_a_task_and_names_nobody_else() -> None:
    chart = ToolEntry(name="draw_chart", description="Draws a chart.")
    weather = ToolEntry(name="get_weather", description="Weather forecast for a city.")

    analysis = await analyzer(
        entry("mail"), entry("charts", tools=(chart,)), entry("weather", tools=(weather,))
    ).analyze_mcp_selection(
        task_requirements={"task": "draw a chart and send a mail", "mode": "set"}
    )

    cover = analysis["recommendations"]["set"]
    assert cover is not None
    assert cover["serves"] == {"draw a chart": "charts", "send a mail": "mail"}
    assert analysis["recommendations"]["alternatives"] == []
    assert analysis["switch_points"] == []
