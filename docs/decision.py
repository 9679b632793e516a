"""Draws docs/decision.svg from a real answer: `python -m docs.decision`.

`python -m docs.decision record HISTORY.csv` asks for that answer anew, with the history of the file
on the machine that it runs on, and keeps it in docs/decision.json.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

from sequential_resource_optimization import ForecastRequest, SequentialResourceOptimizer

ANSWER = Path(__file__).with_name("decision.json")
PICTURE = Path(__file__).with_name("decision.svg")

REQUEST = {
    "scope": "system_level",
    "primary_objective": "balanced_optimization",
    "constraints": {"max_cost": 300.0, "min_reliability": 0.95},
}

INK, SOFT, LINE, BAND, CHOSEN = "#1f2933", "#7b8794", "#2563eb", "#bfd3fb", "#e4572e"

PANEL, HEIGHT, GAP = 290, 230, 25
"""Size of a panel and the space between two, in pixels."""


async def record(history: Path) -> dict[str, Any]:
    """Ask for a decision with a history, and keep what the picture shows of it."""
    optimizer = SequentialResourceOptimizer()
    with history.open(encoding="utf-8") as lines:
        await optimizer.import_history(lines)
    async with optimizer:
        forecast = await optimizer.forecast_workload(ForecastRequest(horizon_hours=24))
        decision = await optimizer.optimize_resources(REQUEST)
        past = optimizer.performance_monitor.series("cpu_usage", step=timedelta(hours=1))
    cpu = forecast.metrics["cpu_usage"].model_dump(mode="json")
    shown = decision.model_dump(mode="json")
    return {
        "measured": [round(value, 2) for value in past.values[-24:].tolist()],
        "quantiles": {q: [round(v, 2) for v in cpu["quantiles"][q]] for q in ("0.1", "0.5", "0.9")},
        "request": REQUEST,
        **{
            name: shown[name]
            for name in ("summary", "candidate_id", "pareto", "confidence_score", "created_at")
        },
        "plan": [step["description"] for step in shown["implementation_plan"]],
    }


def draw(answer: dict[str, Any]) -> str:
    """The picture: measured and expected, weighed, planned."""
    panels = (
        ("1  CPU in %: a day measured, a day expected", _load(answer)),
        ("2  Weighed: every choice worth having", _front(answer)),
        ("3  Planned", _plan(answer)),
    )
    width = len(panels) * (PANEL + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT + 90}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img" '
        f'aria-label="{escape(answer["summary"])}">',
        f'<rect width="{width}" height="{HEIGHT + 90}" rx="10" fill="#ffffff"/>',
    ]
    for index, (title, shapes) in enumerate(panels):
        parts.append(f'<g transform="translate({GAP + index * (PANEL + GAP)} 45)">')
        parts.append(_text(0, -18, title, weight="600"))
        parts.extend(shapes)
        parts.append("</g>")
    parts.append(_text(GAP, HEIGHT + 72, answer["summary"], weight="600", fill=CHOSEN))
    return "\n".join([*parts, "</svg>", ""])


def _load(answer: dict[str, Any]) -> Iterator[str]:
    """What was measured, the band that is expected, and now between them."""
    past, bands = answer["measured"], answer["quantiles"]
    hours = len(past) + len(bands["0.5"])

    def at(hour: float, value: float) -> str:
        return f"{hour / (hours - 1) * PANEL:.1f},{HEIGHT - value / 100 * HEIGHT:.1f}"

    for level in (0, 50, 100):
        y = HEIGHT - level / 100 * HEIGHT
        yield f'<path d="M0 {y:.1f}H{PANEL}" stroke="#e4e7eb"/>'
        yield _text(0, y - 3, str(level), fill=SOFT)
    first = len(past)
    upper = [at(first + hour, value) for hour, value in enumerate(bands["0.9"])]
    lower = [at(first + hour, value) for hour, value in enumerate(bands["0.1"])]
    yield f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="{BAND}"/>'
    middle = [at(first + hour, value) for hour, value in enumerate(bands["0.5"])]
    yield _line(middle, dash="4 3")
    yield _line([at(hour, value) for hour, value in enumerate(past)])
    now = (first - 0.5) / (hours - 1) * PANEL
    yield f'<path d="M{now:.1f} 0V{HEIGHT}" stroke="{SOFT}" stroke-dasharray="2 3"/>'
    yield _text(now + 5, 12, "now; the band holds 80 %", fill=SOFT)


def _front(answer: dict[str, Any]) -> Iterator[str]:
    """Cost against response time for each undominated choice; the chosen one in colour."""
    points = [point for point in answer["pareto"] if point["performance"] is not None]
    costs = [point["cost_usd_month"] for point in points]
    gains = [point["performance"] for point in points]
    low, high = min(costs), max(costs)
    top = max(*gains, 1.0)
    bottom = min(*gains, 0.0)
    yield f'<path d="M0 {HEIGHT}H{PANEL}M0 0V{HEIGHT}" stroke="{SOFT}" fill="none"/>'
    yield _text(PANEL, HEIGHT - 6, "USD per month →", anchor="end", fill=SOFT)
    yield _text(6, 10, "↑ % shorter response time", fill=SOFT)
    for point, cost, gain in zip(points, costs, gains, strict=True):
        x = 20 + (cost - low) / ((high - low) or 1) * (PANEL - 60)
        y = HEIGHT - 20 - (gain - bottom) / ((top - bottom) or 1) * (HEIGHT - 60)
        chosen = point["id"] == answer["candidate_id"]
        fill, radius = (CHOSEN, 8) if chosen else (LINE, 5)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>'
        if chosen:
            label = f"{cost:.0f} USD, {gain:.0f} % shorter"
            yield _text(min(x, PANEL - 70), y - 14, label, anchor="middle", fill=CHOSEN)


def _plan(answer: dict[str, Any]) -> Iterator[str]:
    """The steps in words, then how sure it is."""
    y = 12
    for number, step in enumerate(answer["plan"], start=1):
        lines = wrap(step, 44)
        for index, line in enumerate(lines):
            yield _text(20, y, line)
            if index == 0:
                yield _text(0, y, f"{number}.", weight="600", fill=LINE)
            y += 16
        y += 8
    sure = answer["confidence_score"]
    if sure is not None:
        yield _text(0, y + 8, f"All limits hold with probability {sure:.2f}", fill=SOFT)


def _line(points: Sequence[str], *, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{LINE}" '
        f'stroke-width="2"{dashed}/>'
    )


def _text(
    x: float, y: float, text: str, *, weight: str = "400", fill: str = INK, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        answer = asyncio.run(record(Path(sys.argv[2])))
        ANSWER.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    PICTURE.write_text(draw(json.loads(ANSWER.read_text(encoding="utf-8"))), encoding="utf-8")
