"""`sro allocate`, `renew`, `release` and `allocations`."""

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.quantities import format_amount
from server.cli.tables.glyphs import UNKNOWN, marked, number, plain_table, reasons, status
from server.cli.tables.health import pools
from server.views import Json


def allocation(answer: Json) -> RenderableType:
    """A lease, or why there is none and what fits instead."""
    ways = [f"{way['how']} ({way['granted_fraction']:.0%})" for way in answer["alternatives"]]
    return Group(
        Text.assemble(status(answer["state"]), f"  {answer.get('allocation_id') or ''}"),
        Text(answer["summary"]),
        *marked("→", ways),
        *marked("!", answer.get("notices", ()), "yellow"),
        *reasons(answer.get("unknown")),
        *marked("→", [answer["next"]] if answer.get("next") else []),
    )


def allocations(answer: Json) -> RenderableType:
    """Leases that are held, and what is free."""
    held = plain_table("lease", "state", "holds", "for", "ends in", right=(4,), whole=(0, 4))
    for lease in answer["allocations"]:
        held.add_row(
            lease["allocation_id"] or UNKNOWN,
            status(lease["state"]),
            _held(lease),
            lease.get("purpose") or "",
            number(lease.get("expires_in_s"), "s", digits=0),
        )
    nothing = Text("No lease is held.")
    return Group(held if answer["allocations"] else nothing, pools(answer["pools"]))


def _held(lease: Json) -> str:
    units = lease["units"]
    return ", ".join(
        f"{name} {format_amount(amount, units[name])}" for name, amount in lease["granted"].items()
    )
