"""The census of MCP servers: how many copies of each run, in how much memory, and for whom.

Hosts start a set of servers for every session and do not always end them: 15 sessions and 34
servers became 308 processes and 111 GB (anthropics/claude-code issue 45880).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from optimizer.machine.mcp_names import is_launcher, program_of, server_name
from optimizer.machine.processes import ProcessId, read_process

INITS = frozenset(
    [
        "systemd",
        "init",
        "tini",
        "dumb-init",
        "docker-init",
        "catatonit",
        "s6-svscan",
        "runit",
        "launchd",
    ]
)
"""Programs that take over the processes of a parent that ended."""

ALL_AGAIN = 10
"""Every so many counts, which are a minute apart, no process is taken as it was found before."""


@dataclass(frozen=True)
class Entry:
    """One process in the list of all.

    Attributes:
        identity: Which one.
        parent: Number of its parent.
        program: Name of what it runs.
        server: The MCP server that its command line names; None for all others.
        is_launcher: Whether it only runs another program.
        first_parent: Number of its parent when it was first seen.
        first_count: Which count that was.
    """

    identity: ProcessId
    parent: int
    program: str
    server: str | None
    is_launcher: bool
    first_parent: int
    first_count: int


@dataclass(frozen=True)
class Copy:
    """One running copy of an MCP server.

    Attributes:
        pid: Its first process: the launcher where there is one.
        name: Of the server.
        host: The program that started it.
        processes: All of its processes.
        is_orphan: Whether the host is gone.
    """

    pid: int
    name: str
    host: str
    processes: tuple[int, ...]
    is_orphan: bool


@dataclass(frozen=True)
class Server:
    """All copies of one MCP server.

    Attributes:
        name: Without `mcp` and `server`.
        copies: How many run.
        processes: How many processes they are.
        memory_bytes: Their resident memory without pages of files: what would come back.
        hosts: How many copies each program started.
        orphans: First processes of the copies whose host is gone.
    """

    name: str
    copies: int
    processes: int
    memory_bytes: int
    hosts: Mapping[str, int]
    orphans: tuple[int, ...]


@dataclass(frozen=True)
class Count:
    """MCP servers at one moment, the largest first.

    Attributes:
        servers: By server.
        copies: How many there are in all.
        memory_bytes: Of all of them.
        orphans: How many copies have no host any more.
    """

    servers: tuple[Server, ...] = ()
    copies: int = 0
    memory_bytes: int = 0
    orphans: int = 0


class Census:
    """Counts the MCP servers of a machine, from /proc.

    A count reads what is new since the last one, and the servers that it knows: to read all other
    processes each time would cost more than all samples together. Once in `ALL_AGAIN` counts it
    reads everything: a program that has become another (exec), and a process that got the number
    of one which ended since the last count, are noticed by then.

    A copy is an orphan when its parent is another than when it was first seen, or when its parent
    is an init and its input is a pipe: a service has none, and a server that its host started has.

    Args:
        root: Root of the file tree that holds `proc`.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._entries: dict[int, Entry] = {}
        self._counts = 0

    def count(self) -> Count:
        """Find all processes and count; empty where there is no /proc."""
        self._look()
        servers = [pid for pid, entry in self._entries.items() if entry.server]
        piped = {pid for pid in servers if self._has_piped_input(pid)}
        copies = find_copies(self._entries, piped=piped)
        return tally(copies, {pid: self._memory(pid) for c in copies for pid in c.processes})

    def _look(self) -> None:
        """Bring the list of processes up to date."""
        numbers = self._numbers()
        known = {pid: entry for pid, entry in self._entries.items() if pid in numbers}
        if self._counts % ALL_AGAIN:
            numbers -= {pid for pid, entry in known.items() if not self._may_differ(entry)}
        for pid in numbers:
            entry = self._read(pid, known.pop(pid, None))
            if entry is not None:
                known[pid] = entry
        self._entries = known
        self._counts += 1

    def _may_differ(self, entry: Entry) -> bool:
        """A server's parent may have ended; a new launcher may be what it launches by now."""
        is_new = self._counts - entry.first_count < ALL_AGAIN
        return entry.server is not None or (entry.is_launcher and is_new)

    def _numbers(self) -> set[int]:
        try:
            return {int(name) for name in os.listdir(f"{self._root}/proc") if name.isdecimal()}
        except OSError:
            return set()

    def _read(self, pid: int, known: Entry | None) -> Entry | None:
        """A process as it is now; a server that was seen before keeps its name."""
        try:
            with open(f"{self._root}/proc/{pid}/stat", "rb") as file:
                stat = file.read()
            fields = stat[stat.rindex(b")") + 2 :].split()
            identity, parent = ProcessId(pid, int(fields[19])), int(fields[1])
            if known is not None and known.identity != identity:
                known = None
            if known is not None and known.server:
                return replace(known, parent=parent)
            with open(f"{self._root}/proc/{pid}/cmdline", "rb") as file:
                argv = file.read().decode(errors="replace").rstrip("\0").split("\0")
        except (OSError, ValueError, IndexError):
            return None
        return Entry(
            identity,
            parent,
            program=program_of(argv) or stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode(),
            server=server_name(argv),
            is_launcher=is_launcher(argv),
            first_parent=parent if known is None else known.first_parent,
            first_count=self._counts if known is None else known.first_count,
        )

    def _has_piped_input(self, pid: int) -> bool:
        try:
            return os.readlink(f"{self._root}/proc/{pid}/fd/0").startswith(("pipe:", "socket:"))
        except OSError:
            return False

    def _memory(self, pid: int) -> int:
        use = read_process(pid, self._root)
        return 0 if use is None else use.memory_bytes


def find_copies(entries: Mapping[int, Entry], *, piped: set[int]) -> tuple[Copy, ...]:
    """Running copies of MCP servers.

    A launcher that names a server and what it launches are one copy; a server below another server
    that is no launcher is a copy of its own. What a copy starts, a browser for example, is part of
    it.

    Args:
        entries: All processes by number.
        piped: Processes whose input is a pipe or a socket.
    """
    roots = {pid for pid, entry in entries.items() if entry.server and _begins(entry, entries)}
    if not roots:
        return ()
    belongs: dict[int, list[int]] = {root: [] for root in roots}
    for pid in entries:
        root = _root_of(pid, roots, entries)
        if root is not None:
            belongs[root].append(pid)
    copies = []
    for root in sorted(roots):
        entry = entries[root]
        host = entries.get(entry.parent)
        left = host is None or (host.program in INITS and root in piped)
        copies.append(
            Copy(
                pid=root,
                name=entry.server or "",
                host="" if host is None else host.program,
                processes=tuple(sorted(belongs[root])),
                is_orphan=left or entry.parent != entry.first_parent,
            )
        )
    return tuple(copies)


def _begins(entry: Entry, entries: Mapping[int, Entry]) -> bool:
    """Whether a server's process is the first of its copy: no launcher of a server is above it."""
    above = entries.get(entry.parent)
    return above is None or above.server is None or not above.is_launcher


def _root_of(pid: int, roots: set[int], entries: Mapping[int, Entry]) -> int | None:
    """The copy that a process is part of."""
    passed: set[int] = set()
    while pid in entries and pid not in passed:
        if pid in roots:
            return pid
        passed.add(pid)
        pid = entries[pid].parent
    return None


def tally(copies: tuple[Copy, ...], memory: Mapping[int, int]) -> Count:
    """Copies by server, those that take the most memory first."""
    by_name: dict[str, list[Copy]] = {}
    for copy in copies:
        by_name.setdefault(copy.name, []).append(copy)
    servers = []
    for name, same in by_name.items():
        hosts: dict[str, int] = {}
        for copy in same:
            hosts[copy.host] = hosts.get(copy.host, 0) + 1
        processes = [pid for copy in same for pid in copy.processes]
        servers.append(
            Server(
                name=name,
                copies=len(same),
                processes=len(processes),
                memory_bytes=sum(memory.get(pid, 0) for pid in processes),
                hosts=hosts,
                orphans=tuple(copy.pid for copy in same if copy.is_orphan),
            )
        )
    servers.sort(key=lambda server: (-server.memory_bytes, server.name))
    return Count(
        servers=tuple(servers),
        copies=len(copies),
        memory_bytes=sum(server.memory_bytes for server in servers),
        orphans=sum(len(server.orphans) for server in servers),
    )
