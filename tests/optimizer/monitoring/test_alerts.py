"""Alerts are raised once and cleared once."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from optimizer.monitoring.alerts import AlertState, Crossing, advance, foresee
from optimizer.monitoring.health import explain
from optimizer.monitoring.sample import Threshold
from tests.optimizer.monitoring.fakes import NOON

CPU = {"cpu_usage": Threshold(warn=60, critical=80)}


def levels_of(
    values: list[float | None], thresholds: dict[str, Threshold], *, every_s: float = 30.0
) -> list[str]:
    """What is announced, in order, for values that come one after another."""
    (metric,) = thresholds
    state = AlertState()
    told: list[str] = []
    for i, value in enumerate(values):
        at = NOON + timedelta(seconds=every_s * i)
        state, changes = advance(state, {metric: value}.get, thresholds, at=at, now_s=every_s * i)
        told += [change.level for change in changes]
    return told


def test_an_alert_is_raised_once_and_cleared_once() -> None:
    assert levels_of([50, 65, 70, 65, 50, 40], CPU) == ["warning", "cleared"]


def test_it_moves_between_levels_and_says_so() -> None:
    assert levels_of([65, 85, 85, 70, 50], CPU) == ["warning", "critical", "warning", "cleared"]


def test_a_value_at_the_level_does_not_flap() -> None:
    assert levels_of([60, 59.9, 60, 59, 60, 58, 60], CPU) == ["warning"]


def test_a_level_must_be_broken_for_its_time() -> None:
    thresholds = {"memory_pressure": Threshold(warn=50, for_s=60)}

    assert levels_of([60, 60], thresholds) == []
    assert levels_of([60, 60, 60], thresholds) == ["warning"]
    assert levels_of([60, 60, 10, 60, 60], thresholds) == []


def test_a_configured_clear_value_ends_the_alert() -> None:
    thresholds = {"cpu_usage": Threshold(critical=80, clear=30)}

    assert levels_of([90, 50, 31], thresholds) == ["critical"]
    assert levels_of([90, 29], thresholds) == ["critical", "cleared"]


def test_a_low_score_is_bad_where_the_direction_says_so() -> None:
    thresholds = {"reliability_score": Threshold(warn=0.9, critical=0.85, direction="below")}

    assert levels_of([0.99, 0.88, 0.8, 0.99], thresholds) == ["warning", "critical", "cleared"]


def test_a_metric_that_is_not_known_any_more_ends_its_alert() -> None:
    assert levels_of([90, None], CPU) == ["critical", "cleared"]


def test_an_alert_keeps_the_moment_at_which_it_was_raised() -> None:
    state, _ = advance(AlertState(), {"cpu_usage": 90.0}.get, CPU, at=NOON, now_s=0)
    state, _ = advance(
        state, {"cpu_usage": 95.0}.get, CPU, at=NOON + timedelta(minutes=1), now_s=60
    )

    alert = state.raised["cpu_usage"]
    assert (alert.raised_at, alert.value, alert.word) == (NOON, 95, "high_cpu_usage")


@given(values=st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=40))
def test_no_level_is_announced_twice_in_a_row_and_nothing_is_cleared_unraised(
    values: list[float | None],
) -> None:
    told = levels_of(values, CPU)

    assert all(one != other for one, other in pairwise(told))
    assert not told or told[0] != "cleared"


HOUR = timedelta(hours=1)
SOON = Crossing("cpu_usage", limit=85.0, peak=93.0, at=NOON + 3 * HOUR)
DAY = NOON + 24 * HOUR


def test_an_expected_alert_is_raised_once_and_cleared_by_a_forecast_without_it() -> None:
    raised, first = foresee({}, [SOON], covered={"cpu_usage"}, until=DAY, at=NOON)
    still, second = foresee(raised, [SOON], covered={"cpu_usage"}, until=DAY, at=NOON + HOUR)
    none, third = foresee(still, [], covered={"cpu_usage"}, until=DAY, at=NOON + 2 * HOUR)

    assert [change.level for change in (*first, *second, *third)] == ["warning", "cleared"]
    assert still["cpu_usage"].raised_at == NOON
    assert still["cpu_usage"].word == "expected_elevated_cpu_usage"
    assert "expected to reach 85 %" in explain(still["cpu_usage"])
    assert none == {}


def test_a_forecast_that_did_not_look_clears_nothing() -> None:
    raised, _ = foresee({}, [SOON], covered={"cpu_usage"}, until=DAY, at=NOON)

    for covered, until in (({"memory_usage"}, DAY), ({"cpu_usage"}, NOON + HOUR)):
        after, changes = foresee(raised, [], covered=covered, until=until, at=NOON)
        assert (after, changes) == (raised, ())


def test_an_expectation_ends_when_its_hour_is_over() -> None:
    raised, _ = foresee({}, [SOON], covered={"cpu_usage"}, until=DAY, at=NOON)
    late = NOON + 4 * HOUR

    after, changes = foresee(raised, [], covered=(), until=late, at=late)

    assert after == {}
    assert [change.level for change in changes] == ["cleared"]
    assert foresee({}, [SOON], covered={"cpu_usage"}, until=DAY, at=late) == ({}, ())
