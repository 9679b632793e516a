"""`sro select`, `route` and `validation`."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from server.cli.tables.glyphs import marked, number, plain_table, reasons
from server.views import Json


def selection(answer: Json) -> RenderableType:
    """Which server, how the others compare, and where the choice would flip."""
    found = answer["recommendations"]
    chosen = found["primary_recommendation"]
    return Group(
        *_chosen(found),
        *([Text(chosen["reason"])] if chosen.get("reason") and not found.get("set") else []),
        *([_options(answer["options"])] if answer.get("options") and not found.get("set") else []),
        *marked("✗", [f"{out['mcp_id']}: {out['reason']}" for out in answer.get("rejected", ())]),
        *marked("~", [point["statement"] for point in answer.get("switch_points", ())], "dim"),
        *marked("!", answer.get("warnings", ()), "yellow"),
        *reasons(answer.get("unknown")),
        *(_emitted(answer["emitted"], answer.get("rejected", ())) if "emitted" in answer else []),
    )


def _chosen(found: Json) -> list[Text]:
    """One server, an order to try them in, or who serves what."""
    style = "bold green"
    if found.get("set"):
        cover = found["set"]
        return [
            Text(", ".join(cover["mcp_ids"]) or "none", style=style),
            *(Text(f"  {need}: {server}") for need, server in cover["serves"].items()),
            *marked("✗", [f"nothing serves: {need}" for need in cover["missing"]], "yellow"),
        ]
    chain = (found.get("fallback_chain") or {}).get("mcp_ids")
    if chain:
        return [Text(", then ".join(chain), style=style)]
    primary = found["primary_recommendation"]["mcp_id"]
    return [Text(primary or "none", style=style if primary else "yellow")]


def _emitted(emitted: Json, rejected: Iterable[Json]) -> list[Text]:
    """What the new configuration saves."""
    tokens, memory = emitted["context_tokens"], emitted["memory_bytes_per_session"]
    starts = ", ".join(
        f"{name} {number(ms, 'ms', digits=0)}" for name, ms in emitted["first_use_ms"].items()
    )
    lines = [
        f"wrote {emitted['file']}: {', '.join(emitted['chosen'])}; left out: "
        f"{', '.join(emitted['left_out']) or 'none'}",
        f"tokens of tool lists {_before_after(tokens, 1, '')}",
        f"memory per session {_before_after(memory, 2**20, ' MiB')}",
        f"until the first answer: {starts}",
    ]
    held_back = {out["mcp_id"]: out["reason"] for out in rejected if out["limit"] == "profile"}
    not_known = {*tokens["not_known"], *memory["not_known"]}
    lines += [f"not counted: {i}, {held_back[i]}" for i in sorted(not_known & held_back.keys())]
    unmeasured = sorted(not_known - held_back.keys())
    if unmeasured:
        lines.append(f"not measured: {', '.join(unmeasured)}; `sro profile` does that")
    if "limit" in emitted:
        lines += _limit(emitted["limit"])
    return [Text(line) for line in lines]


def _limit(limit: Json) -> list[str]:
    lines = []
    if limit["limited"]:
        lines.append(
            f"at most {limit['copies']} copies of {', '.join(limit['limited'])} at once: written "
            f"to {limit['file']}; counts from the daemon's next start (`sro stop` ends this one)"
        )
    if limit["as_before"]:
        lines.append(f"left as {limit['file']} has it: {', '.join(limit['as_before'])}")
    return lines


def _before_after(saving: Json, unit: float, word: str) -> str:
    before, after = saving["before"] / unit, saving["after"] / unit
    share = f" ({100 * (after / before - 1):+.0f} %)" if before else ""
    return f"{before:,.0f} -> {after:,.0f}{word}{share}"


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
