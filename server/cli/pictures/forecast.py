"""A forecast as a picture: a panel for each metric, its band, its middle, its limit."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import floor, log10

from server.cli.pictures.picture import GREY, RED, Area, Label, Line, Picture, Shape
from server.views import Json

WIDTH, PANEL = 900, 210
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 34, 30
"""Margins of a panel, in pixels."""

TICKS = 4
"""Lines with a value, at most about."""

LONGEST_BY_HOUR = timedelta(hours=48)
"""Beyond this the axis of time names days, not hours."""


def forecast(answer: Json) -> Picture:
    """A panel for each metric of a forecast, one below the other.

    Raises:
        ValueError: There is no forecast; the message says what is missing.
    """
    if not answer["forecast_available"]:
        raise ValueError(f"there is no forecast to draw: {answer['reason']}")
    limits = {fact["metric"]: fact["limit"] for fact in answer.get("saturation", ())}
    shapes: list[Shape] = []
    for index, (name, metric) in enumerate(answer["metrics"].items()):
        shapes.extend(_panel(metric, limits.get(name), top=index * PANEL))
    return Picture(WIDTH, PANEL * len(answer["metrics"]), shapes)


def _panel(metric: Json, limit: float | None, *, top: int) -> Iterator[Shape]:
    quantiles = metric["quantiles"]
    low, high = _range(quantiles["0.1"], quantiles["0.9"], limit)
    step = timedelta(seconds=metric["step_s"])
    count = len(quantiles["0.5"])

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * place / count

    def y(value: float) -> float:
        return top + TOP + (PANEL - TOP - BOTTOM) * (high - value) / (high - low)

    def line(values: Sequence[float]) -> list[tuple[float, float]]:
        """Each step's mean at its middle, held to both edges."""
        points = [(x(index + 0.5), y(value)) for index, value in enumerate(values)]
        return [(x(0), points[0][1]), *points, (x(count), points[-1][1])]

    unit = f", {metric['unit']}" if metric["unit"] else ""
    yield Label((LEFT, top + 20), f"{metric['metric']}{unit}: 0.5 quantile and 80 % band")
    for value in _ticks(low, high):
        yield Line([(LEFT, y(value)), (WIDTH - RIGHT, y(value))], GREY, 0.7)
        yield Label((LEFT - 8, y(value) + 4), _short(value), "end")
    for place, text in _hours(datetime.fromisoformat(metric["origin"]), step, count):
        yield Line([(x(place), top + TOP), (x(place), top + PANEL - BOTTOM)], GREY, 0.7)
        yield Label((x(place), top + PANEL - BOTTOM + 16), text, "middle")
    yield Area(line(quantiles["0.9"]), line(quantiles["0.1"]))
    yield Line(line(quantiles["0.5"]), width=1.8)
    if limit is not None:
        yield Line([(LEFT, y(limit)), (WIDTH - RIGHT, y(limit))], RED, 1.2)
        yield Label((WIDTH - RIGHT, y(limit) - 5), f"limit {limit:g}", "end", RED)


def _range(
    lows: Sequence[float], highs: Sequence[float], limit: float | None
) -> tuple[float, float]:
    """From a little below the lowest to a little above the highest; never empty."""
    low, high = min(lows), max(*highs, limit if limit is not None else max(highs))
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return max(0.0, low - room) if low >= 0 else low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two ends."""
    rough = (high - low) / TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)
    first = -(-low // step)
    return [step * number for number in range(int(first), int(high // step) + 1)]


def _hours(origin: datetime, step: timedelta, count: int) -> Iterator[tuple[float, str]]:
    """Where on the axis of time to write what, in the reader's time zone."""
    start, span = origin.astimezone(), count * step
    by_hour = span <= LONGEST_BY_HOUR
    every = timedelta(hours=24) if not by_hour else timedelta(hours=4 if span.days else 2)
    if span <= timedelta(hours=6):
        every = timedelta(minutes=30)
    moment = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while moment <= start + span:
        if moment >= start:
            yield (moment - start) / step, moment.strftime("%H:%M" if by_hour else "%a %d")
        moment += every


def _short(value: float) -> str:
    """`1.2M` for 1,200,000, so that bytes fit beside the axis."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scale = 1e3 if letter == "k" else size
            return f"{value / scale:g}{letter}"
    return f"{value:.6g}"
