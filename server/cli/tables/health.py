"""`sro health` and `sro metrics`."""

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.quantities import Unit, format_amount
from server.cli.tables.glyphs import (
    UNKNOWN,
    ago,
    bar,
    marked,
    number,
    plain_table,
    reasons,
    status,
)
from server.views import Json


def health(answer: Json) -> RenderableType:
    """State, use, what is wrong and what to do about it."""
    use = plain_table("", "", "", right=(1,))
    for name in ("cpu_usage", "memory_usage"):
        use.add_row(name, number(answer[name], "%"), bar(answer[name]))
    reliability = answer.get("reliability_score")
    if reliability is not None:
        use.add_row("reliability_score", number(reliability, digits=3), "")
    seen = answer.get("reliability_seen")
    if seen is not None:
        use.add_row("reliability_seen", number(seen, digits=3), "")
    details = answer.get("details", {})
    return Group(
        Text.assemble(status(answer["status"]), f"  {answer.get('host', '')}", *_when(answer)),
        use,
        *marked("○", _free(answer)),
        *marked("!", [details.get(word, word) for word in answer["issues"]], "red"),
        *marked("!", [details.get(word, word) for word in answer["warnings"]], "yellow"),
        *marked("~", _basis(answer)),
        *reasons(answer.get("unknown")),
    )


def _basis(answer: Json) -> list[str]:
    basis = answer.get("reliability_basis")
    return [f"reliability: {basis}"] if basis else []


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
    table = plain_table("resource", "total", "allocated", "available", right=(1, 2, 3))
    for name, pool in utilization.items():
        unit = pool.get("unit")
        row = [_amount(pool.get(key), unit) for key in ("total", "allocated", "available")]
        table.add_row(name, *row)
    return table


def _amount(value: float | None, unit: Unit | None) -> str:
    if value is None:
        return UNKNOWN
    return number(value, digits=2) if unit is None else format_amount(value, unit)


def _free(answer: Json) -> list[str]:
    """What can be leased now, of the resources that are there."""
    free = answer.get("free", {})
    return [f"{name}: {pool['summary']}" for name, pool in free.items() if pool["total"]]


def _when(answer: Json) -> list[tuple[str, str]]:
    moment: Any = answer.get("sampled_at")
    return [(f"  measured {ago(moment)}", "dim")] if moment else []
