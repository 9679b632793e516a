"""Which use belongs to leases: by control group, or by the processes that a lease was bound to.

Only what is bound is looked at: a control group costs three files, a process three, whatever else
runs on the machine. A list of all processes would cost eleven samples.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from optimizer.machine.processes import ProcessId, ProcessUse, children_of, read_process


@dataclass(frozen=True)
class Binding:
    """What runs under a lease.

    Attributes:
        lease: Its id.
        processes: The first processes; what they start, and what that starts, belongs to them.
        cgroup: Folder of a control group of version 2, which then alone counts.
        granted: What the lease holds, by resource, in cores and bytes.
        allowed: What it may use: the upper end of a range, else what it holds.
        number: Its fencing token, which may be shown to anybody.
        principal: Name of its holder.
    """

    lease: str
    processes: tuple[ProcessId, ...] = ()
    cgroup: str | None = None
    granted: tuple[tuple[str, float], ...] = ()
    allowed: tuple[tuple[str, float], ...] = ()
    number: int = 0
    principal: str = ""


@dataclass(frozen=True)
class LeaseReading:
    """What a lease's processes have used so far.

    Attributes:
        binding: What was looked at.
        cpu_s: CPU time in seconds.
        memory_bytes: Memory now; what the kernel can drop at once is not in it.
    """

    binding: Binding
    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True)
class LeaseUse:
    """What a lease used between two readings.

    Attributes:
        granted: What it holds, by resource, in cores and bytes.
        used: What its processes used of cpu and memory, in cores and bytes.
        allowed: What it may use, bursts included.
        number: Its fencing token.
    """

    granted: Mapping[str, float]
    used: Mapping[str, float]
    allowed: Mapping[str, float] = field(default_factory=dict)
    number: int = 0


class Attribution:
    """Looks at what is bound to leases.

    A process that was seen below a lease stays with it though its parent ends; one that parts from
    all of its parents between two looks is missed, and counts as use without a lease.

    Args:
        root: Root of the file tree that holds `proc`; control groups are named by full paths in it.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._bindings: tuple[Binding, ...] = ()
        self._members: dict[str, tuple[ProcessId, ...]] = {}

    @property
    def leases(self) -> frozenset[str]:
        """The leases that are looked at."""
        return frozenset(binding.lease for binding in self._bindings)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to look at."""
        return not self._bindings

    def bind(self, bindings: Iterable[Binding]) -> None:
        """Look at these from now on, and at no others."""
        self._bindings = tuple(bindings)

    def forget(self, lease: str) -> None:
        """Look at a lease no longer."""
        self.bind(binding for binding in self._bindings if binding.lease != lease)

    def read(self) -> dict[str, LeaseReading]:
        """Look once; a lease of which nothing runs any more uses nothing.

        Returns:
            By lease; one whose control group may not be read is not there.
        """
        found: dict[str, LeaseReading] = {}
        members: dict[str, tuple[ProcessId, ...]] = {}
        for binding in self._bindings:
            if binding.cgroup is not None:
                reading = _read_group(binding, self._root / binding.cgroup.lstrip("/"))
            else:
                known = (*binding.processes, *self._members.get(binding.lease, ()))
                tree = _read_tree(known, self._root)
                members[binding.lease] = tuple(use.identity for use in tree)
                reading = LeaseReading(
                    binding,
                    cpu_s=sum(use.cpu_s for use in tree),
                    memory_bytes=sum(use.memory_bytes for use in tree),
                )
            if reading is not None:
                found[binding.lease] = reading
        self._members = members
        return found


def still_run(bindings: Iterable[Binding], root: Path = Path("/")) -> frozenset[str]:
    """The leases of which something runs."""
    return frozenset(binding.lease for binding in bindings if _runs(binding, root))


def _runs(binding: Binding, root: Path) -> bool:
    if binding.cgroup is None:
        return bool(_read_tree(binding.processes, root))
    events = root / binding.cgroup.lstrip("/") / "cgroup.events"
    try:
        return _pairs(events).get("populated") == 1
    except (OSError, ValueError):
        return False


def _read_tree(known: Iterable[ProcessId], root: Path) -> list[ProcessUse]:
    """Known processes that still run, and all that they started."""
    found: dict[int, ProcessUse] = {}
    started = {identity.pid: identity for identity in known}
    waiting = list(started)
    while waiting:
        pid = waiting.pop()
        use = None if pid in found else read_process(pid, root)
        if use is None or started.get(pid, use.identity) != use.identity:
            continue
        found[pid] = use
        waiting += children_of(pid, root)
    return list(found.values())


def _read_group(binding: Binding, folder: Path) -> LeaseReading | None:
    try:
        cpu = _pairs(folder / "cpu.stat")
        memory = _pairs(folder / "memory.stat")
        charged = int((folder / "memory.current").read_text())
    except FileNotFoundError:
        is_gone = not folder.exists()
        return LeaseReading(binding, cpu_s=0.0, memory_bytes=0) if is_gone else None
    except (OSError, ValueError):
        return None
    working_set = max(0, charged - memory.get("inactive_file", 0))
    return LeaseReading(binding, cpu.get("usage_usec", 0) / 1e6, working_set)


def _pairs(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {name: int(value) for name, value in rows}


def use_between(
    before: Mapping[str, LeaseReading], after: Mapping[str, LeaseReading], elapsed_s: float
) -> dict[str, LeaseUse]:
    """What each lease used between two looks.

    Args:
        before: The earlier look, by lease.
        after: The later one.
        elapsed_s: Seconds in between, above 0.

    Returns:
        By lease, for those whose binding is the same in both: a lease that was bound in between has
        no use to compare with yet. Time that went with a process nobody waited for is not negative
        use, it is none.
    """
    uses = {}
    for lease, now in after.items():
        then = before.get(lease)
        if then is not None and then.binding == now.binding:
            cores = max(0.0, now.cpu_s - then.cpu_s) / elapsed_s
            used = {"cpu": cores, "memory": float(now.memory_bytes)}
            binding = now.binding
            uses[lease] = LeaseUse(
                dict(binding.granted), used, dict(binding.allowed), binding.number
            )
    return uses


def beyond_leases(
    used: Mapping[str, float],
    leased: Mapping[str, float],
    bound: Iterable[LeaseUse],
    *,
    before: Mapping[str, float],
) -> dict[str, float]:
    """The demand that no lease covers, by resource.

    Use of a bound lease is its own up to what it holds; what it uses beyond that is covered by no
    lease. Of the other leases nobody knows what they use: nothing, all that they hold, or between.
    So the rest lies between two bounds, and is taken to be what it was as far as they let it: a
    load that was there before an idle lease is not hidden by it, and a lease that begins to use
    what it holds does not look like a load.

    Args:
        used: What is used in all.
        leased: What is leased in all.
        bound: The leases whose use is known.
        before: What no lease covered when it was last known; a resource without is taken to have
            had nothing.

    Returns:
        Between used - sum over bound leases of min(use, held) - what the other leases hold, and
        the same without the last term; at least 0.
    """
    seen = list(bound)
    rest = {}
    for resource, amount in used.items():
        known = [each for each in seen if resource in each.used]
        held = sum(each.granted.get(resource, 0.0) for each in known)
        own = sum(min(each.used[resource], each.granted.get(resource, 0.0)) for each in known)
        others = max(0.0, leased.get(resource, 0.0) - held)
        most = max(0.0, amount - own)
        least = max(0.0, most - others)
        rest[resource] = min(most, max(least, before.get(resource, 0.0)))
    return rest
