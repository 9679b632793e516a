"""bind_allocation: say what runs under a lease. For our own code; no door offers it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from optimizer.errors import InvalidRequestError, NotFoundError
from optimizer.identity import Principal
from optimizer.machine.processes import ProcessId, identify


class KeepsBindings(Protocol):
    """Where bindings last."""

    async def bind(
        self,
        allocation_id: str,
        *,
        principal: str,
        processes: Sequence[ProcessId],
        cgroup: str | None,
    ) -> bool:
        """Bind to an active lease of the principal; False when there is none."""


async def bind_allocation(
    allocation_id: str,
    *,
    pids: Sequence[int],
    cgroup: str | None,
    keeper: KeepsBindings,
    principal: Principal,
    identity_of: Callable[[int], ProcessId] = identify,
) -> None:
    """Bind processes, with all that they start, or a control group to a lease.

    The caller vouches for the processes: `sro run` names its own child, the socket its peer. Taken
    from a request, a process number would let anybody hide the load of others behind a lease.

    Raises:
        ForbiddenError: The principal may only read.
        InvalidRequestError: Neither or both were given, or a process is gone.
        NotFoundError: This principal has no such active lease.
        StorageError: The binding cannot be kept.
    """
    principal.require_writer("bind_allocation")
    if bool(pids) == (cgroup is not None):
        raise InvalidRequestError("give either processes or a control group. Nothing was changed")
    try:
        processes = [identity_of(pid) for pid in pids]
    except ProcessLookupError as error:
        raise InvalidRequestError(f"{error}. Nothing was changed", field="pids") from None
    if not await keeper.bind(
        allocation_id, principal=principal.name, processes=processes, cgroup=cgroup
    ):
        hint = "list_allocations shows those that you hold. Nothing was changed"
        raise NotFoundError(what="allocation", name=allocation_id, hint=hint)
