"""What the work of a lease needs: what the request says, else what its leases were seen to use."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from optimizer.allocation.lease import Lease
from optimizer.allocation.pool import PoolState
from optimizer.decisions.job import Need
from optimizer.decisions.levels import LEASED
from optimizer.decisions.observe import LEAST_HELD
from optimizer.decisions.request import Task
from optimizer.errors import InvalidRequestError
from optimizer.machine.attribution import LeaseUse
from optimizer.quantities import RESOURCES, format_amount, parse_amount


def stated_needs(task: Task, pools: Mapping[str, PoolState]) -> dict[str, Need]:
    """What the request says, in the resources' units.

    Args:
        task: What is said of the task.
        pools: What a percentage is of.

    Raises:
        InvalidRequestError: An amount cannot be read, or is a range.
    """
    found: dict[str, Need] = {}
    for name, value in task.needs.items():
        capacity = pools[name].total if name in pools else None
        amount = parse_amount(value, resource=RESOURCES[name], capacity=capacity)
        if amount.burst is not None:
            raise InvalidRequestError(
                f"task.needs.{name} is the most that the task uses, so one amount and no range; "
                "write its upper end. Nothing was decided",
                field=f"task.needs.{name}",
            )
        found[name] = Need(amount=amount.guaranteed, because="task.needs says so")
    return found


def seen_needs(
    purpose: str | None,
    leases: Sequence[Lease],
    uses: Mapping[str, LeaseUse],
    *,
    headroom: float,
    now: datetime,
) -> dict[str, Need]:
    """What the leases of a workload use in fact, where all of them were seen for long enough.

    Args:
        purpose: Of the workload's leases; None where a request names none.
        leases: The asker's own.
        uses: What the processes of each lease use, by its id.
        headroom: Times its use that the work is taken to need: use is of one moment.
        now: The present moment.
    """
    mine = [lease for lease in leases if lease.purpose == purpose]
    is_seen = all(
        lease.allocation_id in uses and now - lease.granted_at >= LEAST_HELD for lease in mine
    )
    if purpose is None or not mine or not is_seen:
        return {}
    found = {}
    for name in LEASED:
        used = sum(uses[lease.allocation_id].used.get(name, 0.0) for lease in mine)
        if used > 0:
            shown = format_amount(used, RESOURCES[name].unit)
            found[name] = Need(
                amount=used * headroom,
                counted=used,
                because=f"what runs under {purpose!r} uses {shown} now, times {headroom:g}",
            )
    return found
