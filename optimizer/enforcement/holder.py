"""Holds commands to their leases, by the best that this machine gives us, and shares memory."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from optimizer.allocation.lease import PRIORITIES
from optimizer.enforcement.groups import Home
from optimizer.enforcement.limits import NICE
from optimizer.enforcement.order import Held
from optimizer.enforcement.run import Run
from optimizer.enforcement.scopes import in_scope
from optimizer.enforcement.sharing import Look, Sharing, words_of
from optimizer.quantities import format_amount

logger = logging.getLogger("sequential_resource_optimization.enforcement")

NEAR = 0.9
"""Share of its height from which a command is told that it is held to one."""


class Holder:
    """What holds commands on this machine: control groups, else a scope of systemd, else little.

    Its methods wait for the kernel: call them on a thread.

    Args:
        find_home: Finds the control groups that we may make; asked again when they are gone.
        find_scopes: How systemd makes scopes, as in `scopes`; asked once, where there is no home.
        memory: Bytes that leases may use together, and bytes of swap that are free.
    """

    def __init__(
        self,
        *,
        find_home: Callable[[], Home],
        find_scopes: Callable[[], tuple[str, ...]],
        memory: Callable[[], tuple[float, float]],
    ) -> None:
        self._find_home = find_home
        self._find_scopes = find_scopes
        self._memory = memory
        self._sharing = Sharing()
        self._home: Home | None = None
        self._finding = Lock()
        self._scopes: tuple[str, ...] | None = None
        self._cores: dict[str, float] = {}

    @property
    def home(self) -> Home:
        """Where control groups are made, or why none are.

        Found anew when it is gone: `sro profile` takes it away at its end if nothing runs there.
        """
        with self._finding:
            if self._home is None or self._home.is_gone:
                self._home = self._find_home()
                self._home.sweep()
            return self._home

    def leave(self) -> None:
        """Take the control groups' folder away, unless something runs below it; `home` is anew."""
        with self._finding:
            if self._home is not None:
                self._home.leave()
                self._home = None

    def hold(self, run: Run, pid: int) -> Held:
        """Put a command into a control group; else it is to begin in a scope, or hold itself."""
        reason = self.home.reason
        if not reason:
            try:
                group = self.home.make(run.lease)
                group.limit(run.limits)
                group.add(pid)
                self._weigh(run.lease, run.limits.held_cores or 1.0)
            except OSError as error:
                reason = str(error.strerror or error)
            else:
                run.group = group
                return Held(f"held by {group.held}")
        not_ours = f"as control groups are not ours ({reason})"
        if self._scopes is None:
            self._scopes = self._find_scopes()
        if self._scopes:
            prefix = in_scope(self._scopes, run.lease, run.limits)
            return Held(f"held by a scope of systemd, {not_ours}", prefix=prefix)
        nice = NICE if run.limits.cores is not None else 0
        memory = run.limits.most_bytes
        ways = [f"nice {nice}"] * bool(nice) + ["RLIMIT_DATA"] * (memory is not None)
        words = f"held by {' and '.join(ways) or 'nothing'}, {not_ours}"
        return Held(words, nice=nice, data_bytes=memory)

    def find(self, run: Run) -> None:
        """Find the group of a command that ended while there was no daemon."""
        if not self.home.reason:
            run.group = self.home.make(run.lease)

    def change(self, run: Run) -> None:
        """Hold it to its limits as they are now."""
        if run.group is not None:
            run.group.limit(run.limits)
            self._weigh(run.lease, run.limits.held_cores or 1.0)

    def let_go(self, run: Run) -> float:
        """The last look at a group, and its end; CPU seconds that it used."""
        run.look()
        if run.group is None:
            return 0.0
        use = run.group.use()
        run.group.kill()
        if not run.group.remove():
            logger.warning("the control group of %s is not empty yet", run.lease)
        self._weigh(run.lease, 0.0)
        return 0.0 if use is None else use.cpu_s

    def _weigh(self, lease: str, cores: float) -> None:
        """A process without a lease weighs one core, so all that is leased weighs its sum."""
        self._cores[lease] = cores
        if not cores:
            del self._cores[lease]
        with contextlib.suppress(OSError):
            self.home.weigh(max(1.0, sum(self._cores.values())))

    def watch(self, runs: Sequence[Run], now_s: float, elapsed_s: float) -> None:
        """Look at what each uses, and share memory among those that can be held.

        Args:
            runs: All that run.
            now_s: Now, on the clock of `Run.began_s`.
            elapsed_s: Seconds since the last look.
        """
        for run in runs:
            run.look()
        held = {run.lease: run for run in runs if run.group is not None and run.use is not None}
        if not held:
            return
        capacity, swap = self._memory()
        looks = [_seen(run, now_s, capacity) for run in held.values()]
        relief = self._sharing.decide(looks, capacity=capacity, swap=swap, elapsed_s=elapsed_s)
        for lease, run in held.items():
            _throttle(run, relief.highs.get(lease))
        for lease in relief.park:
            _park(held[lease])
        for lease in relief.resume:
            _resume(held[lease])
        for lease, words in words_of(relief).items():
            held[lease].tell(words)
            logger.warning("lease %s: %s", held[lease].allocation.fencing_token, words)


def _seen(run: Run, now_s: float, capacity: float) -> Look:
    """A command as the sharing of memory sees it; a guessed size is no upper end."""
    assert run.use is not None
    return Look(
        run.lease,
        age_s=now_s - run.began_s,
        guaranteed=run.allocation.granted.get("memory", 0.0),
        most=float(run.limits.most_bytes or capacity),
        resident=float(run.use.memory_bytes),
        priority=PRIORITIES.index(run.order.priority_level),
        parked=run.parked,
        held_back=run.use.held_back,
    )


def _throttle(run: Run, high: float | None) -> None:
    """Hold a command to a height, None for none; a change of less than 1 % is none."""
    before = run.limits.throttle_bytes
    if high == before or (high and before and abs(high - before) < 0.01 * before):
        return
    run.limits = replace(run.limits, throttle_bytes=None if high is None else int(high))
    if high and run.use and run.use.held_back is not None and run.use.memory_bytes > NEAR * high:
        shown = format_amount(high, "byte")
        run.tell({"notice": f"memory is short: slowed down above {shown} until there is more"})
    if run.group is not None:
        with contextlib.suppress(FileNotFoundError):
            run.group.limit(run.limits)


def _park(run: Run) -> None:
    assert run.group is not None
    with contextlib.suppress(FileNotFoundError):
        run.group.park(is_parked=True)
    run.parked = True
    burst = run.use.memory_bytes - run.allocation.granted.get("memory", 0.0) if run.use else 0.0
    run.group.reclaim(int(max(0.0, burst)))


def _resume(run: Run) -> None:
    assert run.group is not None
    with contextlib.suppress(FileNotFoundError):
        run.group.park(is_parked=False)
    run.parked = False
