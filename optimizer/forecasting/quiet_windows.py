"""When heavy work would disturb least."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from optimizer.forecasting.forecast import MetricForecast, QuietWindow
from optimizer.statistics import FloatArray

SHOWN = 3
"""Windows that are listed."""

LONGEST_HOURS = 8
"""No window is longer: a longer one would say little more."""

QUIET_SHARE = 0.25
"""Where between the lowest and the highest hour "quiet" ends."""


def find_quiet_windows(forecasts: Mapping[str, MetricForecast]) -> tuple[QuietWindow, ...]:
    """Runs of hours whose load is in the lowest quarter of what the horizon brings.

    The load of an hour is the larger of the 0.9 quantiles of CPU and memory, each first put between
    its own lowest (0) and highest (1) hour, so that the flatter of the two does not hide the other.

    Args:
        forecasts: By metric; without `cpu_usage` nothing can be said.

    Returns:
        At most three windows that do not overlap, the quietest first. A flat forecast has none:
        every hour is as good as another.
    """
    cpu = forecasts.get("cpu_usage")
    if cpu is None:
        return ()
    memory = forecasts.get("memory_usage")
    rows = [np.asarray(f.quantiles["0.9"]) for f in (cpu, memory) if f is not None]
    load = np.max([_between(row) for row in rows], axis=0)
    if load.max() <= 0:
        return ()
    windows = [
        (float(load[start:end].mean()), _window(cpu, memory, start, end))
        for start, end in _runs(load <= load.min() + QUIET_SHARE * (load.max() - load.min()))
    ]
    windows.sort(key=lambda pair: (pair[0], pair[1].start))
    return tuple(window for _, window in windows[:SHOWN])


def _between(row: FloatArray) -> FloatArray:
    """A row between its lowest (0) and its highest (1); flat within one unit counts as 0."""
    spread = row.max() - row.min()
    return (row - row.min()) / spread if spread >= 1.0 else np.zeros_like(row)


def _runs(quiet: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginning and end of each run of true steps, cut to `LONGEST_HOURS`."""
    edges = np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(s), int(min(e, s + LONGEST_HOURS))) for s, e in zip(starts, ends, strict=True)]


def _window(
    cpu: MetricForecast, memory: MetricForecast | None, start: int, end: int
) -> QuietWindow:
    step = timedelta(seconds=cpu.step_s)
    return QuietWindow(
        start=cpu.origin + start * step,
        end=cpu.origin + end * step,
        hours=end - start,
        cpu_usage=round(max(cpu.quantiles["0.9"][start:end]), 1),
        memory_usage=None if memory is None else round(max(memory.quantiles["0.9"][start:end]), 1),
    )
