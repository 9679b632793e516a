import numpy as np

from optimizer.forecasting.day_blocks import DayBlocks

HOURS = np.arange(24.0 * 9)


def blocks(*origins: int, horizon: int = 24) -> DayBlocks:
    return DayBlocks(HOURS, np.array(origins), 24, horizon)


def test_day_zero_is_the_last_whole_day_before_each_origin() -> None:
    seen = blocks(100, 50)

    np.testing.assert_array_equal(seen.ahead[0, 0], np.arange(76.0, 100.0))
    np.testing.assert_array_equal(seen.ahead[1, 1], np.arange(2.0, 26.0))
    assert np.isnan(seen.ahead[1, 2]).all()


def test_a_short_horizon_looks_only_at_its_own_hours() -> None:
    np.testing.assert_array_equal(blocks(100, horizon=2).ahead[0, 0], [76.0, 77.0])


def test_the_level_is_the_mean_of_a_whole_day() -> None:
    level = blocks(100, horizon=2).level[0]

    np.testing.assert_allclose(level, [87.5, 63.5, 39.5, 15.5])


def test_behind_holds_the_last_three_hours_now_and_on_the_days_before() -> None:
    behind = blocks(100).behind[0]

    np.testing.assert_array_equal(behind[0], [97.0, 98.0, 99.0])
    np.testing.assert_array_equal(behind[1], [73.0, 74.0, 75.0])


def test_a_day_is_repeated_over_a_longer_horizon() -> None:
    seen = blocks(100, horizon=30)

    np.testing.assert_array_equal(seen.over_horizon(seen.ahead[:, 0])[0, 24:], np.arange(76.0, 82))


def test_weeks_before_are_the_same_hours_of_that_week_or_missing() -> None:
    seen = blocks(200, 100)

    np.testing.assert_array_equal(seen.weeks_before(1)[0], np.arange(32.0, 56.0))
    assert np.isnan(seen.weeks_before(1)[1]).all()


def test_means_over_days_leave_out_days_before_history() -> None:
    seen = blocks(60, 50, horizon=1)

    means = seen.mean_of_days(seen.ahead, np.array([1.0, 1.0]))

    np.testing.assert_allclose(means[:, 0], [(36 + 12) / 2, (26 + 2) / 2])


def test_fine_steps_thin_the_week_to_hours() -> None:
    seen = DayBlocks(np.arange(288.0 * 8), np.array([288 * 8]), 288, 24)

    assert seen.week.shape == (1, 168)
    np.testing.assert_array_equal(np.diff(seen.week[0]), 12.0)
