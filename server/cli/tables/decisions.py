"""`sro optimize`, `decision`, `decisions` and `explain`."""

from rich.console import Group, RenderableType
from rich.text import Text

from server.cli.tables.glyphs import UNKNOWN, marked, number, plain_table, reasons, status
from server.views import Json


def decision(answer: Json) -> RenderableType:
    """What was decided, its figures, limits and plan."""
    state = answer.get("status", "")
    return Group(
        Text.assemble((answer["decision_id"], "bold"), f"  {answer['strategy']}  ", status(state)),
        *[Text(answer[name]) for name in ("summary",) if answer.get(name)],
        _figures(answer),
        *([_limits(answer["constraints"])] if answer.get("constraints") else []),
        *([_plan(answer["implementation_plan"])] if answer["implementation_plan"] else []),
        *_conflict(answer.get("conflict")),
        *marked("!", answer.get("warnings", ()), "yellow"),
        *reasons(answer.get("unknown")),
        *marked("→", [answer["next"]] if answer.get("next") else []),
    )


def decisions(answer: Json) -> RenderableType:
    """Recent decisions, newest first."""
    rows = answer["optimization_history"]
    if not rows:
        return Text("No decision yet; make one with `sro optimize`.")
    table = plain_table("decision", "made", "strategy", "status", "USD/month", "sure", right=(4, 5))
    for row in rows:
        table.add_row(
            row["decision_id"],
            str(row.get("created_at", UNKNOWN))[:16].replace("T", " "),
            row["strategy"],
            status(row.get("status", UNKNOWN)),
            number(row["estimated_cost"], digits=2),
            number(row["confidence_score"], digits=2),
        )
    return Group(table, Text(f"{len(rows)} of {answer['total']}", style="dim"))


def _figures(answer: Json) -> RenderableType:
    table = plain_table("", "", "", right=(1,))
    table.add_row("cost", number(answer["estimated_cost"], digits=2), "USD per month")
    table.add_row("performance", number(answer["estimated_performance"]), "% shorter response time")
    table.add_row("reliability", number(answer["estimated_reliability"]), "% less risk")
    table.add_row("confidence", number(answer["confidence_score"], digits=2), "that limits hold")
    return table


def _limits(checks: list[Json]) -> RenderableType:
    table = plain_table("limit", "allowed", "actual", "", right=(1, 2))
    for check in checks:
        held = {True: "held", False: "broken", None: check.get("reason") or "not checked"}
        limit = check["limit"]
        shown = limit if isinstance(limit, str) else number(limit, digits=2)
        actual = number(check["actual"], check["unit"], digits=2)
        table.add_row(check["name"], shown, actual, held[check["held"]])
    return table


def _plan(steps: list[Json]) -> RenderableType:
    table = plain_table("", "action", "what", "takes", right=(0,))
    for step in steps:
        duration = step["estimated_duration"].replace("_", " ")
        table.add_row(str(step["step"]), step["action"], step["description"], duration)
    return table


def _conflict(conflict: Json | None) -> list[Text]:
    if not conflict:
        return []
    names = ", ".join(conflict["irreducible_set"])
    ways = [way["description"] for way in conflict["relaxations"]]
    return [Text(f"These limits cannot all hold: {names}", style="yellow"), *marked("→", ways)]
