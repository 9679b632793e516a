"""Reads this machine's counters: from /proc and the control groups, or from psutil elsewhere.

Where there is a /proc it is parsed directly: it costs less, and in a container psutil reports the
host (giampaolo/psutil issues 1011 and 2100). A sample is seldom taken, so that its code has left
the processor's caches: what counts is how much different code it runs, not how often.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from optimizer.errors import DependencyError
from optimizer.machine import procfs
from optimizer.machine.attribution import Attribution
from optimizer.machine.capacity import storage_use
from optimizer.machine.cgroups import read_cpu_seconds, read_memory_use
from optimizer.machine.gpus import Gpus
from optimizer.machine.kernel_files import KernelFiles
from optimizer.machine.layout import Layout, find_layout, still_holds
from optimizer.machine.readings import Allowed, Essentials, Reading, percent
from optimizer.machine.sources import Read

LAYOUT_AGE_S = 600.0
"""How long links and disks are taken as they were found, and the groups that may limit us."""

LOOK_AGAIN_S = 60.0
"""How old the use of the filesystem may be, and a limit that is not the one in force any more."""

MARGIN_S = 1.0
"""A reading this soon before a filesystem is asked again is not called quick."""


@dataclass(frozen=True)
class _Found:
    """What was found when the filesystem was asked, and holds until it is asked again.

    Attributes:
        layout: Where to read.
        allowed: What this process may use.
        levels: Use of the filesystem, as far as it is known.
        unknown: Why metrics are read nowhere, by name.
    """

    layout: Layout
    allowed: Allowed
    levels: Mapping[str, float]
    unknown: Mapping[str, str]


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
        self._found: _Found | None = None
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
            self._found is not None
            and self._monotonic() - self._looked_s < LOOK_AGAIN_S - MARGIN_S
            and self._attribution.is_idle
            and not self._gpus.are_there
        )

    def read(self) -> Reading:
        """Read every counter once; the filesystem and the limits once a minute.

        Raises:
            DependencyError: CPU or memory cannot be read; there is no sample without them.
        """
        now = self._monotonic()
        found = self._found
        if found is None or now - self._looked_s >= LOOK_AGAIN_S:
            found = self._found = self._look_again(found, now)
        layout = found.layout
        try:
            ticks, memory, swap, core_ticks, group_cpu_s = _essentials(self._files.read, layout)
        except (OSError, ValueError, LookupError) as error:
            self._found = None
            raise DependencyError(
                f"CPU and memory of this machine cannot be read ({error}); "
                "check that /proc is mounted and readable"
            ) from error
        levels, unknown = dict(found.levels), dict(found.unknown)
        counters: dict[str, float] = {}
        _add_load(levels, unknown)
        _add_swap(*swap, levels, unknown)
        for source in layout.sources.levels:
            source.add(self._files.read, levels, unknown)
        for source in layout.sources.counters:
            source.add(self._files.read, counters, unknown)
        return Reading(
            now,
            found.allowed,
            *ticks,
            group_cpu_s,
            *memory,
            levels,
            counters,
            unknown,
            core_ticks,
            self._gpus.read(),
            self._attribution.read(),
        )

    def _look_again(self, former: _Found | None, now: float) -> _Found:
        """Ask the filesystem, and find out anew what is not as it was."""
        layout = None if former is None else former.layout
        if (
            layout is None
            or now - layout.found_at_s >= LAYOUT_AGE_S
            or not still_holds(layout, self._root, self._files.read)
        ):
            self._files.close()
            layout = find_layout(self._root, self._data_dir, self._files.read, found_at_s=now)
        found = _with_storage(layout)
        self._looked_s = now
        return found


def _with_storage(layout: Layout) -> _Found:
    """A layout beside what its filesystem says, which may take a while to answer."""
    unknown = dict(layout.sources.unknown)
    levels: dict[str, float] = {}
    size: int | None = None
    try:
        size, used = storage_use(layout.storage)
        levels["storage_usage"] = percent(used, size)
    except OSError as error:
        unknown["storage_usage"] = f"the filesystem of {layout.storage}: {error.strerror}"
    except ZeroDivisionError:
        size, unknown["storage_usage"] = None, f"the filesystem of {layout.storage} states no size"
    sources = {
        "cpu": layout.cpu_source,
        "memory": layout.memory_source,
        "storage": f"statvfs {layout.storage}",
    }
    allowed = Allowed(layout.cpu_cores, layout.memory_bytes, size, sources)
    return _Found(layout, allowed, levels, unknown)


def _essentials(read: Read, layout: Layout) -> Essentials:
    """What no reading is without.

    Raises:
        OSError, ValueError, LookupError: It cannot be read.
    """
    if layout.proc is None:
        from optimizer.machine import by_psutil

        return by_psutil.essentials()
    ticks, core_ticks = procfs.cpu_ticks(read(f"{layout.proc}/stat"), layout.cores)
    meminfo = procfs.parse_meminfo(read(f"{layout.proc}/meminfo"))
    return Essentials(
        ticks,
        _memory_use(read, layout, meminfo),
        (meminfo["SwapTotal"], meminfo["SwapFree"]),
        core_ticks,
        _group_cpu(read, layout),
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


def _add_swap(total: int, free: int, levels: dict[str, float], unknown: dict[str, str]) -> None:
    """Add the use of swap, or that there is none."""
    if total > 0:
        levels["swap_usage"] = percent(total - free, total)
    else:
        unknown["swap_usage"] = "this machine has no swap"


def _add_load(levels: dict[str, float], unknown: dict[str, str]) -> None:
    """Add the load average, or why it is not known."""
    try:
        levels["load_1m"], levels["load_5m"], levels["load_15m"] = os.getloadavg()
    except OSError as error:
        reason = f"the load average cannot be read ({error})"
        unknown.update(dict.fromkeys(("load_1m", "load_5m", "load_15m"), reason))
