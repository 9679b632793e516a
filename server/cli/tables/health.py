"""`sro health` and `sro metrics`."""

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from server.cli.tables.glyphs import ago, bar, marked, number, plain_table, reasons, status
from server.views import Json


def health(answer: Json) -> RenderableType:
    """State, use, what is wrong and what to do about it."""
    use = plain_table("", "", "", right=(1,))
    for name in ("cpu_usage", "memory_usage"):
        use.add_row(name, number(answer[name], "%"), bar(answer[name]))
    reliability = answer.get("reliability_score")
    if reliability is not None:
        use.add_row("reliability_score", number(reliability, digits=3), "")
    details = answer.get("details", {})
    return Group(
        Text.assemble(status(answer["status"]), f"  {answer.get('host', '')}", *_when(answer)),
        use,
        *marked("!", [details.get(word, word) for word in answer["issues"]], "red"),
        *marked("!", [details.get(word, word) for word in answer["warnings"]], "yellow"),
        *reasons(answer.get("unknown")),
    )


def metrics(answer: Json) -> RenderableType:
    """The latest sample, where it is going, and the pools."""
    sample = answer["current_metrics"]
    figures = plain_table("metric", "value", right=(1,))
    for name, value in sample.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            figures.add_row(name, f"{value:,.6g}")
    trends = [f"{name}: {word}" for name, word in answer["performance_trends"].items() if word]
    allocation = answer["resource_allocation"]
    return Group(
        figures,
        *marked("~", trends),
        pools(allocation["resource_utilization"]),
        *reasons(sample.get("unknown")),
    )


def pools(utilization: Json) -> RenderableType:
    """What there is of each resource, and what is left of it."""
    table = plain_table("resource", "total", "allocated", "available", "unit", right=(1, 2, 3))
    for name, pool in utilization.items():
        row = [_amount(pool.get(key)) for key in ("total", "allocated", "available")]
        table.add_row(name, *row, str(pool.get("unit", "")))
    return table


def _amount(value: float | None) -> str:
    return number(value, digits=2 if value is not None and abs(value) < 1000 else 0)


def _when(answer: Json) -> list[tuple[str, str]]:
    moment: Any = answer.get("sampled_at")
    return [(f"  measured {ago(moment)}", "dim")] if moment else []
