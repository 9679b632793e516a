"""The counters of systems without /proc (macOS), as psutil knows them."""

from collections.abc import Callable
from functools import partial

import psutil

from optimizer.machine.readings import Essentials
from optimizer.machine.sources import (
    DISK_BYTES,
    DISK_ERRORS,
    LINK_BYTES,
    LINK_ERRORS,
    NO_DEVICE,
    NO_DISK_ERRORS,
    Source,
    Sources,
)

PRESSURES = ("cpu_pressure", "memory_pressure", "io_pressure")
ONLY_LINUX = "only Linux measures pressure stall information"


def essentials() -> Essentials:
    """CPU time and memory of the whole machine."""
    times, memory, swap = psutil.cpu_times(), psutil.virtual_memory(), psutil.swap_memory()
    total = sum(times)
    return Essentials(
        ticks=(total - times.idle, total),
        memory=(memory.total - memory.available, memory.available - memory.free),
        swap=(swap.total, swap.free),
    )


def psutil_sources() -> Sources:
    """Where the rest is known from."""
    links, disks = psutil.net_io_counters, psutil.disk_io_counters
    counters = (
        Source(LINK_BYTES, (), partial(_counts, links, "bytes_recv", "bytes_sent")),
        Source(LINK_ERRORS, (), lambda: (sum(_counts(links, "errin", "errout")),)),
        Source(DISK_BYTES, (), partial(_counts, disks, "read_bytes", "write_bytes")),
    )
    unknown = {**dict.fromkeys(PRESSURES, ONLY_LINUX), **dict.fromkeys(DISK_ERRORS, NO_DISK_ERRORS)}
    return Sources((), counters, unknown)


def _counts(ask: Callable[[], object], *names: str) -> tuple[int, ...]:
    """Counters by name.

    Raises:
        LookupError: No device has any.
    """
    counters = ask()
    if counters is None:
        raise LookupError(NO_DEVICE)
    return tuple(int(getattr(counters, name)) for name in names)
