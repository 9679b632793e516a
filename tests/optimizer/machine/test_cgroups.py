"""What control groups allow, on trees of both versions."""

from pathlib import Path

import pytest

from optimizer.machine.cgroups import (
    Limits,
    find_limits,
    limit_files,
    parse_bytes,
    parse_cpu_max,
    parse_membership,
    parse_mounts,
    read_cpu_seconds,
    read_memory_use,
)
from tests.optimizer.machine.trees import V1_MOUNTS, V2_MOUNT, plant


def test_a_quota_of_version_2_is_read_in_cores_with_its_source(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/app.slice/job.scope\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/app.slice/job.scope/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/app.slice/job.scope/memory.max": "max\n",
        },
    )

    limits = find_limits(tmp_path)

    assert limits.cpu is not None
    assert limits.cpu.amount == 1.5
    assert limits.cpu.source == "cgroup v2 /sys/fs/cgroup/app.slice/job.scope/cpu.max"
    assert limits.memory is None


def test_the_smallest_limit_on_the_way_up_holds(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b/c\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/a/cpu.max": "300000 100000",
            "sys/fs/cgroup/a/b/cpu.max": "50000 100000",
            "sys/fs/cgroup/a/b/c/cpu.max": "max 100000",
            "sys/fs/cgroup/a/memory.max": "1000000",
            "sys/fs/cgroup/a/b/c/memory.max": "2000000",
        },
    )

    limits = find_limits(tmp_path)

    assert limits.cpu is not None
    assert (limits.cpu.amount, limits.cpu.source) == (0.5, "cgroup v2 /sys/fs/cgroup/a/b/cpu.max")
    assert limits.memory is not None
    assert limits.memory.amount == 1_000_000
    assert limits.memory.group.folder == tmp_path / "sys/fs/cgroup/a"


def test_the_level_at_which_version_2_throttles_memory_counts_as_a_limit(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/memory.max": "3000000",
            "sys/fs/cgroup/memory.high": "2000000",
        },
    )

    memory = find_limits(tmp_path).memory

    assert memory is not None
    assert (memory.amount, memory.source) == (2_000_000, "cgroup v2 /sys/fs/cgroup/memory.high")


def test_a_container_that_sees_its_group_at_the_mount_point_is_limited_by_it(
    tmp_path: Path,
) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../system.slice\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": "20000 100000",
        },
    )

    cpu = find_limits(tmp_path).cpu

    assert cpu is not None
    assert cpu.amount == 0.2


def test_version_1_is_read_with_its_quota_memory_and_cpu_time(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/\n",
            "proc/self/mountinfo": V1_MOUNTS,
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpuacct.usage": "2500000000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "1048576\n",
            "sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": "600000\n",
            "sys/fs/cgroup/memory/docker/x/memory.stat": "cache 1\ntotal_inactive_file 100000\n",
        },
    )

    limits = find_limits(tmp_path)

    assert limits.cpu is not None
    assert limits.cpu.amount == 2.0
    assert limits.cpu.source == "cgroup v1 /sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us"
    assert read_cpu_seconds(limits.cpu) == 2.5
    assert limits.memory is not None
    assert limits.memory.amount == 1_048_576
    use = read_memory_use(limits.memory)
    assert (use.working_set, use.reclaimable) == (500_000, 100_000)


def test_version_1_finds_cpu_time_in_a_hierarchy_of_its_own(tmp_path: Path) -> None:
    mounts = (
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
    )
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "2:cpuacct:/x\n1:cpu:/x\n",
            "proc/self/mountinfo": mounts,
            "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpuacct/x/cpuacct.usage": "1000000000",
        },
    )

    cpu = find_limits(tmp_path).cpu

    assert cpu is not None
    assert read_cpu_seconds(cpu) == 1.0


def test_a_mount_that_shows_only_a_part_of_the_hierarchy_is_followed(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/x/inner\n",
            "proc/self/mountinfo": "35 31 0:32 /docker/x /sys/fs/cgroup/memory ro"
            " - cgroup cgroup rw,memory\n",
            "sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "4096",
        },
    )

    memory = find_limits(tmp_path).memory

    assert memory is not None
    assert memory.amount == 4096


def test_cpu_time_and_working_set_of_version_2(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": "100000 100000",
            "sys/fs/cgroup/cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
            "sys/fs/cgroup/memory.max": "4096000",
            "sys/fs/cgroup/memory.current": "3000",
            "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 5000\n",
        },
    )

    limits = find_limits(tmp_path)

    assert limits.cpu is not None
    assert read_cpu_seconds(limits.cpu) == 1.5
    assert limits.memory is not None
    use = read_memory_use(limits.memory)
    assert (use.working_set, use.reclaimable) == (0, 3000)


def test_a_broken_limit_file_limits_nothing(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": "100000 0",
            "sys/fs/cgroup/memory.max": "lots",
        },
    )

    assert find_limits(tmp_path) == Limits(cpu=None, memory=None)


def test_a_system_without_proc_has_no_limits(tmp_path: Path) -> None:
    assert find_limits(tmp_path) == Limits(cpu=None, memory=None)


def test_a_path_with_a_colon_and_a_mount_point_with_a_blank_are_understood() -> None:
    assert parse_membership("0::/a:b\n") == {"": "/a:b"}
    mount = parse_mounts(r"30 23 0:26 / /my\040groups rw shared:1 - cgroup2 none rw")[0]
    assert (mount.point, mount.version) == ("/my groups", 2)


@pytest.mark.parametrize(("text", "cores"), [("max 100000", None), ("50000 100000", 0.5)])
def test_cpu_max_is_cores_or_none(text: str, cores: float | None) -> None:
    assert parse_cpu_max(text) == cores


@pytest.mark.parametrize(
    ("text", "amount"), [("max\n", None), ("9223372036854771712", None), ("4096\n", 4096)]
)
def test_a_limit_in_bytes_or_none(text: str, amount: int | None) -> None:
    assert parse_bytes(text) == amount


def test_every_file_that_a_limit_follows_from_is_named(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/job\n2:cpu,cpuacct:/job\n",
            "proc/self/mountinfo": V1_MOUNTS,
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000",
        },
    )

    assert [Path(file).name for file in limit_files(tmp_path)] == [
        "cgroup",
        "cpu.cfs_quota_us",
        "cpu.cfs_period_us",
        "memory.limit_in_bytes",
    ]
    assert limit_files(tmp_path / "nothing") == ()
