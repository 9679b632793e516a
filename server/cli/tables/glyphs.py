"""Figures as text: numbers, bars, sparklines, moments."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

UNKNOWN = "-"
"""What stands for a figure that is not known; the reason is printed below."""

BARS = "▁▂▃▄▅▆▇█"

STATUS_STYLE: Mapping[str, str] = {
    "healthy": "green",
    "degraded": "yellow",
    "critical": "bold red",
    "unknown": "magenta",
    "optimal": "green",
    "feasible": "green",
    "infeasible": "yellow",
    "insufficient_data": "yellow",
    "active": "green",
    "partial": "yellow",
    "refused": "yellow",
    "profiled": "green",
    "changed": "bold yellow",
    "failed": "red",
}


def number(value: float | None, unit: str = "", *, digits: int = 1) -> str:
    """`45.2 %`, or `-` when it is not known."""
    if value is None:
        return UNKNOWN
    return f"{value:,.{digits}f} {unit}".rstrip()


def status(word: str) -> Text:
    """A state in its colour."""
    return Text(word, style=STATUS_STYLE.get(word, ""))


def bar(share: float | None, *, width: int = 20) -> str:
    """A share of 100 % as a bar of blocks."""
    if share is None:
        return ""
    full = round(max(0.0, min(100.0, share)) / 100 * width)
    return "█" * full + "░" * (width - full)


def sparkline(values: Sequence[float], *, low: float, high: float) -> str:
    """One block a value, between two levels that all lines of a chart share."""
    span = high - low
    if span <= 0:
        return BARS[0] * len(values)
    top = len(BARS) - 1
    return "".join(BARS[max(0, min(top, round((value - low) / span * top)))] for value in values)


def hour(moment: str) -> str:
    """`Tue 14:00` in the reader's time zone, from an ISO 8601 moment."""
    return datetime.fromisoformat(moment).astimezone().strftime("%a %H:%M")


def ago(moment: str) -> str:
    """`3 s ago`."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    return f"{max(0.0, seconds):.0f} s ago"


def plain_table(*headings: str, right: Sequence[int] = (), whole: Sequence[int] = ()) -> Table:
    """A table without lines.

    Args:
        headings: One a column; all empty for a table without a head.
        right: Columns that hold numbers.
        whole: Columns that are never cut or wrapped, such as ids, which people copy.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(headings))
    for index, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if index in right else "left"
        table.add_column(heading, justify=justify, no_wrap=index in whole, overflow="fold")
    return table


def reasons(unknown: Mapping[str, Any] | None) -> list[Text]:
    """Why figures are missing, a line for each reason."""
    names: dict[str, list[str]] = {}
    for name, why in (unknown or {}).items():
        names.setdefault(str(why), []).append(name)
    return [Text(f"{', '.join(those)}: {why}", style="dim") for why, those in names.items()]


def marked(mark: str, lines: Sequence[str], style: str = "") -> list[Text]:
    """Sentences under a mark, a line each."""
    return [Text(f"{mark} {line}", style=style) for line in lines]
