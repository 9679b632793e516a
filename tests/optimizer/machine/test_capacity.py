"""What there is to use, with its source."""

from pathlib import Path

from optimizer.machine.capacity import (
    allowed_cpu,
    allowed_memory,
    discover_capacities,
    gpu_capacity,
    nearest_folder,
    network_capacity,
    storage_capacity,
)
from optimizer.machine.cgroups import Group, Limit, Limits
from tests.optimizer.machine.trees import PROC, V2_MOUNT, plant


def limit(amount: float) -> Limit:
    return Limit(amount, "cgroup v2 /x", Group(2, Path("/x"), "/x"), Path("/x"))


def test_the_smaller_of_quota_and_allowed_cores_counts() -> None:
    assert allowed_cpu(Limits(limit(1.5), None), cores=4) == (1.5, "cgroup v2 /x")
    assert allowed_cpu(Limits(limit(8.0), None), cores=4)[0] == 4.0


def test_the_smaller_of_limit_and_host_memory_counts() -> None:
    assert allowed_memory(Limits(None, limit(500)), total=1000) == (500, "cgroup v2 /x")
    assert allowed_memory(Limits(None, limit(5000)), total=1000)[0] == 1000


def test_this_machine_has_cores_memory_and_storage(tmp_path: Path) -> None:
    found = discover_capacities(data_dir=tmp_path)

    assert list(found) == ["cpu", "memory", "storage", "network", "gpu"]
    for name in ("cpu", "memory", "storage"):
        assert (found[name].amount or 0) > 0
        assert found[name].source
    assert all(each.amount is not None or each.reason for each in found.values())


def test_a_limited_machine_says_which_files_limit_it(tmp_path: Path) -> None:
    plant(tmp_path, PROC)
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": "25000 100000",
            "sys/fs/cgroup/memory.max": "4096",
        },
    )

    found = discover_capacities(data_dir=tmp_path, root=tmp_path)

    assert (found["cpu"].amount, found["cpu"].source) == (0.25, "cgroup v2 /sys/fs/cgroup/cpu.max")
    assert found["memory"].amount == 4096


def test_the_network_is_the_fastest_physical_link_that_is_up(tmp_path: Path) -> None:
    plant(tmp_path, PROC)

    network = network_capacity(tmp_path)

    assert network.amount == 125e6
    assert network.source == "/sys/class/net/eth0/speed"


def test_a_link_whose_driver_states_no_speed_is_unknown_with_a_reason(tmp_path: Path) -> None:
    plant(tmp_path, PROC | {"sys/class/net/eth0/speed": "-1\n"})

    network = network_capacity(tmp_path)

    assert network.amount is None
    assert network.reason is not None


def test_a_machine_without_an_nvidia_driver_has_no_gpu(tmp_path: Path) -> None:
    gpu = gpu_capacity(tmp_path)

    assert (gpu.amount, gpu.reason) == (0.0, None)
    assert "no NVIDIA driver" in gpu.source


def test_storage_is_that_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert nearest_folder(tmp_path / "not" / "yet") == tmp_path
    assert storage_capacity(tmp_path / "not" / "yet") == storage_capacity(tmp_path)
