"""Tables of measurements, line by line."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.imports import parse_csv
from optimizer.monitoring.keeper import COLUMNS
from tests.optimizer.monitoring.fakes import NOON

CPU, MEMORY = COLUMNS["cpu_usage"], COLUMNS["memory_usage"]


def test_iso_times_and_epochs_are_understood() -> None:
    lines = [
        "timestamp,cpu_usage,memory_usage",
        "2026-03-01T00:00:00Z,10,20",
        "2026-03-01T02:00:00+01:00,11,21",
        "2026-03-01 02:00:00,12,22",
        "1772332200,13,23",
        "1772334000000,14,24",
    ]

    found = parse_csv(lines, now=NOON)

    start = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert [time - start for time in found.times_s] == [0, 3600, 7200, 9000, 10_800]
    assert found.values[:, CPU].tolist() == [10, 11, 12, 13, 14]
    assert found.metrics == ("cpu_usage", "memory_usage")


def test_an_empty_cell_is_unknown_and_columns_come_in_any_order() -> None:
    found = parse_csv(["load_1m, timestamp ,cpu_usage", "0.5,1700000000,"], now=NOON)

    assert math.isnan(found.values[0, CPU])
    assert found.values[0, COLUMNS["load_1m"]] == 0.5
    assert math.isnan(found.values[0, MEMORY])


def test_lines_are_sorted_and_the_later_of_two_with_one_time_counts() -> None:
    lines = ["timestamp,cpu_usage", "200,2", "100,1", "200,3"]

    found = parse_csv(lines, now=NOON)

    assert found.times_s.tolist() == [100, 200]
    assert found.values[:, CPU].tolist() == [1, 3]
    assert found.rows == 3


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("100,nan", "line 2: cpu_usage 'nan' is not allowed (0 to 100; empty when unknown)"),
        ("100,inf", "is not allowed"),
        ("100,-1", "is not allowed"),
        ("100,100.5", "is not allowed"),
        ("100,many", "line 2: cpu_usage 'many' is not a number"),
        ("100,1,2", "line 2: 3 cells, 2 columns"),
        ("yesterday,1", "neither ISO 8601 nor seconds"),
        ("nan,1", "not between 1970 and now"),
        ("2099-01-01T00:00:00Z,1", "not between 1970 and now"),
        ("-5,1", "not between 1970 and now"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(line: str, complaint: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_csv(["timestamp,cpu_usage", line, "200,5"], now=NOON)

    assert complaint in str(caught.value)
    assert "Nothing was imported" in str(caught.value)


def test_many_bad_lines_are_counted_after_the_first_five() -> None:
    with pytest.raises(InvalidRequestError, match=r"line 6.*and 4 more"):
        parse_csv(["timestamp,cpu_usage", *["100,nan"] * 9], now=NOON)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "no column 'timestamp'"),
        (["cpu_usage", "1"], "no column 'timestamp'"),
        (["timestamp", "1"], "no column of a metric"),
        (["timestamp,cpu", "1,1"], "unknown column 'cpu'; allowed: timestamp, cpu_usage"),
        (["timestamp,cpu_usage,cpu_usage", "1,1,1"], "named twice"),
        (["timestamp,cpu_usage"], "no line of figures"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(lines: list[str], complaint: str) -> None:
    with pytest.raises(InvalidRequestError, match=complaint):
        parse_csv(lines, now=NOON)


def test_a_line_that_no_table_can_hold_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="line 2"):
        parse_csv(["timestamp,cpu_usage", "1," + "9" * 200_000], now=NOON)


@given(text=st.text(max_size=60))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        found = parse_csv(["timestamp,cpu_usage", *text.splitlines()], now=NOON)
    except InvalidRequestError:
        return
    assert (found.times_s[1:] > found.times_s[:-1]).all()
