"""`sro optimize`, `apply`, `decision`, `decisions` and `explain`."""

from rich.console import Group, RenderableType
from rich.text import Text

from server.cli.tables.glyphs import marked, number, plain_table, reasons, status
from server.views import Json


def decision(answer: Json) -> RenderableType:
    """What was decided, its figures, limits and plan."""
    state = answer.get("status", "")
    head = [
        Text.assemble((answer["decision_id"], "bold"), f"  {answer['strategy']}  ", status(state)),
        *[Text(answer[name]) for name in ("summary",) if answer.get(name)],
    ]
    if state == "infeasible":
        return Group(*head, *marked("→", [answer["next"]]))
    return Group(
        *head,
        _figures(answer),
        *([_limits(answer["constraints"])] if answer.get("constraints") else []),
        *([_plan(answer["implementation_plan"])] if answer["implementation_plan"] else []),
        *_frame(answer.get("thought_frame")),
        *marked("!", answer.get("warnings", ()), "yellow"),
        *reasons(answer.get("unknown")),
        *marked("→", [answer["next"]] if answer.get("next") else []),
    )


def application(answer: Json) -> RenderableType:
    """What became of a decision that was carried out or tried, step by step."""
    table = plain_table("", "action", "outcome", "what", right=(0,))
    for step in answer["steps"]:
        outcome = step["state"].replace("_", " ")
        table.add_row(str(step["step"]), step["action"], outcome, step["detail"])
    return Group(
        Text.assemble((answer["decision_id"], "bold"), f"  {answer['state'].replace('_', ' ')}"),
        table,
        *marked("!", [answer["because"]] if answer.get("because") else [], "yellow"),
        *marked("→", [answer["next"]]),
    )


def decisions(answer: Json) -> RenderableType:
    """Recent decisions, newest first."""
    rows = answer["optimization_history"]
    if not rows:
        return Text("No decision yet; make one with `sro optimize`.")
    lines = [line for row in rows for line in _past(row)]
    return Group(*lines, Text(f"{len(rows)} of {answer['total']}", style="dim"))


def _past(row: Json) -> tuple[Text, Text]:
    made = str(row.get("created_at", ""))[:16].replace("T", " ")
    return (
        Text.assemble((row["decision_id"], "bold"), f"  {made}  ", status(row.get("status", ""))),
        Text(f"  {row.get('summary', row['strategy'])}"),
    )


def explanation(answer: Json) -> RenderableType:
    """Why a decision fell so, what would flip it, or the thoughts behind it."""
    why = answer.get("why") or {}
    thoughts = [_thought(one) for one in answer.get("thoughts") or ()]
    others = [other["summary"] for other in why.get("alternatives", ())]
    dropped = [why["dropped"]] if why.get("dropped") else []
    return Group(
        Text.assemble((answer["decision_id"], "bold"), f"  {answer['summary']}"),
        *marked("→", [why[name] for name in ("because", "objective_because") if name in why]),
        *marked("○", others),
        *marked("✗", dropped),
        *marked("~", [_flip(flip) for flip in why.get("flips", ())]),
        *marked("·", thoughts),
        *marked("=", _effect(answer)),
        Text(f"chosen by {answer['reasoning_path']}", style="dim"),
        *reasons(answer.get("unknown")),
    )


def _thought(thought: Json) -> str:
    who = "" if thought["author"] == "solver" else f"{thought['author']}: "
    return f"{thought['number']}. {who}{thought['text']}"


def _effect(answer: Json) -> list[str]:
    """What was carried out, and what it changed."""
    told = []
    if application := answer.get("application"):
        because = f": {application['because']}" if application.get("because") else ""
        state = application["state"].replace("_", " ")
        told.append(f"carried out {application['applied_at']}: {state}{because}")
    if effect := answer.get("effect"):
        told.append(effect["statement"])
    return told


def _flip(flip: Json) -> str:
    other = flip["to"] or "nothing holds the limits"
    values = f"{flip['now']:.4g} now, {flip['flips_at']:.4g}"
    return f"{flip['input']}: {values} {flip['unit']} would make it {other}"


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


def _frame(frame: Json | None) -> list[Text]:
    """What there is to choose, when the caller is to choose."""
    if not frame:
        return []
    choices = [f"{one['id']}  {one['summary']}" for one in frame["candidates"]]
    return [Text(frame["question"], style="bold"), *marked("○", choices)]
