"""Our own actuators: what leases hold, what each principal may hold, when low priority begins."""

import math
from datetime import UTC, datetime

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.deferral import Deferral
from optimizer.allocation.lease import AllocationRequest, public_name
from optimizer.allocation.quota import EVERYBODY
from optimizer.clock import Clock
from optimizer.decisions.decision import ImplementationStep
from optimizer.enforcement.actuator import ActuatorError
from optimizer.identity import Principal
from optimizer.quantities import format_amount, from_parts, to_parts

SAME = 1e-6
"""Relative difference below which two amounts are one: parts are cut to whole ones."""


class Leases:
    """Lets a lease hold less, and what it held again."""

    is_exact = True

    def __init__(self, allocator: ResourceAllocator) -> None:
        self._allocator = allocator

    async def check(self, step: ImplementationStep) -> str:
        """The lease must still hold what the decision saw."""
        name, resource = _split(step)
        held, expected = await self._held(name, resource), step["from_value"] or 0.0
        if held is None:
            raise ActuatorError(f"{name} is over; ask optimize_resources anew")
        pool = self._allocator.pools[resource]
        if not math.isclose(held, expected, rel_tol=SAME):
            raise ActuatorError(
                f"{name} holds {format_amount(held, pool.unit)} of {resource} now, not "
                f"{format_amount(expected, pool.unit)}; ask optimize_resources anew"
            )
        after = format_amount(step["to_value"] or 0.0, pool.unit)
        return f"would let {name} hold {after} of {resource}"

    async def carry_out(self, step: ImplementationStep) -> str:
        """Resize it."""
        return await self._resize(step, step["to_value"] or 0.0)

    async def take_back(self, step: ImplementationStep) -> str:
        """Resize it back, as far as that is free; a lease that is over needs nothing."""
        name, resource = _split(step)
        if await self._held(name, resource) is None:
            return f"{name} is over by now"
        return await self._resize(step, step["from_value"] or 0.0)

    async def _resize(self, step: ImplementationStep, amount: float) -> str:
        name, resource = _split(step)
        answer = await self._allocator.resize(name, resource, amount)
        unit = self._allocator.pools[resource].unit
        return f"{name} holds {format_amount(answer.granted[resource], unit)} of {resource}"

    async def _held(self, name: str, resource: str) -> float | None:
        for lease in await self._allocator.held():
            if public_name(lease.allocation_id) == name:
                grants = (grant for grant in lease.grants if grant.resource == resource)
                return next((from_parts(g.granted, g.unit) for g in grants), None)
        return None


class QuotasOfAll:
    """Bounds what each principal may hold; sro.toml counts again from the next reload."""

    is_exact = True

    def __init__(self, allocator: ResourceAllocator) -> None:
        self._allocator = allocator

    async def check(self, step: ImplementationStep) -> str:
        """The quota must still be what the decision saw."""
        _, resource = _split(step)
        unit = self._allocator.pools[resource].unit
        now = self._allocator.terms.quotas.of(EVERYBODY).get(resource)
        if now != _parts(step["from_value"], unit):
            raise ActuatorError(f"the quota of {resource} was changed; ask optimize_resources anew")
        after = format_amount(step["to_value"] or 0.0, unit)
        return f"would let nobody hold more than {after} of {resource}"

    async def carry_out(self, step: ImplementationStep) -> str:
        """Set it."""
        return self._set(step, step["to_value"])

    async def take_back(self, step: ImplementationStep) -> str:
        """Set what there was."""
        return self._set(step, step["from_value"])

    def _set(self, step: ImplementationStep, amount: float | None) -> str:
        _, resource = _split(step)
        unit = self._allocator.pools[resource].unit
        quotas = self._allocator.terms.quotas
        self._allocator.terms.quotas = quotas.replaced(EVERYBODY, resource, _parts(amount, unit))
        most = "no quota" if amount is None else format_amount(amount, unit)
        return f"{resource}: {most} for everybody without one of their own"


class Deferrals:
    """Puts low priority off until a moment."""

    is_exact = True

    def __init__(self, allocator: ResourceAllocator, clock: Clock) -> None:
        self._allocator = allocator
        self._clock = clock

    async def check(self, step: ImplementationStep) -> str:
        """The moment must be ahead."""
        until = _moment(step)
        if until <= self._clock():
            raise ActuatorError(f"the quiet window of {until:%Y-%m-%d %H:%M} UTC has begun")
        return f"would give requests of low priority no lease until {until:%Y-%m-%d %H:%M} UTC"

    async def carry_out(self, step: ImplementationStep) -> str:
        """Put them off."""
        until = _moment(step)
        self._allocator.terms.deferral = Deferral(until, self._clock)
        return f"requests of low priority get no lease until {until:%Y-%m-%d %H:%M} UTC"

    async def take_back(self, step: ImplementationStep) -> str:
        """Let them begin at once."""
        self._allocator.terms.deferral = None
        return "requests of low priority get leases again"


class Reservation:
    """Reserves the lease that a decision sized, for the one who applies it."""

    is_exact = True

    def __init__(self, allocator: ResourceAllocator, principal: Principal) -> None:
        self._allocator = allocator
        self._principal = principal
        self._held: str | None = None

    async def check(self, step: ImplementationStep) -> str:
        """Whether it fits is known once it is asked for."""
        return f"would reserve {_asked(step)}"

    async def carry_out(self, step: ImplementationStep) -> str:
        """Reserve it."""
        request = AllocationRequest(
            resources=dict(step.get("resources", {})), purpose="a decision that was applied"
        )
        lease = await self._allocator.allocate(request, self._principal)
        if lease.allocation_id is None:
            raise ActuatorError(f"{lease.summary} {lease.next}")
        self._held = lease.allocation_id
        return f"{lease.summary} allocation_id {lease.allocation_id}; {lease.next}"

    async def take_back(self, step: ImplementationStep) -> str:
        """Release it; a lease that this process did not reserve ends by itself."""
        if self._held is None:
            return "the lease ends by itself"
        await self._allocator.release(self._held, self._principal)
        return f"released {self._held}"


def _split(step: ImplementationStep) -> tuple[str, str]:
    """`lease-0a1b:cpu`, `*:cpu`."""
    name, _, resource = (step["target"] or "").rpartition(":")
    return name, resource


def _moment(step: ImplementationStep) -> datetime:
    return datetime.fromtimestamp(step["to_value"] or 0.0, UTC)


def _parts(amount: float | None, unit: str) -> int | None:
    return None if amount is None else to_parts(amount, unit)  # type: ignore[arg-type]


def _asked(step: ImplementationStep) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in step.get("resources", {}).items())
