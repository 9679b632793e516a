"""What the control groups let this process use: version 2, version 1, or nothing at all.

A limit may stand at any level between the process's own group and the top that it can see, and the
smallest one holds. Every function takes the root of the file tree, so that a fixture can stand in
for a machine. Sources: cgroups(7), the kernel's admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Version = Literal[1, 2]

UNLIMITED_BYTES = 1 << 60
"""Version 1 writes `no limit` as the largest multiple of a page below 2^63."""


@dataclass(frozen=True)
class Mount:
    """A cgroup hierarchy as it is mounted.

    Attributes:
        version: 1 or 2.
        controllers: Names of version 1, for example {"cpu", "cpuacct"}; empty for version 2.
        top: Path of the group that is seen at the mount point, inside its hierarchy.
        point: Where it is mounted.
    """

    version: Version
    controllers: frozenset[str]
    top: str
    point: str


@dataclass(frozen=True)
class Group:
    """One control group of this process, or one above it."""

    version: Version
    folder: Path
    shown: str


@dataclass(frozen=True)
class Limit:
    """The smallest limit on the way up.

    Attributes:
        amount: Cores, or bytes.
        source: For people, for example `cgroup v2 /sys/fs/cgroup/app/cpu.max`.
        group: The group that it is set on, whose usage counts against it.
        usage_folder: Where that group's usage stands; another hierarchy where version 1 mounts
            cpuacct apart from cpu.
    """

    amount: float
    source: str
    group: Group
    usage_folder: Path


@dataclass(frozen=True)
class Limits:
    """What binds this process; None where nothing does."""

    cpu: Limit | None
    memory: Limit | None


@dataclass(frozen=True)
class MemoryUse:
    """Memory of a group in bytes.

    Attributes:
        working_set: Charged and not cheaply given back: the charge less inactive file pages, as
            the kubelet counts it.
        reclaimable: Inactive file pages, which the kernel drops first.
    """

    working_set: int
    reclaimable: int


def find_limits(root: Path = Path("/")) -> Limits:
    """Read what limits this process now.

    Args:
        root: Root of the file tree that holds `proc` and `sys`.

    Returns:
        The smallest CPU quota in cores and the smallest memory limit in bytes, each None when no
        group sets one or when this is not Linux.
    """
    mounts, paths = _membership(root)
    cpu = _smallest(root, mounts, paths, "cpu")
    memory = _smallest(root, mounts, paths, "memory")
    return Limits(cpu=cpu, memory=memory)


def limit_files(root: Path = Path("/")) -> tuple[str, ...]:
    """The files that say what limits this process: while they say the same, `find_limits` does.

    Args:
        root: Root of the file tree that holds `proc` and `sys`.
    """
    mounts, paths = _membership(root)
    files = [root / "proc/self/cgroup"]
    for controller in ("cpu", "memory"):
        for _, group, name in _places(root, mounts, paths, controller):
            files += [group.folder / each for each in (name, *_BESIDE.get(name, ()))]
    return tuple(str(file) for file in files if file.exists())


def own_folders(root: Path = Path("/")) -> dict[str, Path]:
    """The folders of this process's own groups.

    Args:
        root: Root of the file tree that holds `proc` and `sys`.

    Returns:
        By controller of version 1; version 2 has the key "".
    """
    mounts, paths = _membership(root)
    folders: dict[str, Path] = {}
    for mount in mounts:
        for controller in mount.controllers if mount.version == 1 else [""]:
            group = next(_groups(root, mount, paths.get(controller)), None)
            if group is not None:
                folders.setdefault(controller, group.folder)
    return folders


def _membership(root: Path) -> tuple[list[Mount], dict[str, str]]:
    """The hierarchies and this process's groups in them; nothing where there are none."""
    try:
        paths = parse_membership((root / "proc/self/cgroup").read_text())
        mounts = parse_mounts((root / "proc/self/mountinfo").read_text())
    except OSError:
        return [], {}
    return mounts, paths


def parse_membership(text: str) -> dict[str, str]:
    """Paths of this process's groups from `/proc/self/cgroup`.

    Returns:
        Path by controller; the key of version 2 is "".
    """
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def parse_mounts(text: str) -> list[Mount]:
    """The cgroup mounts of `/proc/self/mountinfo`, in its order; the format is in proc(5)."""
    mounts = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, rest = after.partition(" ")
        if kind not in ("cgroup", "cgroup2"):
            continue
        _, _, _, top, point, *_ = before.split(" ")
        options = rest.rpartition(" ")[2]
        version: Version = 2 if kind == "cgroup2" else 1
        controllers = frozenset(options.split(",")) - {"rw", "ro"} if version == 1 else frozenset()
        mounts.append(Mount(version, controllers, _unescape(top), _unescape(point)))
    return mounts


def parse_cpu_max(text: str) -> float | None:
    """Cores from version 2's `cpu.max`: `QUOTA PERIOD` in microseconds; None for `max`."""
    quota, period = text.split()
    return None if quota == "max" else int(quota) / int(period)


def parse_bytes(text: str) -> int | None:
    """Bytes from a limit file of either version; None when it sets no limit."""
    stripped = text.strip()
    amount = None if stripped == "max" else int(stripped)
    return None if amount is None or amount >= UNLIMITED_BYTES else amount


def _read_file(path: str) -> bytes:
    return Path(path).read_bytes()


def read_cpu_seconds(limit: Limit, read: Callable[[str], bytes] = _read_file) -> float:
    """CPU time that the limited group has used, in seconds.

    Args:
        limit: Names the group.
        read: Answers the content of a file.

    Raises:
        OSError: The group is gone, or does not count CPU time.
    """
    if limit.group.version == 2:
        return _stat(read(f"{limit.usage_folder}/cpu.stat"))[b"usage_usec"] / 1e6
    return int(read(f"{limit.usage_folder}/cpuacct.usage")) / 1e9


def read_memory_use(limit: Limit, read: Callable[[str], bytes] = _read_file) -> MemoryUse:
    """Memory that the limited group uses, with what can be reclaimed told apart.

    Args:
        limit: Names the group.
        read: Answers the content of a file.

    Raises:
        OSError: The group is gone.
    """
    names = {
        2: ("memory.current", b"inactive_file"),
        1: ("memory.usage_in_bytes", b"total_inactive_file"),
    }
    usage_file, inactive = names[limit.group.version]
    charged = int(read(f"{limit.usage_folder}/{usage_file}"))
    reclaimable = min(charged, _stat(read(f"{limit.usage_folder}/memory.stat")).get(inactive, 0))
    return MemoryUse(working_set=charged - reclaimable, reclaimable=reclaimable)


_FILES: dict[tuple[Version, str], tuple[str, ...]] = {
    (2, "cpu"): ("cpu.max",),
    (1, "cpu"): ("cpu.cfs_quota_us",),
    (2, "memory"): ("memory.max", "memory.high"),
    (1, "memory"): ("memory.limit_in_bytes",),
}
"""Where limits stand; from memory.high on version 2 throttles a group instead of killing in it."""

_BESIDE = {"cpu.cfs_quota_us": ("cpu.cfs_period_us",)}
"""What else a limit follows from."""


def _smallest(
    root: Path, mounts: list[Mount], paths: dict[str, str], controller: str
) -> Limit | None:
    limits = []
    for mount, group, name in _places(root, mounts, paths, controller):
        amount = _amount(group, name)
        if amount is not None:
            source = f"cgroup v{group.version} {group.shown}/{name}"
            folder = _usage_folder(root, mounts, group, mount, controller)
            limits.append(Limit(amount, source, group, folder))
    return min(limits, key=lambda limit: limit.amount, default=None)


def _places(
    root: Path, mounts: list[Mount], paths: dict[str, str], controller: str
) -> Iterator[tuple[Mount, Group, str]]:
    """Where a limit may stand: a hierarchy, a group in it, and the name of a file."""
    for mount in mounts:
        if mount.version == 1 and controller not in mount.controllers:
            continue
        path = paths.get("" if mount.version == 2 else controller)
        for group in _groups(root, mount, path):
            for name in _FILES[group.version, controller]:
                yield mount, group, name


def _groups(root: Path, mount: Mount, path: str | None) -> Iterator[Group]:
    """The process's own group and those above it, up to the mount point.

    Inside a container the path may be one of the host, which the mount does not show; the mount
    point then is the process's own group.
    """
    if path is None:
        return
    inside = _below(path, mount.top)
    parts = [] if ".." in inside else [part for part in inside.split("/") if part]
    for depth in range(len(parts), -1, -1):
        shown = "/".join([mount.point, *parts[:depth]])
        yield Group(mount.version, root / shown.lstrip("/"), shown)


def _below(path: str, top: str) -> str:
    if top == "/":
        return path
    return path[len(top) :] if path == top or path.startswith(f"{top}/") else ""


def _usage_folder(
    root: Path, mounts: list[Mount], group: Group, mount: Mount, controller: str
) -> Path:
    """Version 1 may count CPU time in a hierarchy of its own, where the group has the same path."""
    if group.version == 2 or controller != "cpu" or (group.folder / "cpuacct.usage").exists():
        return group.folder
    inside = _below(group.shown, mount.point)
    for other in mounts:
        if "cpuacct" in other.controllers:
            return root / f"{other.point}{inside}".lstrip("/")
    return group.folder


def _amount(group: Group, name: str) -> float | None:
    """The limit in a file, in cores or bytes; None where there is none, or nothing sensible."""
    try:
        text = (group.folder / name).read_text()
        if name == "cpu.max":
            return parse_cpu_max(text)
        if name == "cpu.cfs_quota_us":
            period = (group.folder / "cpu.cfs_period_us").read_text()
            return int(text) / int(period) if int(text) > 0 else None
        return parse_bytes(text)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _stat(data: bytes) -> dict[bytes, int]:
    """A file of `name value` lines."""
    pairs = (line.split() for line in data.splitlines())
    return {name: int(value) for name, value in pairs}


def _unescape(field: str) -> str:
    """Mountinfo writes blanks, tabs, newlines and backslashes as octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
