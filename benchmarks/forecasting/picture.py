"""`python -m benchmarks.forecasting.picture FILE.svg|png`: a few forecasts beside what came."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.forecasting.__main__ import DATA, load
from benchmarks.forecasting.scoring import TRACKS, cut
from optimizer.forecasting.single_series import forecast_series
from optimizer.statistics import FloatArray
from server.cli.pictures.picture import BLACK, GREY, RED, Area, Label, Line, Picture, Shape
from server.cli.pictures.written import WRITERS

SHOWN = (
    "nab/Twitter_volume_AAPL",
    "nab/ec2_cpu_utilization_fe7f93",
    "cloudcluster/cluster14_cpu",
    "cloudcluster/cluster6_mem",
    "crane/input2",
    "nab/grok_asg_anomaly",
)
"""One or two of each group; the origin is the middle one of eight, whatever came after it."""

WIDTH, HEIGHT, COLUMNS = 450, 170, 2
LEFT, TOP, BOTTOM = 16, 30, 24
BEFORE_H = 72


def picture() -> Picture:
    """A panel for each series: three days before the origin, the band, and what came."""
    series = load(DATA, 3600)
    shapes: list[Shape] = []
    for index, name in enumerate(SHOWN):
        pairs = cut(series[name], TRACKS["hourly"])
        history, actual = pairs[len(pairs) // 2]
        row, column = divmod(index, COLUMNS)
        shapes.extend(_panel(name, history, actual, left=column * WIDTH, top=row * HEIGHT))
    rows = -(-len(SHOWN) // COLUMNS)
    shapes.append(
        Label(
            (LEFT, rows * HEIGHT + 14),
            "black: recorded, then the 0.5 quantile; blue: the 80 % band; red: what came. Lines of "
            "grey are days.",
        )
    )
    return Picture(WIDTH * COLUMNS, rows * HEIGHT + 24, shapes)


def _panel(
    name: str, history: FloatArray, actual: FloatArray, *, left: int, top: int
) -> Iterator[Shape]:
    answer = forecast_series(history, 3600, actual.size)
    low, high = (np.array(answer["quantiles"][q]) for q in (0.1, 0.9))
    before, middle = history[-BEFORE_H:], np.array(answer["mean"])
    least = min(before.min(), low.min(), actual.min())
    most = max(before.max(), high.max(), actual.max())
    hours = before.size + actual.size

    def line(values: FloatArray, start: int) -> list[tuple[float, float]]:
        x = left + LEFT + (WIDTH - 2 * LEFT) * (start + np.arange(values.size) + 0.5) / hours
        y = top + TOP + (HEIGHT - TOP - BOTTOM) * (most - values) / (most - least)
        return list(zip(x.tolist(), y.tolist(), strict=True))

    yield Label((left + LEFT, top + 18), name)
    for hour in range(before.size % 24, hours, 24):
        x = left + LEFT + (WIDTH - 2 * LEFT) * hour / hours
        yield Line([(x, top + TOP), (x, top + HEIGHT - BOTTOM)], GREY, 0.7)
    yield Area(line(high, before.size), line(low, before.size), opacity=0.28)
    yield Line(line(before, 0), BLACK, 1.0)
    yield Line(line(middle, before.size), BLACK, 1.8)
    yield Line(line(actual, before.size), RED, 1.3)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_bytes(WRITERS[file.suffix](picture()))
