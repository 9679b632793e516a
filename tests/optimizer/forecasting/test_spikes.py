import numpy as np

from optimizer.forecasting.spike_detection import SpikeDetection
from optimizer.forecasting.spikes import find_spikes, hourly_remainder, usual_values
from optimizer.statistics import FloatArray


def rhythm(days: int) -> FloatArray:
    hours = np.arange(24 * days)
    noise = np.random.default_rng(3).normal(0, 0.5, hours.size)
    return 30 + 20 * np.sin(hours * 2 * np.pi / 24) + noise


def with_spike(values: FloatArray, at: int, size: float, remainder: float) -> FloatArray:
    after = np.arange(values.size - at)
    changed = values.copy()
    changed[at:] += size * remainder**after
    return changed


def test_a_burst_at_the_quiet_hour_is_found_with_time_and_size() -> None:
    values = with_spike(rhythm(10), 24 * 8 + 18, 25.0, 0.0)

    spikes = find_spikes(values, steps_per_day=24)

    assert [(spike.start, spike.length) for spike in spikes] == [(24 * 8 + 18, 1)]
    assert abs(spikes[0].size - 25) < 2
    assert abs(spikes[0].usual - 10) < 2


def test_the_daily_peak_is_no_spike() -> None:
    assert find_spikes(rhythm(10), steps_per_day=24) == ()


def test_a_constant_history_has_no_spikes() -> None:
    assert find_spikes(np.full(200, 7.0), steps_per_day=24) == ()
    assert find_spikes(np.zeros(200), steps_per_day=24) == ()


def test_the_usual_is_told_only_from_the_days_before() -> None:
    values = rhythm(10)
    changed = values.copy()
    changed[150:] = 99.0

    before = usual_values(values, steps_per_day=24)
    after = usual_values(changed, steps_per_day=24)

    np.testing.assert_array_equal(before[: 150 + 24], after[: 150 + 24])


def test_the_decay_is_learnt_from_past_spikes() -> None:
    slow = rhythm(20)
    for day in (8, 12, 16):
        slow = with_spike(slow, 24 * day + 18, 30.0, 0.8)

    remainder = hourly_remainder(slow, steps_per_day=24)

    assert remainder[24 * 8] == 0.5
    assert 0.6 < remainder[-1] < 0.85


def test_the_present_spike_dies_down_as_past_ones_did() -> None:
    values = rhythm(20)
    for day in (6, 9, 12, 15, 18):
        values = with_spike(values, 24 * day + 18, 30.0, 0.7)
    now = with_spike(values, values.size - 1, 30.0, 0.7)

    calm = SpikeDetection().forecast(values, steps_per_day=24, horizon=12).mean
    excited = SpikeDetection().forecast(now, steps_per_day=24, horizon=12).mean

    excess = excited - calm
    assert 12 < excess[0] < 26
    assert excess[6] < 0.5 * excess[0]
