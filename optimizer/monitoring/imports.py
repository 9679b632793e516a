"""History from elsewhere: a CSV table in, arrays out. Pure; errors name their lines."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.keeper import COLUMNS
from optimizer.monitoring.sample import METRICS
from optimizer.statistics import FloatArray

if TYPE_CHECKING:
    import _csv

TIMESTAMP = "timestamp"

SHOWN_ERRORS = 5
"""How many bad lines a message names; the rest is counted."""

MILLISECONDS_FROM = 1e11
"""A larger epoch number counts milliseconds: as seconds it would lie after the year 5000."""


@dataclass(frozen=True)
class ImportedHistory:
    """Measurements from a file.

    Attributes:
        times_s: Seconds since 1970, ascending, no two alike, shape (n,).
        values: A column for every stored metric, shape (n, metrics); NaN where the file is silent.
        metrics: Names of the metrics that the file has.
        rows: Lines of figures that were read, repetitions included.
    """

    times_s: FloatArray
    values: FloatArray
    metrics: tuple[str, ...]
    rows: int


def parse_csv(lines: Iterable[str], *, now: datetime) -> ImportedHistory:
    """Read a table of measurements.

    The first line names the columns: `timestamp` and stored metrics, in any order. A time stamp is
    ISO 8601 (UTC when it names no zone) or seconds or milliseconds since 1970. An empty cell is
    unknown. Of two lines with one time stamp the later counts.

    Args:
        lines: The file's lines, the header first.
        now: Time stamps after this are refused.

    Raises:
        InvalidRequestError: Any line is bad; the message names the first few and nothing counts.
    """
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        times, rows, errors = _parse_rows(header, reader, now)
    except csv.Error as error:
        raise InvalidRequestError(
            f"line {reader.line_num}: this is not CSV ({error}). Nothing was imported"
        ) from error
    if errors:
        rest = len(errors) - SHOWN_ERRORS
        more = f"; and {rest} more" if rest > 0 else ""
        shown = "; ".join(errors[:SHOWN_ERRORS])
        raise InvalidRequestError(f"{shown}{more}. Nothing was imported")
    if not rows:
        raise InvalidRequestError("the file has no line of figures. Nothing was imported")
    metrics = tuple(name for name in header if name != TIMESTAMP)
    return _arrange(np.array(times), np.array(rows), metrics)


def _parse_rows(
    header: Sequence[str], reader: "_csv.Reader", now: datetime
) -> tuple[list[float], list[list[float]], list[str]]:
    """Moments, figures, and what is wrong with each bad line."""
    times: list[float] = []
    rows: list[list[float]] = []
    errors: list[str] = []
    for cells in reader:
        if not cells:
            continue
        try:
            time_s, row = _parse_row(header, cells, now)
        except ValueError as error:
            errors.append(f"line {reader.line_num}: {error}")
        else:
            times.append(time_s)
            rows.append(row)
    return times, rows, errors


def _arrange(times_s: FloatArray, figures: FloatArray, metrics: Sequence[str]) -> ImportedHistory:
    """Ascending times, the last of equal ones, and a column for every stored metric."""
    order = np.argsort(times_s, kind="stable")
    ordered = times_s[order]
    is_last = np.append(ordered[1:] != ordered[:-1], True)
    kept = order[is_last]
    values = np.full((kept.size, len(COLUMNS)), np.nan)
    values[:, [COLUMNS[name] for name in metrics]] = figures[kept]
    return ImportedHistory(times_s[kept], values, tuple(metrics), rows=times_s.size)


def _check_header(header: Sequence[str]) -> None:
    known = f"allowed: {TIMESTAMP}, {', '.join(METRICS)}. Nothing was imported"
    if TIMESTAMP not in header:
        raise InvalidRequestError(f"line 1: there is no column {TIMESTAMP!r}; {known}")
    if len(header) < 2:
        raise InvalidRequestError(f"line 1: there is no column of a metric; {known}")
    if len(set(header)) < len(header):
        raise InvalidRequestError("line 1: a column is named twice. Nothing was imported")
    for name in header:
        if name != TIMESTAMP and name not in COLUMNS:
            raise InvalidRequestError(f"line 1: unknown column {name[:80]!r}; {known}")


def _parse_row(
    header: Sequence[str], cells: Sequence[str], now: datetime
) -> tuple[float, list[float]]:
    """One line's moment and its figures in the header's order.

    Raises:
        ValueError: A cell is not allowed; the message says which and what is.
    """
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells, {len(header)} columns")
    time_s = 0.0
    row = []
    for name, cell in zip(header, cells, strict=True):
        if name == TIMESTAMP:
            time_s = _parse_time(cell.strip(), now)
        else:
            row.append(_parse_figure(name, cell.strip()))
    return time_s, row


def _parse_time(text: str, now: datetime) -> float:
    try:
        number = float(text)
        time_s = number / 1000 if abs(number) > MILLISECONDS_FROM else number
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"timestamp {text[:40]!r} is neither ISO 8601 nor seconds since 1970"
            ) from None
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        time_s = aware.timestamp()
    if not 0 <= time_s <= now.timestamp():
        raise ValueError(f"timestamp {text[:40]!r} is not between 1970 and now")
    return time_s


def _parse_figure(name: str, text: str) -> float:
    if not text:
        return math.nan
    maximum = METRICS[name].maximum
    allowed = "0 or more" if maximum is None else f"0 to {maximum:g}"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} {text[:40]!r} is not a number") from None
    if not math.isfinite(value) or value < 0 or (maximum is not None and value > maximum):
        raise ValueError(f"{name} {text[:40]!r} is not allowed ({allowed}; empty when unknown)")
    return value
