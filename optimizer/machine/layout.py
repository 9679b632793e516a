"""What changes rarely: limits, links, disks, and how full the filesystem is."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from optimizer.machine import procfs
from optimizer.machine.capacity import (
    allowed_cores,
    allowed_cpu,
    allowed_memory,
    nearest_folder,
    physical_devices,
    storage_use,
    total_memory,
)
from optimizer.machine.cgroups import Limits, find_limits


@dataclass(frozen=True)
class Layout:
    """A machine as it was found at one moment."""

    found_at_s: float
    proc: str | None
    limits: Limits
    cpu_cores: float
    cpu_source: str
    memory_bytes: int
    memory_source: str
    cores: frozenset[int] | None
    links: frozenset[bytes]
    disks: frozenset[bytes]
    disk_errors: tuple[str, ...]
    storage: Path
    storage_use: tuple[int, int] | str


def find_layout(root: Path, data_dir: Path, *, found_at_s: float) -> Layout:
    """Look at all of it; this asks a filesystem, which may take a while.

    Args:
        root: Root of the file tree that holds `proc` and `sys`.
        data_dir: A folder on the filesystem that counts as storage; it need not exist yet.
        found_at_s: Now, on the clock that tells how old a layout is.
    """
    limits = find_limits(root)
    cores = allowed_cores()
    cpu_cores, cpu_source = allowed_cpu(limits, cores=len(cores))
    memory_bytes, memory_source = allowed_memory(limits, total=total_memory(root))
    links = physical_devices(root / "sys/class/net")
    disks = physical_devices(root / "sys/block")
    storage = nearest_folder(data_dir)
    return Layout(
        found_at_s=found_at_s,
        proc=str(root / "proc") if (root / "proc/stat").exists() else None,
        limits=limits,
        cpu_cores=cpu_cores,
        cpu_source=cpu_source,
        memory_bytes=memory_bytes,
        memory_source=memory_source,
        cores=None if len(cores) == os.cpu_count() else cores,
        links=frozenset(name.encode() for name in links) or _any_links(root),
        disks=frozenset(name.encode() for name in disks),
        disk_errors=_error_counts(root, disks),
        storage=storage,
        storage_use=_storage_use(storage),
    )


def _error_counts(root: Path, disks: Iterable[str]) -> tuple[str, ...]:
    """Files that count failed commands; only disks that are driven as SCSI have one."""
    files = (root / "sys/block" / disk / "device/ioerr_cnt" for disk in disks)
    return tuple(str(file) for file in files if file.exists())


def _any_links(root: Path) -> frozenset[bytes]:
    """A container's links have no hardware behind them; then all but loopback count."""
    try:
        return frozenset(procfs.link_names((root / "proc/net/dev").read_bytes()))
    except OSError:
        return frozenset()


def _storage_use(folder: Path) -> tuple[int, int] | str:
    """Size and used part of a filesystem in bytes, or why nobody knows."""
    try:
        size, used = storage_use(folder)
    except OSError as error:
        return f"the filesystem of {folder}: {error.strerror}"
    return (size, used) if size > 0 else f"the filesystem of {folder} states no size"
