"""Where each metric is read, besides CPU time and memory: files and what makes figures of them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optimizer.machine import procfs
from optimizer.machine.capacity import physical_devices

Read = Callable[[str], bytes]
"""Answers the whole of a file, as `KernelFiles.read`."""

LINK_BYTES = ("network_rx_bytes_s", "network_tx_bytes_s")
LINK_ERRORS = ("network_errors_s",)
DISK_BYTES = ("disk_read_bytes_s", "disk_write_bytes_s")
DISK_ERRORS = ("disk_errors_s",)

NO_DEVICE = "no physical device of this kind is visible to this process"
NO_DISK_ERRORS = "no disk here counts its errors (only SCSI disks do)"


@dataclass(frozen=True)
class Source:
    """What says something else each time.

    Attributes:
        metrics: What it says, in order.
        paths: Its files.
        parse: Makes the figures of what is in them.
        broken: What to say of the metrics when it cannot be read, before the error.
    """

    metrics: tuple[str, ...]
    paths: tuple[str, ...]
    parse: Callable[..., tuple[float, ...]]
    broken: str = "the counter cannot be read"

    def add(self, read: Read, figures: dict[str, float], unknown: dict[str, str]) -> None:
        """Add its figures by metric, or why they are not known."""
        try:
            figures.update(zip(self.metrics, self.parse(*map(read, self.paths)), strict=True))
        except (OSError, ValueError, LookupError) as error:
            unknown.update(dict.fromkeys(self.metrics, f"{self.broken} ({error})"))


@dataclass(frozen=True)
class Sources:
    """Where a machine says what.

    Attributes:
        levels: Of metrics that are true at a moment.
        counters: Of those that ever grow.
        unknown: Why some are read nowhere, by name.
    """

    levels: tuple[Source, ...]
    counters: tuple[Source, ...]
    unknown: Mapping[str, str]

    def are_there(self) -> bool:
        """Whether every disk and link file that was found still exists."""
        return all(os.path.exists(path) for source in self.counters for path in source.paths)


def find_sources(root: Path) -> Sources:
    """Look for them below the root of a file tree that holds `proc` and `sys`."""
    counters: list[Source] = []
    unknown: dict[str, str] = {}
    links = frozenset(name.encode() for name in physical_devices(root / "sys/class/net"))
    links = links or _any_links(root)
    if links:
        count = partial(procfs.link_counters, links=links)
        counters.append(Source(LINK_BYTES + LINK_ERRORS, (str(root / "proc/net/dev"),), count))
    else:
        unknown |= dict.fromkeys(LINK_BYTES + LINK_ERRORS, NO_DEVICE)
    disks = [root / "sys/block" / name for name in physical_devices(root / "sys/block")]
    if disks:
        stats = tuple(str(disk / "stat") for disk in disks)
        counters.append(Source(DISK_BYTES, stats, procfs.disk_bytes))
    else:
        unknown |= dict.fromkeys(DISK_BYTES, NO_DEVICE)
    errors = [disk / "device/ioerr_cnt" for disk in disks]
    if counted := tuple(str(file) for file in errors if file.exists()):
        counters.append(Source(DISK_ERRORS, counted, procfs.disk_errors))
    else:
        unknown |= dict.fromkeys(DISK_ERRORS, NO_DISK_ERRORS)
    levels = tuple(_pressure(root, what) for what in ("cpu", "memory", "io"))
    return Sources(levels, tuple(counters), unknown)


def _pressure(root: Path, what: str) -> Source:
    path = str(root / "proc/pressure" / what)
    return Source(
        (f"{what}_pressure",),
        (path,),
        procfs.pressure_some,
        broken=f"this kernel does not offer {path} (needs Linux 4.20 with psi=1)",
    )


def _any_links(root: Path) -> frozenset[bytes]:
    """A container's links have no hardware behind them; then all but loopback count."""
    try:
        return frozenset(procfs.link_names((root / "proc/net/dev").read_bytes()))
    except OSError:
        return frozenset()
