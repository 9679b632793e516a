from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cli.tables.glyphs import BARS, UNKNOWN, ago, bar, number, reasons, sparkline


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_sparkline_has_one_block_a_value_and_reaches_both_ends(values: list[float]) -> None:
    drawn = sparkline(values, low=min(values), high=max(values))

    assert len(drawn) == len(values)
    assert set(drawn) <= set(BARS)
    if max(values) > min(values):
        assert drawn[values.index(max(values))] == BARS[-1]
        assert drawn[values.index(min(values))] == BARS[0]


def test_lines_of_one_chart_share_a_scale() -> None:
    assert sparkline([0, 50, 100], low=0, high=100) == "▁▅█"
    assert sparkline([0, 50], low=0, high=100) == "▁▅"


@given(share=st.floats(-50, 150))
def test_a_bar_has_its_width_whatever_the_share(share: float) -> None:
    assert len(bar(share, width=20)) == 20


def test_what_is_not_known_is_not_drawn_as_zero() -> None:
    assert number(None, "%") == UNKNOWN
    assert bar(None) == ""
    assert number(0.0, "%") == "0.0 %"


def test_the_reason_of_a_missing_figure_is_shown() -> None:
    [line] = reasons({"throughput": "no request was seen yet"})

    assert line.plain == "throughput: no request was seen yet"
    assert reasons(None) == []


def test_a_moment_in_the_future_of_a_clock_that_runs_ahead_is_now() -> None:
    assert ago(datetime(2999, 1, 1, tzinfo=UTC).isoformat()) == "0 s ago"


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234.5"), (0.04, "0.0")])
def test_numbers_are_grouped(value: float, text: str) -> None:
    assert number(value) == text
