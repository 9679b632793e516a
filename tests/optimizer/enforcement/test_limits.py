"""Leases as limits of control groups."""

from hypothesis import given
from hypothesis import strategies as st

from optimizer.enforcement.limits import (
    LEAST_QUOTA_US,
    Limits,
    limits_of,
    v1_values,
    v2_values,
    weight,
)


def test_a_wish_is_a_limit_and_a_guess_is_none() -> None:
    granted = {"cpu": 2.0, "memory": 4e9}

    assert limits_of(granted, {}, wished=("cpu", "memory")) == Limits(
        2.0, None, 4_000_000_000, held_cores=2.0
    )
    assert limits_of(granted, {}, wished=("cpu",)) == Limits(2.0, None, None, held_cores=2.0)
    assert limits_of(granted, {}, wished=()) == Limits(held_cores=2.0)


def test_only_a_wish_weighs_less_than_a_process_without_a_lease() -> None:
    assert limits_of({"cpu": 0.1}, {}, wished=("cpu",)).held_cores == 0.1
    assert limits_of({"cpu": 0.1}, {}, wished=()).held_cores == 1.0
    assert limits_of({}, {}, wished=()).held_cores is None


def test_a_range_is_held_to_its_upper_end() -> None:
    limits = limits_of({"memory": 2e9}, {"memory": 6e9}, wished=("memory",))

    assert limits.most_bytes == 6_000_000_000


def test_no_limit_is_written_as_each_version_has_it() -> None:
    assert set(v2_values(Limits()).values()) == {"100", "max 100000", "max"}
    assert v1_values(Limits())["memory.limit_in_bytes"] == "-1"
    assert v1_values(Limits())["cpu.cfs_quota_us"] == "-1"


def test_a_lease_weighs_as_many_processes_as_it_has_cores() -> None:
    held = Limits(held_cores=2.0)

    assert (v1_values(held)["cpu.shares"], v2_values(held)["cpu.weight"]) == ("2048", "200")
    assert (weight(None, version=1), weight(0, version=1)) == (1024, 2)
    assert (weight(1e6, version=1), weight(1e6, version=2)) == (262_144, 10_000)


@given(st.floats(1e-6, 1024))
def test_a_quota_is_never_below_what_the_kernel_takes(cores: float) -> None:
    quota = int(v2_values(Limits(cores=cores))["cpu.max"].split()[0])

    assert quota == max(LEAST_QUOTA_US, round(cores * 100_000))
