"""What files of the kernel say: bytes in, numbers out. Formats: proc(5), its iostats.rst."""

from collections.abc import Set as AbstractSet

SECTOR_BYTES = 512
"""Unit of these files, whatever the disk's own sector is."""

MEMINFO = tuple(
    (name, name.encode() + b":")
    for name in ("MemTotal", "MemFree", "MemAvailable", "SwapTotal", "SwapFree")
)
"""What is taken of /proc/meminfo, and how its lines begin."""

Ticks = tuple[int, int]
"""Busy and total time, in ticks."""


def cpu_ticks(stat: bytes, cores: AbstractSet[int] | None) -> tuple[Ticks, tuple[Ticks, ...]]:
    """Busy and total time from `/proc/stat`, in all and core by core, in ticks.

    Args:
        stat: The file's content.
        cores: Which cores; None for all that are on line.

    Returns:
        (busy, total) of these cores together, and of each in the order of the file. Idle and
        waiting for disks is not busy; time stolen by the hypervisor is, because this machine
        cannot use it. Guest time is already part of user time.

    Raises:
        ValueError: None of the cores is in the file.
    """
    of_all: Ticks | None = None
    of_each: list[Ticks] = []
    for line in stat[: stat.find(b"intr")].splitlines():
        fields = line.split()
        times = list(map(int, fields[1:9]))
        total = sum(times)
        ticks = (total - times[3] - times[4], total)
        if fields[0] == b"cpu":
            of_all = ticks
        elif cores is None or int(fields[0][3:]) in cores:
            of_each.append(ticks)
    if cores is not None:
        of_all = (sum(busy for busy, _ in of_each), sum(total for _, total in of_each))
    if of_all is None or of_all[1] == 0:
        raise ValueError("/proc/stat has no line for the cores of this process")
    return of_all, tuple(of_each)


def parse_meminfo(data: bytes) -> dict[str, int]:
    """MemTotal, MemFree, MemAvailable, SwapTotal and SwapFree of `/proc/meminfo`, in bytes.

    Returns:
        By name; a line that the file does not have is missing.
    """
    found = {}
    for name, start in MEMINFO:
        at = data.find(start)
        if at >= 0:
            at += len(start)
            found[name] = int(data[at : data.index(b"kB", at)]) * 1024
    return found


def link_counters(net_dev: bytes, links: AbstractSet[bytes]) -> tuple[int, int, int]:
    """Bytes received and sent and errors of some links, from `/proc/net/dev`.

    Raises:
        LookupError: None of them is there.
    """
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
    if not found:
        raise LookupError("none of the links is there any more")
    return received, sent, errors


def link_names(net_dev: bytes) -> list[bytes]:
    """Every link in `/proc/net/dev` but loopback."""
    names = [line.partition(b":")[0].strip() for line in net_dev.splitlines()[2:]]
    return [name for name in names if name != b"lo"]


def disk_bytes(*stats: bytes) -> tuple[int, int]:
    """Bytes read from and written to disks, from the file `stat` of each in `/sys/block`."""
    read = written = 0
    for stat in stats:
        fields = stat.split()
        read += int(fields[2]) * SECTOR_BYTES
        written += int(fields[6]) * SECTOR_BYTES
    return read, written


def disk_errors(*counts: bytes) -> tuple[int]:
    """Failed commands of disks, from the file `ioerr_cnt` of each."""
    return (sum(int(count, 16) for count in counts),)


def pressure_some(data: bytes) -> tuple[float]:
    """Share of the last 10 seconds in which some task waited, in %, from a pressure file.

    Raises:
        ValueError: The file has no such line.
    """
    start = b"some avg10="
    if not data.startswith(start):
        raise ValueError("the first line does not say 'some avg10='")
    return (min(100.0, float(data[len(start) : data.index(b" ", len(start))])),)
