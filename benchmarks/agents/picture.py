"""Draws memory over time under no control, under fixed leases and under ours, as SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from types import ModuleType
from typing import Any

SHOWN_S = 3600
"""How much of the replay is drawn."""

WIDTH, HEIGHT, LEFT, GAP, TOP = 860, 120, 60, 70, 40
POINTS = 360
"""Points of a line; each is the most of its ten seconds, cut at the limit: beyond it is killed."""

INK, SOFT, LIMIT = "#1f2933", "#7b8794", "#e4572e"
COLOURS = ("#b0560f", "#7b8794", "#2563eb")


@dataclass
class Recorded:
    """A policy, and what it saw.

    Attributes:
        policy: The policy.
        used_mb: What all live runs hold together, second by second.
        ended: Runs that ended, by reason.
    """

    policy: Any
    used_mb: list[float] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)

    def on_arrival(self, info: Any, live: Any, now: int) -> Any:
        """As the policy says."""
        return self.policy.on_arrival(info, live, now)

    def on_sample(self, live: Any, now: int) -> Any:
        """As the policy says, written down."""
        self.used_mb.append(sum(run.resident_mb for run in live))
        return self.policy.on_sample(live, now)

    def on_finish(self, job: int, reason: str, peak_mb: float) -> None:
        """Counted, and passed on."""
        self.ended[reason] = self.ended.get(reason, 0) + 1
        self.policy.on_finish(job, reason, peak_mb)


def draw(
    replay: ModuleType, runs: list[Any], setting: str, seed: int, *, ours: Callable[..., Any]
) -> str:
    """Replay one seed of one setting three times and draw what was used.

    Args:
        replay: The simulator.
        runs: All recorded runs.
        setting: Name of the setting.
        seed: Which draw of it.
        ours: Builds our policy from the runs to learn from and the machine.
    """
    memory_mb, cores, count, arrival, load, largest = replay.SETTINGS[setting]
    machine = replay.Machine(memory_mb, cores)
    train, jobs, arrivals = replay.workload(runs, machine, count, arrival, seed, load, largest)
    baselines = replay.baselines(train, machine)
    shown = {
        "No control": baselines["a no control"](jobs),
        "A fixed lease each, at the 90 % quantile of past peaks": baselines[
            "d VPA p90 of peaks, hard"
        ](jobs),
        "Ours: a mean and one reserve for all; throttle, park, end last": ours(train, machine),
    }
    panels = []
    for title, policy in shown.items():
        recorded = Recorded(policy)
        replay.simulate(jobs, arrivals, machine, recorded, horizon_s=SHOWN_S)
        panels.append((f"{title}: {_outcome(recorded.ended)}", recorded.used_mb))
    return svg(f"Memory of recorded coding agents, {setting}", panels, memory_mb)


def svg(title: str, panels: Sequence[tuple[str, Sequence[float]]], limit_mb: float) -> str:
    """The panels below each other, each with its line and the limit of the machine."""
    height = TOP + len(panels) * (HEIGHT + GAP)
    width = LEFT + WIDTH + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="13" role="img" '
        f'aria-label="{escape(title)}">',
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
        _text(LEFT, 26, title, weight="600"),
    ]
    for number, (label, used_mb) in enumerate(panels):
        parts.append(f'<g transform="translate({LEFT} {TOP + number * (HEIGHT + GAP) + 30})">')
        parts.append(_text(0, -8, label, fill=COLOURS[number % len(COLOURS)]))
        parts.extend(_panel(used_mb, limit_mb, COLOURS[number % len(COLOURS)]))
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(used_mb: Sequence[float], limit_mb: float, colour: str) -> list[str]:
    step = SHOWN_S // POINTS
    points = [
        f"{start / SHOWN_S * WIDTH:.1f},"
        f"{HEIGHT - min(1.0, max(used_mb[start : start + step]) / limit_mb) * HEIGHT:.1f}"
        for start in range(0, min(len(used_mb), SHOWN_S), step)
    ]
    shapes = [
        f'<path d="M0 {HEIGHT}H{WIDTH}" stroke="{SOFT}"/>',
        f'<path d="M0 0H{WIDTH}" stroke="{LIMIT}" stroke-dasharray="5 4"/>',
        _text(-8, 5, f"{limit_mb / 1024:.0f} GiB", fill=LIMIT, anchor="end"),
        _text(-8, HEIGHT, "0", fill=SOFT, anchor="end"),
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
    ]
    for minutes in range(0, SHOWN_S // 60 + 1, 15):
        x = minutes * 60 / SHOWN_S * WIDTH
        shapes.append(_text(x, HEIGHT + 17, f"{minutes} min", fill=SOFT, anchor="middle"))
    return shapes


def _outcome(ended: dict[str, int]) -> str:
    killed = sum(count for reason, count in ended.items() if reason != "done")
    return f"{ended.get('done', 0)} runs done, {killed:,} kills"


def _text(
    x: float, y: float, text: str, *, weight: str = "400", fill: str = INK, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
