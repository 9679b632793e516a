from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optimizer.decisions.past import remember, settled, told
from optimizer.decisions.snapshot import PastRecord, Snapshot
from optimizer.monitoring.history import Series
from tests.optimizer.decisions.test_answer import decide

MakeSnapshot = Callable[..., Snapshot]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(level: float, count: int = 72) -> Series:
    """Hours of a steady load around noon, from a day and a half before."""
    return Series("cpu_usage", np.full(count, level), HOUR, NOON - 36 * HOUR)


def test_a_decision_is_settled_when_its_horizon_is_over(make_snapshot: MakeSnapshot) -> None:
    past = [make_snapshot(computed_at=NOON)]

    assert settled(past, {"cpu": hours(70.0)}, NOON + 23 * HOUR) is None
    assert settled(past, {"cpu": hours(70.0)}, NOON + 24 * HOUR) == PastRecord(settled=1, held=1)


@pytest.mark.parametrize(("level", "held"), [(70.0, 1.0), (80.0, 0.0), (50.0, 0.0)])
def test_it_held_when_the_greatest_hour_lay_in_the_stated_band(
    make_snapshot: MakeSnapshot, level: float, held: float
) -> None:
    record = settled([make_snapshot()], {"cpu": hours(level)}, NOON + 24 * HOUR)

    assert record == PastRecord(settled=1, held=held)


def test_decisions_of_one_hour_rest_on_one_forecast_and_count_once(
    make_snapshot: MakeSnapshot,
) -> None:
    past = [make_snapshot(computed_at=NOON + timedelta(minutes=m)) for m in (0, 20, 59, 60)]

    record = settled(past, {"cpu": hours(70.0)}, NOON + 30 * HOUR)

    assert record == PastRecord(settled=2, held=2)


def test_hours_without_a_record_settle_nothing(make_snapshot: MakeSnapshot) -> None:
    assert settled([make_snapshot()], {"cpu": hours(70.0, count=40)}, NOON + 24 * HOUR) is None


def test_a_scope_is_told_of_its_own_last_decisions(make_snapshot: MakeSnapshot) -> None:
    decisions = [decide(make_snapshot(), {"scope": "task_level"}) for _ in range(7)]
    other = decide(make_snapshot())

    remembered = remember([*decisions, other], [])

    assert len(told(remembered, "task_level")) == 5
    [sentence] = told(remembered, "system_level")
    assert sentence.startswith("2026-11-22 12:00 balanced_optimization chose ")
    assert sentence.endswith("not carried out here.")
