import gc

import numpy as np

from optimizer.forecasting.answers import ask
from optimizer.forecasting.day_candidates import DAYS
from optimizer.forecasting.ml_hybrid import MlHybrid
from optimizer.forecasting.replay import Replay, forget, least_steps, past_origins, replay_of


def test_origins_are_five_hours_apart_and_visit_every_hour_of_the_day() -> None:
    origins = past_origins(24 * 28, steps_per_day=24, horizon=24)

    assert origins[0] == 24 * 28 - 5
    assert (np.diff(origins) == -5).all()
    assert set(origins % 24) == set(range(24))


def test_origins_keep_two_days_of_history() -> None:
    assert past_origins(24 * 4, steps_per_day=24, horizon=24).min() >= 48


def test_a_long_horizon_has_fewer_origins_farther_apart() -> None:
    long = past_origins(24 * 28, steps_per_day=24, horizon=168)

    assert long.size < past_origins(24 * 28, steps_per_day=24, horizon=24).size
    assert long[0] - long[1] > 5


def test_fine_steps_are_tested_close_together() -> None:
    origins = past_origins(288 * 7, steps_per_day=288, horizon=24)

    assert (np.diff(origins) == -17).all()
    assert origins.size == 100


def test_the_least_history_has_just_one_origin() -> None:
    least = least_steps(steps_per_day=24, horizon=24)

    assert least == 53
    assert past_origins(least, steps_per_day=24, horizon=24).size == 1
    assert past_origins(least - 1, steps_per_day=24, horizon=24).size == 0


def test_paths_of_the_past_use_only_what_was_known_then() -> None:
    values = np.random.default_rng(0).random(24 * 10)
    changed = values.copy()
    changed[-30:] += 100

    before = replay_of(values, steps_per_day=24, horizon=24)
    after = replay_of(changed, steps_per_day=24, horizon=24)

    old = before.age >= 30
    was, has_become = (replay.paths(DAYS[:1])[:, 1:] for replay in (before, after))
    np.testing.assert_array_equal(was[:, old], has_become[:, old])


def test_what_has_not_come_yet_is_nan() -> None:
    replay = replay_of(np.arange(24.0 * 10), steps_per_day=24, horizon=24)

    assert np.isnan(replay.actual[0, 5:]).all()
    np.testing.assert_array_equal(replay.actual[0, :5], np.arange(235.0, 240.0))
    np.testing.assert_array_equal(replay.naive[0, :5], np.arange(211.0, 216.0))


def test_the_same_series_is_replayed_once() -> None:
    values = np.random.default_rng(1).random(24 * 10)

    first = replay_of(values, steps_per_day=24, horizon=24)
    again = replay_of(values.copy(), steps_per_day=24, horizon=24)

    assert first is again


def test_bands_are_tested_with_what_was_known_before_their_origin() -> None:
    replay = replay_of(np.random.default_rng(2).random(24 * 20), steps_per_day=24, horizon=24)

    tests = replay.tests
    counted = tests.kernel > 0
    begun_days = replay.age[tests.origin] / 24
    assert counted.any()
    assert (replay.points.age_days > begun_days[:, None])[counted].all()


def replays() -> int:
    return sum(type(each) is Replay for each in gc.get_objects())


def test_what_models_share_of_a_series_is_let_go_when_all_have_answered() -> None:
    forget()
    before = replays()
    series = np.arange(24.0 * 7) % 24

    answers = ask([MlHybrid()], series, 24, 24)

    assert list(answers.outlooks) == ["ml_hybrid"]
    assert replays() == before
    assert replay_of(series, steps_per_day=24, horizon=24)
    assert replays() == before + 1
