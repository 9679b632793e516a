"""Commands that run under leases on this machine: begun, held, watched, and given back.

What the front of `sro run` and the daemon say to each other is in `server/run_door.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import MAX_WAIT_S, PRIORITIES, Allocation, AllocationRequest
from optimizer.clock import Clock
from optimizer.due import Due
from optimizer.enforcement.groups import Group, Home, Use
from optimizer.enforcement.limits import NICE, Limits, limits_of
from optimizer.enforcement.order import Granted, Held, Refused, RunOrder
from optimizer.enforcement.sharing import Look, Sharing, words_of
from optimizer.enforcement.trees import Tree, descends
from optimizer.enforcement.usual import RUNS_LOOKED_AT, PastRun, command_key, usual_of
from optimizer.errors import InvalidRequestError, LeaseEndedError, NotFoundError, OptimizerError
from optimizer.events import Event, EventBus, LeaseChanged
from optimizer.identity import Principal
from optimizer.machine.mcp_names import server_name
from optimizer.quantities import format_amount

logger = logging.getLogger("sequential_resource_optimization.enforcement")

LEASE_ID = "SRO_LEASE_ID"
"""Names the lease in the environment of what runs under it."""

DEVICES = "CUDA_VISIBLE_DEVICES"

TTL_S = 60
RENEW_S = 20.0
TICK_S = 1.0
LOST_S = 1.0
"""What a front that was killed leaves behind has this long until we end it too; its own watcher is
faster."""

UNRESERVED = "no core is free, so none is reserved: name --cpu to be refused, --wait to wait"

NEAR = 0.9
"""Share of its height from which a command is told that it is held to one."""

Bind = Callable[[str, Sequence[int], str | None, Principal], Awaitable[None]]
Tell = Callable[[Mapping[str, str]], None]


class RunKeeper(Protocol):
    """Where past runs last."""

    async def past(
        self, command: str, *, directory: str, principal: str, limit: int
    ) -> tuple[PastRun, ...]:
        """Newest runs of a command in a directory; of the same elsewhere, where it had none."""

    async def record(self, run: PastRun, *, principal: str) -> None:
        """Keep one."""


@dataclass
class Run:
    """A command under a lease.

    Attributes:
        order: What was asked for.
        principal: Who asked.
        allocation: Its lease as it was granted.
        limits: What it is held to.
        tell: Says something to its front.
        tree: Its processes, once it was started.
        group: Its control group, where there is one.
        use: What the group used at the last look.
        parked: Whether it is stopped for want of memory.
        peak_bytes: The most memory that was seen.
        began_s: When it was started, on the loop's clock.
        renewed_s: When its lease was last renewed.
    """

    order: RunOrder
    principal: Principal
    allocation: Allocation
    limits: Limits
    tell: Tell
    tree: Tree | None = None
    group: Group | None = None
    use: Use | None = None
    parked: bool = False
    peak_bytes: int = 0
    began_s: float = 0.0
    renewed_s: float = 0.0

    @property
    def lease(self) -> str:
        """The id of its lease."""
        return str(self.allocation.allocation_id)


class Runs:
    """What runs under leases here.

    Args:
        allocator: Grants, renews and releases.
        keeper: Past runs.
        bind: Tells whose use is whose.
        find_home: Finds the control groups that we may make; asked once.
        memory: Bytes that leases may use together, and bytes of swap that are free.
        events: Tells of leases that others end or change.
        clock: The wall clock.
    """

    def __init__(
        self,
        *,
        allocator: ResourceAllocator,
        keeper: RunKeeper,
        bind: Bind,
        find_home: Callable[[], Home],
        memory: Callable[[], tuple[float, float]],
        events: EventBus,
        clock: Clock,
    ) -> None:
        self._allocator = allocator
        self._keeper = keeper
        self._bind = bind
        self._find_home = find_home
        self._memory = memory
        self._clock = clock
        self._sharing = Sharing()
        events.subscribe(self._hear)
        self._home: Home | None = None
        self._runs: dict[str, Run] = {}
        self._begun = Due()

    @property
    def home(self) -> Home:
        """Where control groups are made, or why none are."""
        if self._home is None:
            self._home = self._find_home()
        return self._home

    def server_of(self, order: RunOrder) -> str | None:
        """The MCP server that a command is; only a host's pipes make it one unasked."""
        return order.mcp or (server_name(order.command) if order.is_piped else None)

    async def begin(self, order: RunOrder, principal: Principal, tell: Tell) -> Granted | Refused:
        """Get a lease for a command, waiting as long as the order says.

        Raises:
            OptimizerError: The order cannot be read, or the store does not answer.
        """
        mcp = self.server_of(order)
        resources, why = await self._sizes(order, principal, is_server=mcp is not None)
        copies = f"mcp:{mcp}"
        if copies in self._allocator.pools:
            resources.setdefault(copies, 1)
        allocation = await self._allocate(order, resources, principal, tell)
        if _lacks_guessed_cpu(allocation, order):
            del resources["cpu"]
            why = f"{why}; {UNRESERVED}"
            allocation = await self._allocate(order, resources, principal, tell)
        if allocation.allocation_id is None:
            named = mcp or self.key_of(order)
            message = f"{named} was not started. {allocation.summary} {allocation.next}"
            return Refused(allocation, message, mcp)
        run = self._note(order, allocation, principal, tell)
        environment = {LEASE_ID: run.lease}
        if "gpu" in allocation.granted:
            environment[DEVICES] = ",".join(map(str, allocation.slots.get("gpu", ())))
        said = f"lease {run.lease}: {allocation.summary.rstrip('.')}{why}"
        return Granted(run.lease, said, environment, mcp if order.is_tapped else None)

    async def started(self, lease: str, pid: int, *, front: int | None) -> Held:
        """Hold a command that was started and waits.

        Args:
            lease: Its lease.
            pid: Its process.
            front: The process that connected; None where the kernel does not say, and then the
                command is not held.

        Raises:
            InvalidRequestError: It is not the front's own.
            OptimizerError: The binding cannot be kept.
        """
        run = self._runs[lease]
        if front is None:
            return Held("held by nothing: this system does not say who connected")
        if not await asyncio.to_thread(descends, pid, front):
            raise InvalidRequestError(f"process {pid} was not started by {front}", field="pid")
        run.tree = Tree(pid)
        held = await asyncio.to_thread(self._hold, run, pid)
        counted = None if run.group is None else run.group.counted
        await self._bind(lease, () if counted else (pid,), counted, run.principal)
        return held

    async def resumed(
        self,
        order: RunOrder,
        lease: str,
        pid: int | None,
        principal: Principal,
        tell: Tell,
        *,
        front: int | None,
    ) -> None:
        """Take over a command whose daemon ended under it.

        Args:
            order: As it was asked for.
            lease: Its lease.
            pid: Its process; None when it ended meanwhile.
            principal: Who asks.
            tell: Says something to its front.
            front: The process that connected.

        Raises:
            NotFoundError, LeaseEndedError: Its lease is over.
            InvalidRequestError: It is not the front's own.
        """
        allocation = await self._allocator.renew(lease, principal)
        run = self._note(order, allocation, principal, tell)
        if pid is not None:
            await self.started(lease, pid, front=front)
        elif not self.home.reason:
            run.group = await asyncio.to_thread(self.home.make, lease)

    async def ended(
        self, lease: str, *, wall_s: float, cpu_s: float, peak_bytes: int, exit_code: int
    ) -> None:
        """A command ended: remember what it used, and give its lease back."""
        run = self._runs.pop(lease)
        used = await asyncio.to_thread(self._let_go, run)
        await self._release(run)
        if wall_s <= 0:
            return
        past = PastRun(
            command=self.key_of(run.order),
            directory=run.order.directory,
            ended_at=self._clock(),
            wall_s=wall_s,
            cpu_s=max(cpu_s, used),
            peak_bytes=max(run.peak_bytes, peak_bytes),
            exit_code=exit_code,
        )
        await self._keeper.record(past, principal=run.principal.name)

    async def lost(self, lease: str) -> None:
        """The front is gone without a word: nothing of its command may stay."""
        run = self._runs.pop(lease, None)
        if run is None:
            return
        if run.tree is not None:
            await asyncio.sleep(LOST_S)
            await asyncio.to_thread(run.tree.end)
            await asyncio.to_thread(self._let_go, run)
        await self._release(run)

    async def keep(self) -> None:
        """Watch, share memory and renew, until cancelled."""
        loop = asyncio.get_running_loop()
        looked_s = loop.time()
        while True:
            if not self._runs:
                await self._begun.wait()
                looked_s = loop.time()
            await asyncio.sleep(TICK_S)
            now_s = loop.time()
            try:
                await self.look(now_s - looked_s)
            except Exception:
                logger.exception("what runs under leases was not looked at; once more in a second")
            looked_s = now_s
            for run in tuple(self._runs.values()):
                if now_s - run.renewed_s >= RENEW_S:
                    run.renewed_s = now_s
                    await self.renew(run.lease)

    async def look(self, elapsed_s: float) -> None:
        """Look at what each command uses, and share memory among those that can be held.

        Args:
            elapsed_s: Seconds since the last look.
        """
        now_s = asyncio.get_running_loop().time()
        runs = [run for run in self._runs.values() if run.tree is not None]
        if runs:
            await asyncio.to_thread(self._watch, runs, now_s, elapsed_s)

    def _watch(self, runs: Sequence[Run], now_s: float, elapsed_s: float) -> None:
        for run in runs:
            _look(run)
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

    def _hear(self, event: Event) -> None:
        """Leases that end or change without us."""
        run = self._runs.get(event.allocation_id) if isinstance(event, LeaseChanged) else None
        if run is None or not isinstance(event, LeaseChanged):
            return
        if event.state in ("expired", "preempted"):
            run.tell({"end": f"its lease is {event.state}, so the command ends"})
        elif event.state == "resized":
            run.renewed_s = 0.0

    async def renew(self, lease: str) -> None:
        """Keep a lease longer; one that was changed is held to its new size from now on."""
        run = self._runs[lease]
        try:
            renewed = await self._allocator.renew(run.lease, run.principal)
            if renewed.granted != run.allocation.granted:
                await self._resize(run, renewed)
        except (NotFoundError, LeaseEndedError):
            run.tell({"end": "its lease was taken back, so the command ends"})
        except OptimizerError as error:
            logger.warning("the lease of a run could not be renewed: %s", error)

    def key_of(self, order: RunOrder) -> str:
        """What the runs of a command have in common; of a server that is its name."""
        mcp = self.server_of(order)
        return command_key(order.command) if mcp is None else f"mcp:{mcp}"

    async def _sizes(
        self, order: RunOrder, principal: Principal, *, is_server: bool
    ) -> tuple[dict[str, float | str], str]:
        """What to ask for, and why where nobody said it."""
        given = dict(order.resources)
        past = await self._keeper.past(
            self.key_of(order),
            directory=order.directory,
            principal=principal.name,
            limit=RUNS_LOOKED_AT,
        )
        usual = usual_of(past, given=given, is_server=is_server)
        units = {"cpu": "cores", "memory": "B"}
        guessed = {name: f"{amount!r} {units[name]}" for name, amount in usual.resources.items()}
        return guessed | given, f" ({usual.why})" if usual.why else ""

    async def _allocate(
        self,
        order: RunOrder,
        resources: Mapping[str, float | str],
        principal: Principal,
        tell: Tell,
    ) -> Allocation:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + order.wait_s
        request = AllocationRequest(
            resources=dict(resources),
            purpose=order.purpose or self.key_of(order)[:200],
            ttl_s=TTL_S,
            priority_level=order.priority_level,
        )
        allocation = await self._allocator.allocate(request, principal)
        if allocation.allocation_id is None and order.wait_s:
            tell({"notice": f"waiting up to {order.wait_s:g} s: {allocation.summary}"})
        while allocation.allocation_id is None and (left := until_s - loop.time()) > 0:
            patient = request.model_copy(update={"wait_s": min(left, MAX_WAIT_S)})
            allocation = await self._allocator.allocate(patient, principal)
            if loop.time() < until_s and allocation.allocation_id is None:
                await asyncio.sleep(min(TICK_S, max(0.0, until_s - loop.time())))
        return allocation

    def _note(
        self, order: RunOrder, allocation: Allocation, principal: Principal, tell: Tell
    ) -> Run:
        run = Run(
            order=order,
            principal=principal,
            allocation=allocation,
            limits=limits_of(allocation.granted, allocation.burst, wished=order.resources),
            tell=tell,
            began_s=asyncio.get_running_loop().time(),
            renewed_s=asyncio.get_running_loop().time(),
        )
        self._runs[run.lease] = run
        self._begun.set()
        return run

    def _hold(self, run: Run, pid: int) -> Held:
        """Put a command into a control group; where that cannot be, it holds itself."""
        reason = self.home.reason
        if not reason:
            try:
                group = self.home.make(run.lease)
                group.limit(run.limits)
                group.add(pid)
            except OSError as error:
                reason = str(error.strerror or error)
            else:
                run.group = group
                return Held(f"held by {group.held}")
        nice = NICE if run.limits.cores is not None else 0
        memory = run.limits.most_bytes
        ways = [f"nice {nice}"] * bool(nice) + ["RLIMIT_DATA"] * (memory is not None)
        words = (
            f"held by {' and '.join(ways) or 'nothing'}, as control groups are not ours ({reason})"
        )
        return Held(words, nice=nice, data_bytes=memory)

    def _let_go(self, run: Run) -> float:
        """The last look at a group, and its end; CPU seconds that it used."""
        _look(run)
        if run.group is None:
            return 0.0
        use = run.group.use()
        run.group.kill()
        if not run.group.remove():
            logger.warning("the control group of %s is not empty yet", run.lease)
        return 0.0 if use is None else use.cpu_s

    async def _resize(self, run: Run, renewed: Allocation) -> None:
        """Its lease is another size now."""
        run.allocation = renewed
        run.limits = limits_of(renewed.granted, renewed.burst, wished=run.order.resources)
        run.tell({"notice": f"its lease was changed: {renewed.summary}"})
        if run.group is not None:
            await asyncio.to_thread(run.group.limit, run.limits)

    async def _release(self, run: Run) -> None:
        try:
            await self._allocator.release(run.lease, run.principal)
        except (NotFoundError, LeaseEndedError):
            return
        except OptimizerError as error:
            logger.warning("the lease of a run could not be released: %s", error)


def _lacks_guessed_cpu(allocation: Allocation, order: RunOrder) -> bool:
    """Whether only our guess of its CPU keeps a command from starting, which is slow without it."""
    refused = allocation.allocation_id is None and allocation.binding_resource == "cpu"
    return refused and "cpu" not in order.resources and not order.wait_s


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


def _look(run: Run) -> None:
    """What it uses now."""
    run.use = use = None if run.group is None else run.group.use()
    if use is not None:
        run.peak_bytes = max(run.peak_bytes, use.memory_bytes)
    elif run.tree is not None:
        run.peak_bytes = max(run.peak_bytes, run.tree.memory_bytes())
