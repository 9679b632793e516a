"""`sro allocate`, `allocate-batch`, `renew`, `release`, `allocations`, `audit` and `reallocate`."""

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
    return Group(held if answer["allocations"] else _nothing(answer), pools(answer["pools"]))


def _nothing(answer: Json) -> Text:
    if any(pool["allocated"] for pool in answer["pools"].values()):
        return Text("You hold no lease. Others do: --whose all shows them.")
    return Text("No lease is held.")


def _held(lease: Json) -> str:
    units = lease["units"]
    return ", ".join(
        f"{name} {format_amount(amount, units[name])}" for name, amount in lease["granted"].items()
    )


def batch(answer: Json) -> RenderableType:
    """What each request of a batch got."""
    table = plain_table("for", "state", "holds", "lease", whole=(3,))
    for one in answer["allocations"]:
        lease = one.get("allocation_id") or UNKNOWN
        table.add_row(one.get("purpose") or "", status(one["state"]), _held(one), lease)
    return Group(Text(answer["summary"]), table)


def audit(answer: Json) -> RenderableType:
    """Every pool, added up in three ways."""
    table = plain_table(
        "pool",
        "host",
        "from leases",
        "from log",
        "allocated",
        "capacity",
        "spent",
        "",
        right=(2, 3),
    )
    for pool in answer["pools"]:

        def shown(name: str, pool: Json = pool) -> str:
            amount = pool[name]
            return UNKNOWN if amount is None else format_amount(amount, pool["unit"])

        figures = ("from_leases", "from_log", "allocated", "capacity", "spent")
        table.add_row(
            pool["resource"],
            pool["host"],
            *(shown(name) for name in figures),
            Text("holds", "green") if pool["holds"] else Text("BROKEN", "bold red"),
        )
    return Group(table, Text(answer["summary"], "" if answer["holds"] else "bold red"))


def reallocation(answer: Json) -> RenderableType:
    """Who should gain, who lose, and why."""
    table = plain_table("resource", "amount", "gains", "loses", "why")
    for one in answer["proposals"]:
        loses = one["loses"]["lease"] if one["loses"] else "what is free"
        amount = format_amount(one["amount"], one["unit"])
        table.add_row(one["resource"], amount, one["gains"]["lease"], loses, one["why"])
    return Group(Text(answer["summary"]), *([table] if answer["proposals"] else []))
