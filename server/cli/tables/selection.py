"""`sro select`, `route` and `validation`."""

from rich.console import Group, RenderableType
from rich.text import Text

from server.cli.tables.glyphs import marked, number, plain_table, reasons
from server.views import Json


def selection(answer: Json) -> RenderableType:
    """Which server, how the others compare, and where the choice would flip."""
    chosen = answer["recommendations"]["primary_recommendation"]
    style = "bold green" if chosen["mcp_id"] else "yellow"
    return Group(
        Text(chosen["mcp_id"] or "none", style=style),
        *([Text(chosen["reason"])] if chosen.get("reason") else []),
        *([_options(answer["options"])] if answer.get("options") else []),
        *marked("✗", [f"{out['mcp_id']}: {out['reason']}" for out in answer.get("rejected", ())]),
        *marked("~", [point["statement"] for point in answer.get("switch_points", ())], "dim"),
        *marked("!", answer.get("warnings", ()), "yellow"),
        *reasons(answer.get("unknown")),
    )


def _options(options: list[Json]) -> RenderableType:
    headings = ("", "mcp", "net USD", "best", "cost", "quality", "succeeds", "calls")
    table = plain_table(*headings, right=(0, 2, 3, 4, 5, 6, 7), whole=(1,))
    for option in options:
        reliability = option["reliability"]
        best = option["probability_best"]
        table.add_row(
            str(option["rank"]),
            option["mcp_id"],
            number(option["net_usd"], digits=4),
            number(None if best is None else 100 * best, "%", digits=0),
            number(option["cost_usd"]["value"], digits=4),
            number(option["performance"]["value"], digits=2),
            number(reliability["value"], digits=2),
            str(reliability["measured_calls"]),
        )
    return table


def analysis(answer: Json) -> RenderableType:
    """What an analysis of routes or of validation chose, and where that would flip."""
    return Group(
        Text(answer["chosen"] or "none", style="bold green" if answer["chosen"] else "yellow"),
        Text(answer["rationale"]),
        _weighed(answer["options"]),
        *marked("~", [flip["statement"] for flip in answer["sensitivity"]], "dim"),
    )


def _weighed(options: list[Json]) -> RenderableType:
    table = plain_table("option", "expected USD", "beaten by", "rejected", right=(1,), whole=(0,))
    for option in options:
        table.add_row(
            option["id"],
            number(option["expected_cost_usd"], digits=4),
            option["dominated_by"] or "",
            "; ".join(option["rejected"]),
        )
    return table
