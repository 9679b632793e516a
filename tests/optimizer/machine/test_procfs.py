"""The files of /proc, read from their text."""

import pytest

from optimizer.machine.procfs import (
    cpu_ticks,
    disk_bytes,
    link_counters,
    link_names,
    parse_meminfo,
    pressure_some,
)
from tests.optimizer.machine.trees import PROC

STAT, NET = (PROC[f"proc/{name}"].encode() for name in ("stat", "net/dev"))
DISK = PROC["sys/block/vda/stat"].encode()


def test_busy_is_everything_but_idle_and_waiting_for_disks() -> None:
    assert cpu_ticks(STAT, None)[0] == (150, 1000)


def test_only_the_cores_that_are_allowed_count() -> None:
    assert cpu_ticks(STAT, {1})[0] == (60, 500)


def test_each_core_has_its_own_time() -> None:
    assert cpu_ticks(STAT, None)[1] == ((90, 500), (60, 500))
    assert cpu_ticks(STAT, {1})[1] == ((60, 500),)


def test_guest_time_is_not_counted_twice() -> None:
    assert cpu_ticks(b"cpu  100 0 0 100 0 0 0 0 90 9\nintr 1\n", None)[0] == (100, 200)


def test_cores_that_are_not_there_are_an_error() -> None:
    with pytest.raises(ValueError, match="no line for the cores"):
        cpu_ticks(STAT, {7})


def test_memory_is_read_in_bytes() -> None:
    found = parse_meminfo(PROC["proc/meminfo"].encode())

    assert found["MemAvailable"] == 600 * 1024
    assert "HugePages_Total" not in found


def test_only_the_named_links_are_added_up() -> None:
    assert link_counters(NET, {b"eth0"}) == (1000, 2000, 7)
    assert link_counters(NET, {b"eth0", b"docker0"}) == (1070, 2080, 7)
    with pytest.raises(LookupError, match="none of the links"):
        link_counters(NET, {b"wlan0"})


def test_every_link_but_loopback_has_a_name() -> None:
    assert link_names(NET) == [b"eth0", b"docker0"]


def test_disks_are_counted_in_sectors_of_512_bytes() -> None:
    assert disk_bytes(DISK) == (51_200, 102_400)
    assert disk_bytes(DISK, DISK) == (102_400, 204_800)


def test_pressure_is_the_share_of_the_last_ten_seconds() -> None:
    assert pressure_some(PROC["proc/pressure/cpu"].encode()) == (1.5,)
    with pytest.raises(ValueError, match="some"):
        pressure_some(b"full avg10=1.00\n")
