"""What the files of /proc say: text in, numbers out. Formats: proc(5), the kernel's iostats.rst."""

import re
from collections.abc import Set as AbstractSet

SECTOR_BYTES = 512
"""Unit of /proc/diskstats, whatever the disk's own sector is."""

_MEMINFO = re.compile(
    rb"^(MemTotal|MemFree|MemAvailable|SwapTotal|SwapFree): +(\d+) kB", re.MULTILINE
)


def cpu_ticks(stat: bytes, cores: AbstractSet[int] | None) -> tuple[int, int]:
    """Busy and total time from `/proc/stat`, in ticks.

    Args:
        stat: The file's content.
        cores: Which cores to add up; None for the line of all.

    Returns:
        (busy, total). Idle and waiting for disks is not busy; time stolen by the hypervisor is,
        because this machine cannot use it. Guest time is already part of user time.

    Raises:
        ValueError: None of the cores is in the file.
    """
    wanted = {b"cpu"} if cores is None else {b"cpu%d" % core for core in cores}
    busy = total = 0
    for line in stat.splitlines():
        if not line.startswith(b"cpu"):
            break
        name, *fields = line.split()
        if name in wanted:
            times = [int(field) for field in fields[:8]]
            total += sum(times)
            busy += sum(times) - times[3] - times[4]
    if total == 0:
        raise ValueError("/proc/stat has no line for the cores of this process")
    return busy, total


def core_ticks(stat: bytes, cores: AbstractSet[int] | None) -> tuple[tuple[int, int], ...]:
    """Busy and total time of single cores, counted as in `cpu_ticks`.

    Args:
        stat: Content of `/proc/stat`.
        cores: Which cores; None for all that are on line.

    Returns:
        (busy, total) by core, in the order of the file.
    """
    found = []
    for line in stat.splitlines()[1:]:
        if not line.startswith(b"cpu"):
            break
        name, *fields = line.split()
        if cores is None or int(name[3:]) in cores:
            times = [int(field) for field in fields[:8]]
            total = sum(times)
            found.append((total - times[3] - times[4], total))
    return tuple(found)


def parse_meminfo(data: bytes) -> dict[str, int]:
    """MemTotal, MemFree, MemAvailable, SwapTotal and SwapFree of `/proc/meminfo`, in bytes."""
    return {name.decode(): int(kib) * 1024 for name, kib in _MEMINFO.findall(data)}


def link_counters(net_dev: bytes, links: AbstractSet[bytes]) -> tuple[int, int, int] | None:
    """Bytes received and sent and errors of some links, from `/proc/net/dev`; None without any."""
    received = sent = errors = 0
    found = False
    for line in net_dev.splitlines()[2:]:
        name, _, rest = line.partition(b":")
        if name.strip() in links:
            fields = rest.split()
            received += int(fields[0])
            sent += int(fields[8])
            errors += int(fields[2]) + int(fields[10])
            found = True
    return (received, sent, errors) if found else None


def link_names(net_dev: bytes) -> list[bytes]:
    """Every link in `/proc/net/dev` but loopback."""
    names = [line.partition(b":")[0].strip() for line in net_dev.splitlines()[2:]]
    return [name for name in names if name != b"lo"]


def disk_bytes(diskstats: bytes, disks: AbstractSet[bytes]) -> tuple[int, int] | None:
    """Bytes read from and written to disks, from `/proc/diskstats`; None when none is there."""
    read = written = 0
    found = False
    for line in diskstats.splitlines():
        fields = line.split()
        if fields[2] in disks:
            read += int(fields[5]) * SECTOR_BYTES
            written += int(fields[9]) * SECTOR_BYTES
            found = True
    return (read, written) if found else None


def pressure_some(data: bytes) -> float:
    """Share of the last 10 seconds in which some task waited, in %, from a pressure file.

    Raises:
        ValueError: The file has no such line.
    """
    for line in data.splitlines():
        kind, *fields = line.split()
        if kind == b"some":
            return float(fields[0].removeprefix(b"avg10="))
    raise ValueError("no line 'some'")
