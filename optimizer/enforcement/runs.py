"""Commands that run under leases on this machine: begun, held, watched, and given back.

What the front of `sro run` and the daemon say to each other is in `server/run_door.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import MAX_WAIT_S, Allocation, AllocationRequest, Lease
from optimizer.clock import Clock
from optimizer.due import Due
from optimizer.enforcement.asking import (
    UNRESERVED,
    UNRESERVED_STILL,
    advice_of,
    lacks_guessed_cpu,
    risk_of,
    sizes_of,
)
from optimizer.enforcement.holder import Holder
from optimizer.enforcement.limits import limits_of
from optimizer.enforcement.order import Granted, Held, Refused, RunOrder
from optimizer.enforcement.run import Run, Tell
from optimizer.enforcement.trees import Tree, descends
from optimizer.enforcement.usual import RUNS_LOOKED_AT, PastRun, command_key, used_before
from optimizer.errors import InvalidRequestError, LeaseEndedError, NotFoundError, OptimizerError
from optimizer.events import Event, EventBus, LeaseChanged
from optimizer.identity import Principal
from optimizer.machine.mcp_names import server_name
from optimizer.quantities import from_parts

logger = logging.getLogger("sequential_resource_optimization.enforcement")

LEASE_ID = "SRO_LEASE_ID"
"""Names the lease in the environment of what runs under it."""

DEVICES = "CUDA_VISIBLE_DEVICES"

TTL_S = 60
RENEW_S = 20.0
TICK_S = 1.0
OTHERS_S = 2.0
"""How often leases are looked at where nobody can tell whether another daemon changed them."""

LOST_S = 1.0
"""What a front that was killed leaves behind has this long until we end it too; its own watcher is
faster."""

Bind = Callable[[str, Sequence[int], str | None, Principal], Awaitable[None]]


class RunKeeper(Protocol):
    """Where past runs last."""

    async def past(
        self, command: str, *, directory: str, principal: str, limit: int
    ) -> tuple[PastRun, ...]:
        """Newest runs of a command in a directory; of the same elsewhere, where it had none."""

    async def record(self, run: PastRun, *, principal: str) -> None:
        """Keep one."""


class Runs:
    """What runs under leases here.

    Args:
        allocator: Grants, renews and releases.
        keeper: Past runs.
        bind: Tells whose use is whose.
        holder: Holds commands to their leases.
        events: Tells of leases that others end or change.
        clock: The wall clock.
        others_wrote: Answers another number when another process has written to the store, and
            None where that cannot be told.
    """

    def __init__(
        self,
        *,
        allocator: ResourceAllocator,
        keeper: RunKeeper,
        bind: Bind,
        holder: Holder,
        events: EventBus,
        clock: Clock,
        others_wrote: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._allocator = allocator
        self._keeper = keeper
        self._bind = bind
        self._holder = holder
        self._clock = clock
        self._others_wrote = others_wrote
        self._written: int | None = None
        self._compared_s = 0.0
        events.subscribe(self._hear)
        self._runs: dict[str, Run] = {}
        self._begun = Due()

    def server_of(self, order: RunOrder) -> str | None:
        """The MCP server that a command is; only a host's pipes make it one unasked."""
        return order.mcp or (server_name(order.command) if order.is_piped else None)

    async def begin(self, order: RunOrder, principal: Principal, tell: Tell) -> Granted | Refused:
        """Get a lease for a command, waiting as long as the order says.

        Raises:
            OptimizerError: The order cannot be read, or the store does not answer.
        """
        mcp = self.server_of(order)
        past = await self._past(order, principal)
        resources, why = sizes_of(order, past, is_server=mcp is not None)
        used = used_before(past)
        copies = f"mcp:{mcp}"
        if copies in self._allocator.pools:
            resources.setdefault(copies, 1)
        until_s = asyncio.get_running_loop().time() + order.wait_s
        allocation = await self._allocate(order, resources, used, principal, tell, until_s)
        if lacks_guessed_cpu(allocation, order):
            del resources["cpu"]
            why = f"{why}; {UNRESERVED_STILL if order.wait_s else UNRESERVED}"
            allocation = await self._allocate(order, resources, used, principal, tell, until_s)
        if allocation.allocation_id is None:
            named = mcp or self.key_of(order)
            message = f"{named} was not started. {allocation.summary} {advice_of(allocation)}"
            return Refused(allocation, message, mcp)
        run = self._note(order, allocation, used, principal, tell)
        environment = {LEASE_ID: run.lease}
        if "gpu" in allocation.granted:
            environment[DEVICES] = ",".join(map(str, allocation.slots.get("gpu", ())))
        said = f"lease {run.lease}: {allocation.summary.rstrip('.')}{why}{risk_of(allocation)}"
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
        held = await asyncio.to_thread(self._holder.hold, run, pid)
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
        used = used_before(await self._past(order, principal))
        run = self._note(order, allocation, used, principal, tell)
        if pid is not None:
            await self.started(lease, pid, front=front)
        else:
            await asyncio.to_thread(self._holder.find, run)

    async def ended(
        self, lease: str, *, wall_s: float, cpu_s: float, peak_bytes: int, exit_code: int
    ) -> None:
        """A command ended: remember what it used, and give its lease back."""
        run = self._runs.pop(lease)
        used = await asyncio.to_thread(self._holder.let_go, run)
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
            await asyncio.to_thread(self._holder.let_go, run)
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
            if self._may_have_changed(now_s):
                await self.compare()
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
            await asyncio.to_thread(self._holder.watch, runs, now_s, elapsed_s)

    async def compare(self) -> None:
        """Renew at once what another daemon took, changed, or lets give way."""
        try:
            held = {lease.allocation_id: lease for lease in await self._allocator.held()}
        except OptimizerError as error:
            logger.warning("leases of runs could not be looked at: %s", error)
            return
        for run in self._runs.values():
            lease = held.get(run.lease)
            if lease is None or _is_other(lease, run):
                run.renewed_s = 0.0

    def _may_have_changed(self, now_s: float) -> bool:
        """Whether another daemon may have changed leases since they were compared."""
        written = self._others_wrote()
        is_new = written != self._written
        if written is None:
            is_new = now_s - self._compared_s >= OTHERS_S
        if is_new:
            self._written, self._compared_s = written, now_s
        return is_new

    def _hear(self, event: Event) -> None:
        """Leases that end or change without us."""
        run = self._runs.get(event.allocation_id) if isinstance(event, LeaseChanged) else None
        if run is None or not isinstance(event, LeaseChanged):
            return
        if event.state in ("expired", "preempted"):
            run.tell({"end": f"its lease is {event.state}, so the command ends"})
        elif event.state in ("resized", "yielding"):
            run.renewed_s = 0.0

    async def renew(self, lease: str) -> None:
        """Keep a lease longer; one that was changed is held to its new size from now on."""
        run = self._runs[lease]
        try:
            renewed = await self._allocator.renew(run.lease, run.principal)
            if renewed.granted != run.allocation.granted:
                await self._resize(run, renewed)
            self._warn(run, renewed)
        except LeaseEndedError as error:
            run.tell({"end": f"its lease is {error.state}, so the command ends"})
        except NotFoundError:
            run.tell({"end": "its lease is gone, so the command ends"})
        except OptimizerError as error:
            logger.warning("the lease of a run could not be renewed: %s", error)

    def _warn(self, run: Run, renewed: Allocation) -> None:
        """Tell once that its lease has to give way although it was renewed, and once if not."""
        warnings = [notice for notice in renewed.notices if run.lease in notice]
        if bool(warnings) == run.is_warned:
            return
        run.is_warned = bool(warnings)
        withdrawn = "its lease need not give way any more: the command goes on"
        run.tell({"notice": warnings[0] if warnings else withdrawn})

    def key_of(self, order: RunOrder) -> str:
        """What the runs of a command have in common; of a server that is its name."""
        mcp = self.server_of(order)
        return command_key(order.command) if mcp is None else f"mcp:{mcp}"

    def used_before(self, lease: str, resource: str) -> Sequence[float]:
        """What past runs of a lease's command used, in the unit of the pool; empty if unknown."""
        run = self._runs.get(lease)
        return () if run is None else run.used_before.get(resource, ())

    async def _past(self, order: RunOrder, principal: Principal) -> tuple[PastRun, ...]:
        return await self._keeper.past(
            self.key_of(order),
            directory=order.directory,
            principal=principal.name,
            limit=RUNS_LOOKED_AT,
        )

    async def _allocate(
        self,
        order: RunOrder,
        resources: Mapping[str, float | str],
        used: Mapping[str, Sequence[float]],
        principal: Principal,
        tell: Tell,
        until_s: float,
    ) -> Allocation:
        loop = asyncio.get_running_loop()
        request = AllocationRequest(
            resources=dict(resources),
            purpose=order.purpose or self.key_of(order)[:200],
            ttl_s=TTL_S,
            priority_level=order.priority_level,
        )
        allocation = await self._allocator.allocate(request, principal, usual=used)
        if allocation.allocation_id is None and (left := until_s - loop.time()) > 0:
            tell({"notice": f"waiting up to {left:.0f} s: {allocation.summary}"})
        while allocation.allocation_id is None and (left := until_s - loop.time()) > 0:
            patient = request.model_copy(update={"wait_s": min(left, MAX_WAIT_S)})
            allocation = await self._allocator.allocate(patient, principal, usual=used)
            if loop.time() < until_s and allocation.allocation_id is None:
                await asyncio.sleep(min(TICK_S, max(0.0, until_s - loop.time())))
        return allocation

    def _note(
        self,
        order: RunOrder,
        allocation: Allocation,
        used: Mapping[str, Sequence[float]],
        principal: Principal,
        tell: Tell,
    ) -> Run:
        run = Run(
            order=order,
            principal=principal,
            allocation=allocation,
            limits=limits_of(allocation.granted, allocation.burst, wished=order.resources),
            tell=tell,
            began_s=asyncio.get_running_loop().time(),
            renewed_s=asyncio.get_running_loop().time(),
            used_before=used,
        )
        self._runs[run.lease] = run
        self._begun.set()
        return run

    async def _resize(self, run: Run, renewed: Allocation) -> None:
        """Its lease is another size now."""
        run.allocation = renewed
        run.limits = limits_of(renewed.granted, renewed.burst, wished=run.order.resources)
        run.tell({"notice": f"its lease was changed: {renewed.summary}"})
        await asyncio.to_thread(self._holder.change, run)

    async def _release(self, run: Run) -> None:
        try:
            await self._allocator.release(run.lease, run.principal)
        except (NotFoundError, LeaseEndedError):
            return
        except OptimizerError as error:
            logger.warning("the lease of a run could not be released: %s", error)


def _is_other(lease: Lease, run: Run) -> bool:
    """Whether a lease is not what its command was told of it."""
    granted = {grant.resource: from_parts(grant.granted, grant.unit) for grant in lease.grants}
    return granted != run.allocation.granted or (lease.yields_to is not None) != run.is_warned
