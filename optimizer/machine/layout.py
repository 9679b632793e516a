"""What changes rarely: limits, and which files say what."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from optimizer.machine.capacity import (
    allowed_cores,
    allowed_cpu,
    allowed_memory,
    nearest_folder,
    total_memory,
)
from optimizer.machine.cgroups import Limits, find_limits, limit_files
from optimizer.machine.sources import Read, Sources, find_sources


@dataclass(frozen=True)
class Layout:
    """A machine as it was found at one moment.

    Attributes:
        proc: Folder of /proc; None on a system without.
        cores: Indices of those that the scheduler may put this process on; None for all there are.
        limit_files: The files that say what limits this process.
        signs: What it all follows from, but for links and disks.
        sources: Where to read what changes often.
    """

    found_at_s: float
    proc: str | None
    limits: Limits
    cpu_cores: float
    cpu_source: str
    memory_bytes: int
    memory_source: str
    cores: frozenset[int] | None
    limit_files: tuple[str, ...]
    signs: tuple[object, ...]
    sources: Sources
    storage: Path


def find_layout(root: Path, data_dir: Path, read: Read, *, found_at_s: float) -> Layout:
    """Look at all of it; this asks a filesystem, which may take a while.

    Args:
        root: Root of the file tree that holds `proc` and `sys`.
        data_dir: A folder on the filesystem that counts as storage; it need not exist yet.
        read: Reads a file.
        found_at_s: Now, on the clock that tells how old a layout is.
    """
    files = limit_files(root)
    signs = _signs(root, files, read)
    limits = find_limits(root)
    cores = allowed_cores()
    cpu_cores, cpu_source = allowed_cpu(limits, cores=len(cores))
    memory_bytes, memory_source = allowed_memory(limits, total=total_memory(root))
    proc = root / "proc"
    has_proc = (proc / "stat").exists()
    return Layout(
        found_at_s=found_at_s,
        proc=str(proc) if has_proc else None,
        limits=limits,
        cpu_cores=cpu_cores,
        cpu_source=cpu_source,
        memory_bytes=memory_bytes,
        memory_source=memory_source,
        cores=None if len(cores) == os.cpu_count() else cores,
        limit_files=files,
        signs=signs,
        sources=find_sources(root) if has_proc else _psutil_sources(),
        storage=nearest_folder(data_dir),
    )


def still_holds(layout: Layout, root: Path, read: Read) -> bool:
    """Whether cores, memory and limits are as they were found, and no disk has gone.

    It costs a tenth of finding them.

    Args:
        layout: What was found.
        root: Root of the file tree that holds `proc` and `sys`.
        read: Reads a file.
    """
    return layout.signs == _signs(root, layout.limit_files, read) and layout.sources.are_there()


def _signs(root: Path, limit_files: Iterable[str], read: Read) -> tuple[object, ...]:
    """What says how much this process may use: the scheduler, the host, and control groups."""
    return (allowed_cores(), total_memory(root), *(_text(file, read) for file in limit_files))


def _text(file: str, read: Read) -> bytes:
    """What a file says; nothing when it is gone."""
    try:
        return read(file)
    except OSError:
        return b""


def _psutil_sources() -> Sources:
    from optimizer.machine.by_psutil import psutil_sources

    return psutil_sources()
