"""Reads this machine's counters: from /proc and the control groups, or from psutil elsewhere.

Where there is a /proc it is parsed directly: it costs less, and in a container psutil reports the
host (giampaolo/psutil issues 1011 and 2100).
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from optimizer.errors import DependencyError
from optimizer.machine import procfs
from optimizer.machine.attribution import Attribution
from optimizer.machine.capacity import storage_use
from optimizer.machine.cgroups import read_cpu_seconds, read_memory_use
from optimizer.machine.gpus import Gpus
from optimizer.machine.kernel_files import KernelFiles
from optimizer.machine.layout import Layout, Read, find_layout, still_holds
from optimizer.machine.readings import Reading, percent

LAYOUT_AGE_S = 600.0
"""How long links and disks are taken as they were found, and the groups that may limit us."""

LOOK_AGAIN_S = 60.0
"""How old the use of the filesystem may be, and a limit that is not the one in force any more."""

MARGIN_S = 1.0
"""A reading this soon before a filesystem is asked again is not called quick."""

NO_DISK_ERRORS = "no disk here counts its errors (only SCSI disks do)"


class Machine:
    """This machine, as far as this process may use it.

    Args:
        data_dir: A folder on the filesystem that counts as storage; it need not exist yet.
        root: Root of the file tree that holds `proc` and `sys`.
        monotonic: The clock that readings carry, in seconds.
        attribution: Looks at what is bound to leases, at the same moment.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        root: Path = Path("/"),
        monotonic: Callable[[], float] = time.monotonic,
        attribution: Attribution | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._root = root
        self._monotonic = monotonic
        self._layout: Layout | None = None
        self._storage: tuple[int, int] | str = ""
        self._looked_s = -math.inf
        self._files = KernelFiles()
        self._gpus = Gpus(root)
        self._attribution = attribution or Attribution(root)

    @property
    def is_quick(self) -> bool:
        """Whether the next reading looks at the kernel's own counters only.

        Else it asks a filesystem, which may hang, or devices and processes of leases.
        """
        return (
            self._layout is not None
            and self._monotonic() - self._looked_s < LOOK_AGAIN_S - MARGIN_S
            and not self._attribution.leases
            and not self._gpus.are_there
        )

    def read(self) -> Reading:
        """Read every counter once; the filesystem and the limits once a minute.

        Raises:
            DependencyError: CPU or memory cannot be read; there is no sample without them.
        """
        now = self._monotonic()
        layout = self._layout
        if layout is None or now - self._looked_s >= LOOK_AGAIN_S:
            layout = self._layout = self._look_again(layout, now)
        found = _Found()
        _show_storage(self._storage, found)
        _read_load(found)
        try:
            if layout.proc is None:
                reading = _read_psutil(layout, now, found)
            else:
                reading = _read_proc(self._files.read, layout.proc, layout, now, found)
        except (OSError, ValueError, LookupError) as error:
            self._layout = None
            raise DependencyError(
                f"CPU and memory of this machine cannot be read ({error}); "
                "check that /proc is mounted and readable"
            ) from error
        gpus, leases = self._gpus.read(), self._attribution.read()
        return replace(reading, gpus=gpus, leases=leases) if gpus or leases else reading

    def _look_again(self, former: Layout | None, now: float) -> Layout:
        """Ask the filesystem, and find out anew what is not as it was."""
        layout = former
        if (
            layout is None
            or now - layout.found_at_s >= LAYOUT_AGE_S
            or not still_holds(layout, self._root, self._files.read)
        ):
            self._files.close()
            layout = find_layout(self._root, self._data_dir, self._files.read, found_at_s=now)
        self._storage = _storage_use(layout.storage)
        self._looked_s = now
        return layout


@dataclass
class _Found:
    """The metrics that a reading gathers on its way."""

    levels: dict[str, float] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    storage_bytes: int | None = None


def _read_proc(read: Read, proc: str, layout: Layout, now: float, found: _Found) -> Reading:
    ticks, core_ticks = procfs.cpu_ticks(read(f"{proc}/stat"), layout.cores)
    meminfo = procfs.parse_meminfo(read(f"{proc}/meminfo"))
    memory = _memory_use(read, layout, meminfo)
    _add_swap(meminfo["SwapTotal"], meminfo["SwapFree"], found)
    for what in ("cpu", "memory", "io"):
        _read_pressure(read, f"{proc}/pressure/{what}", f"{what}_pressure", found)
    _read_counters(
        lambda: procfs.link_counters(read(f"{proc}/net/dev"), layout.links),
        ("network_rx_bytes_s", "network_tx_bytes_s", "network_errors_s"),
        found,
    )
    _read_counters(
        lambda: procfs.disk_bytes(read(f"{proc}/diskstats"), layout.disks),
        ("disk_read_bytes_s", "disk_write_bytes_s"),
        found,
    )
    _read_disk_errors(read, layout.disk_errors, found)
    return _reading(
        layout, now, found, ticks, _group_cpu(read, layout), memory, core_ticks=core_ticks
    )


def _read_psutil(layout: Layout, now: float, found: _Found) -> Reading:
    """The same from psutil, for systems without /proc (macOS)."""
    import psutil

    times = psutil.cpu_times()
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    _add_swap(swap.total, swap.free, found)
    for what in ("cpu", "memory", "io"):
        found.unknown[f"{what}_pressure"] = "only Linux measures pressure stall information"
    _read_counters(
        lambda: _counts(psutil.net_io_counters(), "bytes_recv", "bytes_sent"),
        ("network_rx_bytes_s", "network_tx_bytes_s"),
        found,
    )
    _read_counters(
        lambda: _counts(psutil.net_io_counters(), "errin", "errout", total=True),
        ("network_errors_s",),
        found,
    )
    _read_counters(
        lambda: _counts(psutil.disk_io_counters(), "read_bytes", "write_bytes"),
        ("disk_read_bytes_s", "disk_write_bytes_s"),
        found,
    )
    found.unknown["disk_errors_s"] = NO_DISK_ERRORS
    total = sum(times)
    used = memory.total - memory.available
    reclaimable = memory.available - memory.free
    return _reading(layout, now, found, (total - times.idle, total), None, (used, reclaimable))


def _reading(
    layout: Layout,
    now: float,
    found: _Found,
    ticks: tuple[float, float],
    group_cpu_s: float | None,
    memory: tuple[int, int],
    core_ticks: tuple[tuple[float, float], ...] = (),
) -> Reading:
    return Reading(
        monotonic_s=now,
        busy_ticks=ticks[0],
        total_ticks=ticks[1],
        group_cpu_s=group_cpu_s,
        cpu_cores=layout.cpu_cores,
        cpu_source=layout.cpu_source,
        memory_bytes=layout.memory_bytes,
        memory_source=layout.memory_source,
        memory_used_bytes=memory[0],
        memory_reclaimable_bytes=memory[1],
        storage_bytes=found.storage_bytes,
        storage_source=f"statvfs {layout.storage}",
        levels=found.levels,
        counters=found.counters,
        unknown=found.unknown,
        core_ticks=core_ticks,
    )


def _memory_use(read: Read, layout: Layout, meminfo: dict[str, int]) -> tuple[int, int]:
    """Used and reclaimable bytes of the group that limits us, else of the host."""
    limit = layout.limits.memory
    if limit is not None and layout.memory_source == limit.source:
        use = read_memory_use(limit, read)
        return use.working_set, use.reclaimable
    available = meminfo["MemAvailable"]
    return meminfo["MemTotal"] - available, max(0, available - meminfo["MemFree"])


def _group_cpu(read: Read, layout: Layout) -> float | None:
    limit = layout.limits.cpu
    if limit is None or layout.cpu_source != limit.source:
        return None
    try:
        return read_cpu_seconds(limit, read)
    except (OSError, ValueError, KeyError):
        return None


def free_swap(root: Path = Path("/")) -> float:
    """Bytes of swap that are free; 0 where nobody says.

    Args:
        root: Root of the file tree that holds `proc`.
    """
    try:
        return float(procfs.parse_meminfo((root / "proc/meminfo").read_bytes()).get("SwapFree", 0))
    except OSError:
        return 0.0


def _add_swap(total: int, free: int, found: _Found) -> None:
    if total > 0:
        found.levels["swap_usage"] = percent(total - free, total)
    else:
        found.unknown["swap_usage"] = "this machine has no swap"


def _read_load(found: _Found) -> None:
    names = ("load_1m", "load_5m", "load_15m")
    try:
        found.levels |= zip(names, os.getloadavg(), strict=True)
    except OSError as error:
        found.unknown |= dict.fromkeys(names, f"the load average cannot be read ({error})")


def _read_pressure(read: Read, path: str, metric: str, found: _Found) -> None:
    try:
        found.levels[metric] = min(100.0, procfs.pressure_some(read(path)))
    except (OSError, ValueError, IndexError):
        found.unknown[metric] = f"this kernel does not offer {path} (needs Linux 4.20 with psi=1)"


def _storage_use(folder: Path) -> tuple[int, int] | str:
    """Size and used part of a filesystem in bytes, or why nobody knows."""
    try:
        size, used = storage_use(folder)
    except OSError as error:
        return f"the filesystem of {folder}: {error.strerror}"
    return (size, used) if size > 0 else f"the filesystem of {folder} states no size"


def _show_storage(use: tuple[int, int] | str, found: _Found) -> None:
    if isinstance(use, str):
        found.unknown["storage_usage"] = use
        return
    size, used = use
    found.storage_bytes = size
    found.levels["storage_usage"] = percent(used, size)


def _read_disk_errors(read: Read, files: tuple[str, ...], found: _Found) -> None:
    if not files:
        found.unknown["disk_errors_s"] = NO_DISK_ERRORS
        return
    _read_counters(lambda: (sum(int(read(file), 16) for file in files),), ("disk_errors_s",), found)


def _read_counters(
    read: Callable[[], tuple[int, ...] | None], metrics: tuple[str, ...], found: _Found
) -> None:
    """The counters of one source; when it fails, all say why and the sample goes on."""
    try:
        counts = read()
    except (OSError, ValueError, IndexError) as error:
        found.unknown |= dict.fromkeys(metrics, f"the counter cannot be read ({error})")
        return
    if counts is None:
        reason = "no physical device of this kind is visible to this process"
        found.unknown |= dict.fromkeys(metrics, reason)
    else:
        found.counters |= zip(metrics, counts, strict=True)


def _counts(counters: object, *names: str, total: bool = False) -> tuple[int, ...] | None:
    """Counters of psutil's by name, or their sum."""
    if counters is None:
        return None
    values = tuple(int(getattr(counters, name)) for name in names)
    return (sum(values),) if total else values
