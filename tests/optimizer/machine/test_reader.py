"""The machine's counters, from a tree and from the machine that runs the tests."""

import os
import shutil
from pathlib import Path

import pytest

from optimizer.errors import DependencyError
from optimizer.machine.reader import Machine
from tests.optimizer.machine.trees import PROC, V2_MOUNT, plant


@pytest.fixture
def all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, as in the tree."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.usefixtures("all_cores")
def test_a_reading_holds_what_the_files_say(tmp_path: Path) -> None:
    plant(tmp_path, PROC)

    reading = Machine(data_dir=tmp_path, root=tmp_path, monotonic=lambda: 7.0).read()

    assert reading.monotonic_s == 7.0
    assert (reading.busy_ticks, reading.total_ticks) == (150, 1000)
    assert (reading.allowed.cpu_cores, reading.allowed.memory_bytes) == (2.0, 1000 * 1024)
    assert (reading.memory_used_bytes, reading.memory_reclaimable_bytes) == (400 * 1024, 300 * 1024)
    assert reading.levels["swap_usage"] == 25.0
    assert reading.levels["cpu_pressure"] == 1.5
    assert reading.counters == {
        "network_rx_bytes_s": 1000,
        "network_tx_bytes_s": 2000,
        "network_errors_s": 7,
        "disk_read_bytes_s": 51_200,
        "disk_write_bytes_s": 102_400,
    }
    assert {"io_pressure", "disk_errors_s"} <= set(reading.unknown)
    assert reading.core_ticks == ((90, 500), (60, 500))


@pytest.mark.usefixtures("all_cores")
def test_disks_that_count_their_errors_are_added_up(tmp_path: Path) -> None:
    plant(tmp_path, PROC)
    plant(tmp_path, {"sys/block/vda/device/ioerr_cnt": "0x1f\n"})

    assert Machine(data_dir=tmp_path, root=tmp_path).read().counters["disk_errors_s"] == 31


@pytest.mark.usefixtures("all_cores")
def test_a_limited_process_is_measured_by_its_group(tmp_path: Path) -> None:
    plant(tmp_path, PROC)
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/job/cpu.max": "50000 100000",
            "sys/fs/cgroup/job/cpu.stat": "usage_usec 3000000\n",
            "sys/fs/cgroup/job/memory.max": "100000",
            "sys/fs/cgroup/job/memory.current": "40000",
            "sys/fs/cgroup/job/memory.stat": "inactive_file 10000\n",
        },
    )

    reading = Machine(data_dir=tmp_path, root=tmp_path).read()

    assert (reading.allowed.cpu_cores, reading.group_cpu_s) == (0.5, 3.0)
    assert (reading.allowed.memory_bytes, reading.memory_used_bytes) == (100_000, 30_000)
    assert reading.allowed.sources["memory"] == "cgroup v2 /sys/fs/cgroup/job/memory.max"


@pytest.mark.usefixtures("all_cores")
def test_one_missing_file_leaves_the_rest_standing(tmp_path: Path) -> None:
    plant(tmp_path, {name: text for name, text in PROC.items() if name != "sys/block/vda/stat"})

    reading = Machine(data_dir=tmp_path, root=tmp_path).read()

    assert "cannot be read" in reading.unknown["disk_read_bytes_s"]
    assert "network_rx_bytes_s" in reading.counters


@pytest.mark.usefixtures("all_cores")
def test_in_a_container_every_link_but_loopback_counts(tmp_path: Path) -> None:
    plant(tmp_path, {name: text for name, text in PROC.items() if not name.startswith("sys/")})

    reading = Machine(data_dir=tmp_path, root=tmp_path).read()

    assert reading.counters["network_rx_bytes_s"] == 1070
    assert "no physical device" in reading.unknown["disk_read_bytes_s"]


@pytest.mark.usefixtures("all_cores")
def test_without_memory_there_is_no_reading(tmp_path: Path) -> None:
    plant(tmp_path, PROC | {"proc/meminfo": ""})

    with pytest.raises(DependencyError, match="cannot be read"):
        Machine(data_dir=tmp_path, root=tmp_path).read()


@pytest.mark.usefixtures("all_cores")
def test_limits_are_looked_up_again_after_a_minute(tmp_path: Path) -> None:
    plant(tmp_path, PROC)
    group = {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2_MOUNT}
    plant(tmp_path, {**group, "sys/fs/cgroup/cpu.max": "max 100000"})
    now = [0.0]
    machine = Machine(data_dir=tmp_path, root=tmp_path, monotonic=lambda: now[0])
    machine.read()
    plant(tmp_path, {"sys/fs/cgroup/cpu.max": "50000 100000"})

    at_once = machine.read().allowed.cpu_cores
    now[0] = 60.0
    later = machine.read().allowed.cpu_cores

    assert (at_once, later) == (2.0, 0.5)


@pytest.mark.usefixtures("all_cores")
def test_a_disk_that_came_is_counted_after_ten_minutes(tmp_path: Path) -> None:
    plant(tmp_path, PROC)
    now = [0.0]
    machine = Machine(data_dir=tmp_path, root=tmp_path, monotonic=lambda: now[0])
    before = machine.read().counters["disk_read_bytes_s"]
    plant(tmp_path, {"sys/block/vdb/device/vendor": "0x1af4"})
    plant(tmp_path, {"sys/block/vdb/stat": PROC["sys/block/vda/stat"]})

    now[0] = 599.0
    soon = machine.read().counters["disk_read_bytes_s"]
    now[0] = 600.0 + 60.0
    later = machine.read().counters["disk_read_bytes_s"]

    assert (soon, later) == (before, 2 * before)


@pytest.mark.usefixtures("all_cores")
def test_a_disk_that_went_is_missed_for_a_minute_at_most(tmp_path: Path) -> None:
    plant(tmp_path, PROC)
    plant(tmp_path, {"sys/block/vdb/device/vendor": "0x1af4"})
    plant(tmp_path, {"sys/block/vdb/stat": PROC["sys/block/vda/stat"]})
    now = [0.0]
    machine = Machine(data_dir=tmp_path, root=tmp_path, monotonic=lambda: now[0])
    both = machine.read().counters["disk_read_bytes_s"]
    shutil.rmtree(tmp_path / "sys/block/vdb")

    now[0] = 60.0
    later = machine.read().counters["disk_read_bytes_s"]

    assert (both, later) == (102_400, 51_200)


@pytest.mark.usefixtures("all_cores")
def test_memory_that_a_host_gains_counts_after_a_minute(tmp_path: Path) -> None:
    plant(tmp_path, PROC)
    now = [0.0]
    machine = Machine(data_dir=tmp_path, root=tmp_path, monotonic=lambda: now[0])
    before = machine.read().allowed.memory_bytes
    more = PROC["proc/meminfo"].replace("MemTotal:       1000", "MemTotal:       2000")
    plant(tmp_path, {"proc/meminfo": more})
    now[0] = 60.0

    assert (before, machine.read().allowed.memory_bytes) == (1000 * 1024, 2000 * 1024)


def test_a_system_without_proc_is_read_through_psutil(tmp_path: Path) -> None:
    reading = Machine(data_dir=tmp_path, root=tmp_path).read()

    assert reading.memory_used_bytes > 0
    assert reading.total_ticks > reading.busy_ticks > 0
    assert "only Linux" in reading.unknown["cpu_pressure"]


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    reading = Machine(data_dir=tmp_path).read()

    assert 0 < reading.memory_used_bytes < reading.allowed.memory_bytes
    assert reading.allowed.storage_bytes is not None


def test_a_filesystem_is_asked_once_a_minute_and_readings_between_are_quick(
    tmp_path: Path,
) -> None:
    plant(tmp_path, PROC)
    seconds = [100.0]
    machine = Machine(data_dir=tmp_path, root=tmp_path, monotonic=lambda: seconds[0])
    quick = [machine.is_quick]

    for now in (100.0, 130.0, 159.5):
        seconds[0] = now
        machine.read()
        quick.append(machine.is_quick)

    assert quick == [False, True, True, False]
