"""`sro catalog` and `sro profile`."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.catalog.entry import CatalogEntry
from server.cli.tables.glyphs import marked, number, plain_table, reasons, status
from server.views import Json

_MIB = 2**20


def catalog(answer: Json) -> RenderableType:
    """Every server, with what was measured."""
    headings = ("mcp", "status", "tools", "tokens", "connect ms", "MiB", "calls")
    table = plain_table(*headings, right=(2, 3, 4, 5, 6), whole=(0,))
    for server in answer["servers"]:
        calls = server["calls"]
        table.add_row(
            server["mcp_id"],
            status(server["status"]),
            number(server["tools"], digits=0),
            number(server["tool_list_tokens"], digits=0),
            number(server["connect_ms"], digits=0),
            number(_mib(server["resident_bytes"]), digits=0),
            number(None if calls is None else calls["recorded"], digits=0),
        )
    notes = [
        f"{server['mcp_id']}: {note}"
        for server in answer["servers"]
        for note in (server["held_back"], *server["warnings"])
        if note
    ]
    return Group(
        table,
        *(_of_one(answer) if answer["detail"] else []),
        *marked("!", notes, "yellow"),
        *reasons(answer["left_out"]),
        Text(answer["next"], style="dim"),
    )


def _of_one(answer: Json) -> list[Text]:
    [server], detail = answer["servers"], answer["detail"]
    timed = (
        f"{each['what']}: p50 {number(each['p50_ms'], 'ms')}, p95 {number(each['p95_ms'], 'ms')}"
        for each in detail["timed"]
    )
    return [
        Text(f"{server['command']}  (from {server['source']})"),
        *map(Text, timed),
        *([Text(f"only read: {', '.join(names)}")] if (names := detail["read_only_tools"]) else []),
    ]


def profiles(entries: Sequence[CatalogEntry]) -> RenderableType:
    """How each server did."""
    headings = ("mcp", "status", "protocol", "connect ms", "tools", "tokens", "p50/p95 ms", "MiB")
    table = plain_table(*headings, right=(3, 4, 5, 6, 7), whole=(0, 2, 6))
    for entry in entries:
        failed = entry.status == "failed"
        timed = None if failed or not entry.timed else entry.timed[0]
        table.add_row(
            entry.id,
            status(entry.status),
            "-" if failed else entry.protocol or "-",
            number(None if failed else entry.connect_ms, digits=0),
            "-" if failed else str(len(entry.tools)),
            number(None if failed else entry.tool_list_tokens, digits=0),
            "-" if timed is None else f"{number(timed.p50_ms)}/{number(timed.p95_ms)}",
            number(None if failed else _mib(entry.resident_bytes), digits=0),
        )
    notes = [
        f"{entry.id}: {note}"
        for entry in entries
        for note in (
            *((entry.held_back,) if entry.held_back else ()),
            *((f"stderr ends: …{_tail(entry)}",) if _tail(entry) else ()),
            *entry.warnings,
            *(f"{name} cannot be used, {why}" for name, why in entry.refused_tools.items()),
        )
    ]
    return Group(table, *marked("!", notes, "yellow"))


def _tail(entry: CatalogEntry) -> str:
    failed = entry.status == "failed" and entry.failure is not None
    return entry.failure.stderr_tail[-200:] if failed and entry.failure is not None else ""


def _mib(size: float | None) -> float | None:
    return None if size is None else size / _MIB
