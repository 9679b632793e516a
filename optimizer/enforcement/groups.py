"""Control groups that hold what runs under a lease (I/O).

Version 2 where its cpu and memory controllers are ours to use, else version 1, which is where some
machines still have them. A group is a folder; what is written there is in limits.py.
"""

import contextlib
import os
import signal
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from optimizer.enforcement.limits import Limits, v1_values, v2_values, weight
from optimizer.machine.cgroups import own_folders

HOME = "sro"
"""Begins the name of the folder below which each run has one."""

_LEAF = "sro-daemon"
_NEEDED = ("cpu", "memory")
_EMPTY_S = 10.0
"""What was killed needs CPU time to end, which a busy machine gives late."""
_LOOK_AGAIN_S = 0.005


@dataclass(frozen=True)
class Use:
    """What a group has used.

    Attributes:
        cpu_s: CPU time so far, in seconds.
        memory_bytes: Memory now; what the kernel can drop at once is not in it.
        peak_bytes: The most memory that was ever charged, dropped pages of files included; None
            where the kernel does not say.
        held_back: How often it was stopped at the height above which it is slowed down; None where
            there is no such height.
    """

    cpu_s: float
    memory_bytes: int
    peak_bytes: int | None
    held_back: int | None = None


@dataclass(frozen=True)
class Group:
    """One control group, or the same one in several hierarchies of version 1.

    Attributes:
        version: 1 or 2.
        folders: By controller; version 2 has one folder, under "".
    """

    version: Literal[1, 2]
    folders: Mapping[str, Path]

    @property
    def held(self) -> str:
        """What it can hold, for people."""
        return f"cgroup v{self.version} (cpu, memory)"

    @property
    def counted(self) -> str | None:
        """The folder that tells the use of the whole group; version 1 has no single one."""
        return str(self.folders[""]) if self.version == 2 else None

    def add(self, pid: int) -> None:
        """Move a process here; what it starts from now on is here too.

        Raises:
            OSError: It is gone, or may not be moved by us.
        """
        for folder in self.folders.values():
            (folder / "cgroup.procs").write_text(str(pid))

    def limit(self, limits: Limits) -> None:
        """Hold it to limits.

        Raises:
            OSError: The kernel does not take them; for example more memory is used already.
        """
        if self.version == 2:
            for name, value in v2_values(limits).items():
                (self.folders[""] / name).write_text(value)
            return
        for name, value in v1_values(limits).items():
            (self.folders[name.partition(".")[0]] / name).write_text(value)

    def park(self, *, is_parked: bool) -> None:
        """Stop everything in it, or let it go on."""
        if self.version == 2:
            (self.folders[""] / "cgroup.freeze").write_text("1" if is_parked else "0")
        else:
            state = "FROZEN" if is_parked else "THAWED"
            (self.folders["freezer"] / "freezer.state").write_text(state)

    def reclaim(self, amount: int) -> None:
        """Have the kernel take pages back, as far as it can; version 2 alone can be asked."""
        if self.version == 2:
            with contextlib.suppress(OSError):
                (self.folders[""] / "memory.reclaim").write_text(str(amount))

    def kill(self) -> None:
        """End everything in it at once; nothing can start meanwhile."""
        with contextlib.suppress(FileNotFoundError):
            if self.version == 2:
                (self.folders[""] / "cgroup.kill").write_text("1")
                return
            self.park(is_parked=True)
            for pid in self._pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.park(is_parked=False)

    def use(self) -> Use | None:
        """What it has used; None when it is gone."""
        names = (
            ("memory.current", "inactive_file", "memory.peak")
            if self.version == 2
            else ("memory.usage_in_bytes", "total_inactive_file", "memory.max_usage_in_bytes")
        )
        memory = self.folders["" if self.version == 2 else "memory"]
        try:
            charged = int((memory / names[0]).read_text())
            dropped = _stat(memory / "memory.stat").get(names[1], 0)
            return Use(
                cpu_s=self._cpu_s(),
                memory_bytes=max(0, charged - dropped),
                peak_bytes=_number(memory / names[2]),
                held_back=_stat(memory / "memory.events")["high"] if self.version == 2 else None,
            )
        except OSError:
            return None

    def remove(self) -> bool:
        """Take it away; False while something still runs in it."""
        return taken_away(self.folders.values())

    def _cpu_s(self) -> float:
        if self.version == 2:
            return _stat(self.folders[""] / "cpu.stat")["usage_usec"] / 1e6
        return int((self.folders["cpuacct"] / "cpuacct.usage").read_text()) / 1e9

    def _pids(self) -> list[int]:
        return [int(pid) for pid in (self.folders["freezer"] / "cgroup.procs").read_text().split()]


@dataclass(frozen=True)
class Home:
    """Where groups are made.

    Attributes:
        version: 1 or 2.
        folders: The folder above all groups, by controller.
        reason: Why there is none; then `folders` is empty.
    """

    version: Literal[1, 2] = 2
    folders: Mapping[str, Path] = field(default_factory=dict)
    reason: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether another process of the same owner took it away."""
        return not all(folder.is_dir() for folder in self.folders.values())

    def weigh(self, cores: float) -> None:
        """Give all groups together the part of so many cores, where all of them are wanted.

        Raises:
            OSError: The kernel does not take it.
        """
        folder, name = ("", "cpu.weight") if self.version == 2 else ("cpu", "cpu.shares")
        (self.folders[folder] / name).write_text(str(weight(cores, version=self.version)))

    def make(self, name: str) -> Group:
        """A new group; one that is there already is taken as it is.

        Raises:
            OSError: It cannot be made.
        """
        folders = {controller: folder / name for controller, folder in self.folders.items()}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        return Group(self.version, folders)

    def sweep(self) -> None:
        """Take groups away in which nothing runs: their daemon was killed before it could."""
        for folder in self.folders.values():
            for group in folder.iterdir():
                if group.is_dir():
                    _removed(group)

    def leave(self) -> None:
        """Take the folder above all groups away, unless something still runs below it."""
        self.sweep()
        for folder in self.folders.values():
            _removed(folder)


def find_home(root: Path = Path("/"), *, owner: str = "") -> Home:
    """Find out which control groups are ours to make, and make the folder for them.

    Args:
        root: Root of the file tree that holds `proc` and `sys`.
        owner: Whose folder it is: what one daemon makes, weighs and takes away, no other touches,
            and the next daemon of the same owner finds.
    """
    name = f"{HOME}-{zlib.crc32(owner.encode()):08x}" if owner else HOME
    own = own_folders(root)
    if not own:
        return Home(reason="no control groups are mounted")
    problems = []
    try:
        return _home_v2(own[""], name)
    except KeyError:
        problems.append("v2 is not mounted")
    except OSError as error:
        problems.append(f"v2: {error.strerror or error}")
    try:
        return _home_v1(own, name)
    except KeyError as error:
        problems.append(f"v1 has no {error.args[0]} controller")
    except OSError as error:
        problems.append(f"v1: {error.strerror or error}")
    return Home(reason="; ".join(problems))


def _home_v2(own: Path, name: str) -> Home:
    """A group between two others may hold no process, so we step aside into a leaf of our own."""
    offered = (own / "cgroup.controllers").read_text().split()
    missing = [controller for controller in _NEEDED if controller not in offered]
    if missing:
        raise OSError(0, f"no {' and no '.join(missing)} controller in {own}")
    folder = own.parent if own.name == _LEAF else own
    if not _hands_down(folder):
        try:
            _hand_down(folder)
        except OSError:
            _step_aside(folder)
            _hand_down(folder)
    home = _made(folder / name)
    _hand_down(home)
    return Home(2, {"": home})


def _hands_down(folder: Path) -> bool:
    handed = (folder / "cgroup.subtree_control").read_text().split()
    return all(controller in handed for controller in _NEEDED)


def _hand_down(folder: Path) -> None:
    words = " ".join(f"+{controller}" for controller in _NEEDED)
    (folder / "cgroup.subtree_control").write_text(words)


def _step_aside(folder: Path) -> None:
    """Move ourselves, if nobody else is here, so that the group may have groups below it."""
    here = (folder / "cgroup.procs").read_text().split()
    if here != [str(os.getpid())]:
        raise OSError(0, f"{folder} holds {len(here)} processes that are not ours to move")
    leaf = folder / _LEAF
    leaf.mkdir(exist_ok=True)
    (leaf / "cgroup.procs").write_text(here[0])


def _home_v1(own: Mapping[str, Path], name: str) -> Home:
    wanted = (*_NEEDED, "cpuacct", "freezer")
    return Home(1, {controller: _made(own[controller] / name) for controller in wanted})


def _made(folder: Path) -> Path:
    """A folder in which groups can be made; it may be left from a time when they could."""
    folder.mkdir(exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise OSError(0, f"{folder} is read-only")
    return folder


def taken_away(folders: Iterable[Path]) -> bool:
    """Take groups away once they are empty; False when something lives on in one."""
    end = time.monotonic() + _EMPTY_S
    for folder in folders:
        while not _removed(folder):
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_AGAIN_S)
    return True


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _stat(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {name: int(value) for name, value in rows}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
