"""`sro select`."""

from rich.console import Group, RenderableType
from rich.text import Text

from server.cli.tables.glyphs import UNKNOWN, marked, number, plain_table, reasons
from server.views import Json


def selection(answer: Json) -> RenderableType:
    """Which server, and how the others compare."""
    recommended = answer["recommendations"]["primary_recommendation"]
    table = plain_table("mcp", "score", "why", right=(1,))
    for row in answer.get("ranking", ()):
        why = row.get("explanation") or row.get("reason") or UNKNOWN
        table.add_row(row["mcp_id"], number(row.get("score"), digits=4), why)
    chosen = recommended["mcp_id"] if recommended else None
    return Group(
        Text.assemble("Use ", (chosen, "bold green")) if chosen else Text("None fits."),
        table,
        *marked("!", answer.get("warnings", ()), "yellow"),
        *reasons(answer.get("unknown")),
    )
