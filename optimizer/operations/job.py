"""What a request is about beside the machine: its task's choices weighed, its session's budget."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from optimizer.allocation.lease import Lease
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import Rules, is_lease_scope
from optimizer.decisions.request import OptimizationRequest, Task
from optimizer.identity import Principal
from optimizer.machine.attribution import LeaseUse
from optimizer.operations.needs import seen_needs, stated_needs
from optimizer.operations.session import Holds, session_of
from optimizer.operations.task_choices import Analyzes, choices_of
from optimizer.prices import PriceTable


async def job_of(
    request: OptimizationRequest,
    principal: Principal,
    *,
    analyzer: Analyzes,
    allocator: Holds,
    prices: PriceTable,
    rules: Rules,
    uses: Mapping[str, LeaseUse],
    now: datetime,
) -> Job:
    """Find what the task needs, weigh what it may choose, add up what the session has taken.

    Args:
        request: What is asked.
        principal: Whose session it is.
        analyzer: Weighs MCP servers.
        allocator: What is held and spent.
        prices: What leases cost.
        rules: Depths of validation to consider, and the headroom of what was seen in use.
        uses: What the processes of each lease use, by its id.
        now: The present moment.

    Raises:
        InvalidRequestError: Something of the task is not allowed.
        StorageError: The store cannot be read.
    """
    is_lease = is_lease_scope(request.scope)
    leases = await _own_leases(request, principal, allocator)
    session = None
    if request.scope == "session_level":
        session = await session_of(leases, principal, allocator, prices, now)
    workloads = _workloads(leases) if request.constraints.focus is not None else {}
    if not is_lease and not workloads:
        return NO_JOB
    task = request.task or Task()
    if not is_lease:
        return Job(workloads=workloads)
    choices, absent = await choices_of(task, analyzer, rules.validation_cycles)
    stated = stated_needs(task, await allocator.utilization()) if task.needs else {}
    seen = seen_needs(
        request.constraints.focus, leases, uses, headroom=rules.lease_headroom, now=now
    )
    return Job(
        needs=seen | stated,
        choices=tuple(choices),
        absent=absent,
        work_s=task.work_s,
        times_per_month=task.times_per_month,
        session=session,
        workloads=workloads,
    )


async def _own_leases(
    request: OptimizationRequest, principal: Principal, allocator: Holds
) -> list[Lease]:
    """The asker's leases, where the request needs them."""
    if request.scope != "session_level" and request.constraints.focus is None:
        return []
    return [lease for lease in await allocator.held() if lease.principal == principal.name]


def _workloads(leases: Sequence[Lease]) -> dict[str, tuple[str, ...]]:
    """What is held for each purpose."""
    found: dict[str, set[str]] = {}
    for lease in leases:
        if lease.purpose:
            found.setdefault(lease.purpose, set()).update(g.resource for g in lease.grants)
    return {purpose: tuple(sorted(resources)) for purpose, resources in sorted(found.items())}
