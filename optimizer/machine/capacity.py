"""What there is to use: the capacity of this machine, as far as this process may use it."""

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from optimizer.machine.cgroups import Limits, find_limits
from optimizer.machine.procfs import parse_meminfo
from optimizer.quantities import Unit


@dataclass(frozen=True)
class Capacity:
    """How much of a resource this process may use.

    Attributes:
        resource: cpu, memory, storage, network or gpu.
        amount: In `unit`; None when nobody can say.
        unit: Unit of the amount.
        source: Where the figure is from, for example `cgroup v2 /sys/fs/cgroup/app/cpu.max`.
        reason: Why the amount is None.
    """

    resource: str
    amount: float | None
    unit: Unit
    source: str
    reason: str | None = None


def discover_capacities(*, data_dir: Path, root: Path = Path("/")) -> dict[str, Capacity]:
    """Find out what this process may use of this machine.

    Args:
        data_dir: A folder on the filesystem that counts as storage; it need not exist yet.
        root: Root of the file tree that holds `proc` and `sys`.

    Returns:
        Capacities of cpu, memory, storage, network and gpu, by name.
    """
    limits = find_limits(root)
    cpu, cpu_source = allowed_cpu(limits, cores=len(allowed_cores()))
    memory, memory_source = allowed_memory(limits, total=total_memory(root))
    capacities = (
        Capacity("cpu", cpu, "core", cpu_source),
        Capacity("memory", float(memory), "byte", memory_source),
        storage_capacity(data_dir),
        network_capacity(root),
        gpu_capacity(root),
    )
    return {capacity.resource: capacity for capacity in capacities}


def allowed_cores() -> frozenset[int]:
    """Indices of the cores that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def total_memory(root: Path = Path("/")) -> int:
    """Memory of the host in bytes."""
    try:
        return parse_meminfo((root / "proc/meminfo").read_bytes())["MemTotal"]
    except (OSError, KeyError):
        import psutil

        return int(psutil.virtual_memory().total)


def allowed_cpu(limits: Limits, *, cores: int) -> tuple[float, str]:
    """Cores and their source: those that the scheduler allows, or the quota when it is smaller."""
    if limits.cpu is not None and limits.cpu.amount < cores:
        return limits.cpu.amount, limits.cpu.source
    return float(cores), "host, cores that this process may run on"


def allowed_memory(limits: Limits, *, total: int) -> tuple[int, str]:
    """Bytes and their source: the host's memory, or the group's limit when it is smaller."""
    if limits.memory is not None and limits.memory.amount < total:
        return int(limits.memory.amount), limits.memory.source
    return total, "host, its whole memory"


def storage_capacity(folder: Path) -> Capacity:
    """Bytes of the folder's filesystem that are used or that an ordinary user may still use."""
    place = nearest_folder(folder)
    try:
        size, _ = storage_use(place)
    except OSError as error:
        return Capacity("storage", None, "byte", f"statvfs {place}", f"{error.strerror}")
    return Capacity("storage", float(size), "byte", f"statvfs {place}")


def storage_use(folder: Path) -> tuple[int, int]:
    """Size and used part of a filesystem in bytes, as df(1) counts them.

    Returns:
        (used + available to ordinary users, used); blocks kept for root are in neither.

    Raises:
        OSError: The folder is gone or its filesystem does not answer.
    """
    figures = os.statvfs(folder)
    used = (figures.f_blocks - figures.f_bfree) * figures.f_frsize
    return used + figures.f_bavail * figures.f_frsize, used


def nearest_folder(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    absolute = folder.absolute()
    return next((place for place in (absolute, *absolute.parents) if place.is_dir()), Path("/"))


def network_capacity(root: Path = Path("/")) -> Capacity:
    """Bytes per second of the fastest link that is up, as its driver states it."""
    speeds = {name: _megabits(root, name) for name in physical_devices(root / "sys/class/net")}
    known = {name: speed for name, speed in speeds.items() if speed is not None}
    if not known:
        reason = "no driver of a link that is up states a speed (usual in virtual machines)"
        return Capacity("network", None, "byte/s", "/sys/class/net/*/speed", reason)
    name = max(known, key=lambda link: known[link])
    return Capacity("network", known[name] * 1e6 / 8, "byte/s", f"/sys/class/net/{name}/speed")


def physical_devices(folder: Path) -> list[str]:
    """Names below a folder of /sys that stand for hardware, not for bridges or loops."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if (entry / "device").exists())
    except OSError:
        return []


def _megabits(root: Path, name: str) -> int | None:
    link = root / "sys/class/net" / name
    try:
        up = (link / "operstate").read_text().strip() == "up"
        speed = int((link / "speed").read_text())
    except (OSError, ValueError):
        return None
    return speed if up and speed > 0 else None


def gpu_capacity(root: Path = Path("/")) -> Capacity:
    """NVIDIA devices that the driver shows; none is 0, said where it was looked for."""
    listed = root / "proc/driver/nvidia/gpus"
    if not listed.is_dir():
        return Capacity("gpu", 0.0, "device", "no NVIDIA driver is loaded (/proc/driver/nvidia)")
    try:
        return Capacity("gpu", float(_count_with_nvml()), "device", "NVML")
    except ImportError:
        return Capacity(
            "gpu", float(len(list(listed.iterdir()))), "device", f"/{listed.relative_to(root)}"
        )
    except OSError as error:
        return Capacity("gpu", None, "device", "NVML", str(error))


def _count_with_nvml() -> int:
    """Devices that this process may use.

    Raises:
        ImportError: The extra `gpu` (nvidia-ml-py) is not installed.
        OSError: NVML refuses; the message says why.
    """
    pynvml = import_module("pynvml")
    try:
        pynvml.nvmlInit()
        try:
            return int(pynvml.nvmlDeviceGetCount())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        raise OSError(str(error)) from error
