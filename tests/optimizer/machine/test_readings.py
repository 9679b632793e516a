"""Two readings, and what was used between them."""

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from optimizer.machine.readings import Allowed, Reading, usage_between

HOST = Allowed(2.0, 1000, None, {"cpu": "host", "memory": "host", "storage": "statvfs /"})

FIRST = Reading(
    monotonic_s=100.0,
    allowed=HOST,
    busy_ticks=1000,
    total_ticks=10_000,
    group_cpu_s=None,
    memory_used_bytes=250,
    memory_reclaimable_bytes=100,
    levels={"load_1m": 0.5},
    counters={"network_rx_bytes_s": 5000},
    unknown={"swap_usage": "this machine has no swap"},
)


def half_a_core(source: str) -> Allowed:
    return replace(HOST, cpu_cores=0.5, sources={**HOST.sources, "cpu": source})


def test_cpu_is_busy_time_over_all_time_and_counters_become_rates() -> None:
    after = FIRST._replace(
        monotonic_s=110.0,
        busy_ticks=1500,
        total_ticks=12_000,
        counters={"network_rx_bytes_s": 15_000},
    )

    usage = usage_between(FIRST, after)

    assert usage is not None
    assert usage.values == {
        "load_1m": 0.5,
        "cpu_usage": 25.0,
        "memory_usage": 25.0,
        "network_rx_bytes_s": 1000.0,
    }
    assert usage.unknown == {"swap_usage": "this machine has no swap"}


def test_within_a_quota_cpu_is_use_against_what_is_allowed() -> None:
    before = FIRST._replace(group_cpu_s=7.0, allowed=half_a_core("cgroup"))
    after = before._replace(monotonic_s=110.0, group_cpu_s=8.0, busy_ticks=9000, total_ticks=12_000)

    usage = usage_between(before, after)

    assert usage is not None
    assert usage.values["cpu_usage"] == 20.0


def test_a_quota_that_changed_in_between_is_not_mixed_up_with_the_old_one() -> None:
    before = FIRST._replace(group_cpu_s=7.0, allowed=half_a_core("old"))
    after = FIRST._replace(
        monotonic_s=110.0,
        group_cpu_s=0.0,
        allowed=half_a_core("new"),
        busy_ticks=1500,
        total_ticks=11_000,
    )

    usage = usage_between(before, after)

    assert usage is not None
    assert usage.values["cpu_usage"] == 50.0


def test_a_counter_that_went_back_is_unknown_and_never_negative() -> None:
    after = FIRST._replace(
        monotonic_s=101.0, total_ticks=10_100, counters={"network_rx_bytes_s": 3}
    )

    usage = usage_between(FIRST, after)

    assert usage is not None
    assert "network_rx_bytes_s" not in usage.values
    assert "began anew" in usage.unknown["network_rx_bytes_s"]


def test_a_counter_that_is_new_has_no_rate_yet() -> None:
    before = FIRST._replace(counters={})
    after = FIRST._replace(monotonic_s=101.0, total_ticks=10_100)

    usage = usage_between(before, after)

    assert usage is not None
    assert "network_rx_bytes_s" in usage.unknown


def test_readings_without_time_between_them_say_nothing() -> None:
    assert usage_between(FIRST, FIRST) is None
    assert usage_between(FIRST, FIRST._replace(monotonic_s=100.01)) is None


@given(
    seconds=st.floats(-10, 1e6),
    busy=st.integers(-100, 10**12),
    total=st.integers(-100, 10**12),
    used=st.integers(0, 10**15),
)
def test_percentages_are_finite_and_within_bounds(
    seconds: float, busy: int, total: int, used: int
) -> None:
    after = FIRST._replace(
        monotonic_s=100.0 + seconds,
        busy_ticks=1000 + busy,
        total_ticks=10_000 + total,
        memory_used_bytes=used,
    )

    usage = usage_between(FIRST, after)

    if usage is not None:
        assert 0 <= usage.values["cpu_usage"] <= 100
        assert 0 <= usage.values["memory_usage"] <= 100
        assert all(math.isfinite(value) for value in usage.values.values())


def test_each_core_is_measured_by_its_own_time() -> None:
    before = FIRST._replace(core_ticks=((0, 0), (50, 100)))
    after = before._replace(
        monotonic_s=110.0,
        busy_ticks=1500,
        total_ticks=12_000,
        core_ticks=((100, 100), (75, 200)),
    )

    usage = usage_between(before, after)

    assert usage is not None
    assert usage.cores == (100.0, 25.0)


def test_a_core_that_came_on_line_leaves_the_cores_unknown_until_the_next_sample() -> None:
    before = FIRST._replace(core_ticks=((0, 0),))
    after = before._replace(
        monotonic_s=110.0,
        busy_ticks=1500,
        total_ticks=12_000,
        core_ticks=((100, 100), (75, 200)),
    )

    usage = usage_between(before, after)

    assert usage is not None
    assert usage.cores == ()
