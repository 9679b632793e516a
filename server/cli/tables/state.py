"""`sro census` and `sro alerts`."""

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.quantities import format_amount
from server.cli.tables.glyphs import ago, marked, plain_table
from server.views import Json


def census(answer: Json) -> RenderableType:
    """MCP servers, the largest first, and what to do."""
    table = plain_table(
        "server", "copies", "processes", "memory", "started by", "orphans", right=(1, 2, 3)
    )
    for server in answer["servers"]:
        hosts = ", ".join(f"{name or '?'} {count}" for name, count in server["hosts"].items())
        table.add_row(
            server["name"],
            str(server["copies"]),
            str(server["processes"]),
            format_amount(server["memory_bytes"], "byte"),
            hosts,
            " ".join(str(pid) for pid in server["orphans"]),
        )
    whole = format_amount(answer["memory_bytes"], "byte")
    head = f"{answer['copies']} MCP servers in {whole}, {answer['orphans']} without a host"
    return Group(
        Text.assemble(head, (f"  counted {ago(answer['counted_at'])}", "dim")),
        *([table] if answer["servers"] else []),
        *marked("!", list(answer["warnings"].values()), "yellow"),
    )


def alerts(answer: Json) -> RenderableType:
    """What stands, in sentences, and a line for each of the latest before."""
    past = plain_table("raised", "alert", "value", "level", "cleared", right=(2, 3))
    for each in answer["recent"]:
        alert = each["alert"]
        past.add_row(
            alert["raised_at"][:19],
            f"{alert['level']} {alert['metric']}" + (" (expected)" * bool(alert["expected_at"])),
            f"{alert['value']:.4g}",
            f"{alert['threshold']:.4g}",
            (each["cleared_at"] or "stands")[:19],
        )
    return Group(
        *(marked("!", list(answer["details"].values()), "yellow") or [Text("no alert stands")]),
        *([past] if answer["recent"] else []),
    )
