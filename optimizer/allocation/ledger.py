"""What the allocator needs of a ledger; the store's ledger fits it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from optimizer.allocation.admission import Admission, Freeing, Refusal
from optimizer.allocation.lease import Grant, Lease, PriorityLevel
from optimizer.allocation.pool import Balance, ResourcePool
from optimizer.quantities import Unit

MOST_LEASES = 10_000
"""Leases that a look at all of them reads."""

Decide = Callable[[Mapping[str, Balance]], Admission | Refusal]
"""Balances by resource to a decision; called inside the transaction that acts on it."""

Room = Callable[[Mapping[str, Balance]], int | None]
"""Balances by resource to the whole parts that are free; None is without a limit."""


@dataclass(frozen=True)
class Draft:
    """A lease before it is granted; fields as in `Lease`.

    Attributes:
        asked: What is asked for, with `granted` 0.
        has_quota: Whether the decision needs `Balance.own`.
        min_fraction: Least share of the request that is of use.
        places: Of indexed pools whose indices the request names: parts by index.
    """

    allocation_id: str
    principal: str
    request_id: str | None
    fingerprint: str
    purpose: str
    priority_level: PriorityLevel
    strategy: str
    ttl_s: int
    asked: tuple[Grant, ...]
    has_quota: bool = False
    min_fraction: float = 1.0
    places: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """What every answer of the ledger says beside its result.

    Attributes:
        at: The ledger's time.
        ended: Leases that ended by themselves and were noticed now.
        ending: Leases of the asker that end soon, or have to give way.
    """

    at: datetime
    ended: tuple[Lease, ...] = ()
    ending: tuple[Lease, ...] = ()


@dataclass(frozen=True)
class Admitted:
    """The lease that was granted.

    Attributes:
        lease: The lease.
        replayed: Whether it is the answer to an earlier request of the same key.
        moment: See there.
        preempted: Leases that gave way to it.
        risks: Of ranges: the probability that all leases together want more than there is.
    """

    lease: Lease
    replayed: bool
    moment: Moment
    preempted: tuple[Lease, ...] = ()
    risks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Declined:
    """Nothing was granted.

    Attributes:
        refusal: Why.
        freeings: What becomes free later if nobody renews: of each resource the earliest, until
            what is missing is free. Leases with processes that run are not among it.
        moment: See there.
        yielding: Leases that have got notice to give way to this request.
        bound: Whole parts of what is missing that such leases hold, by resource; none where
            others end in time.
    """

    refusal: Refusal
    freeings: tuple[Freeing, ...]
    moment: Moment
    yielding: tuple[Lease, ...] = ()
    bound: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Changed:
    """A renewal or a release.

    Attributes:
        lease: As it is now; None when this principal has no such lease.
        applied: Whether it was changed; a lease that is over is not.
        overdrawn: Whole parts that were used beyond what the pool had left, by resource.
        moment: See there.
        holder: Name of the principal who has the lease instead; None when nobody has it.
    """

    lease: Lease | None
    applied: bool
    overdrawn: Mapping[str, int]
    moment: Moment
    holder: str | None = None


@dataclass(frozen=True)
class Holdings:
    """Leases that are held now.

    Attributes:
        leases: Newest first, at most as many as asked.
        total: How many there are.
        balances: By resource.
        moment: See there.
    """

    leases: tuple[Lease, ...]
    total: int
    balances: Mapping[str, Balance]
    moment: Moment


@dataclass(frozen=True)
class PoolAudit:
    """One pool, added up in three independent ways, in whole parts.

    Attributes:
        resource: Name of the pool.
        host: The machine that has it.
        ceiling: More may not be out: the capacity, or what was out already when it shrank.
        counted: Leased, as the pool's own counter says.
        from_log: Leased, as the sum over the log of grants.
        from_leases: Leased, as the sum over active leases.
        spent: Of a budget, as the counter says.
        spent_from_log: Of a budget, as the sum over the log.
        slots_hold: Whether every index is held as often as active leases say, and at most once.
    """

    resource: str
    host: str
    unit: Unit
    ceiling: int | None
    counted: int
    from_log: int
    from_leases: int
    spent: int
    spent_from_log: int
    slots_hold: bool = True

    @property
    def holds(self) -> bool:
        """Whether all ways agree and nothing is over-committed."""
        agree = self.counted == self.from_log == self.from_leases
        agree = agree and self.spent == self.spent_from_log and self.slots_hold
        return agree and (self.ceiling is None or self.counted + self.spent <= self.ceiling)


class Ledger(Protocol):
    """Keeps leases. Each call is done as if alone; first it ends what is over."""

    async def admit(
        self, draft: Draft, decide: Decide, *, grace_s: float | None = None
    ) -> Admitted | Declined:
        """Grant what `decide` admits.

        Args:
            draft: The lease that is asked for.
            decide: Decides on the balances of the moment.
            grace_s: Seconds after which leases of strictly lower priority have to give way, if
                that makes room; None when none has to.

        Raises:
            InvalidRequestError: The request id was used for another request.
        """

    async def withdraw(self, allocation_id: str) -> None:
        """Take back the notices that leases got to give way to this request."""

    async def renew(self, allocation_id: str, principal: str, ttl_s: int | None) -> Changed:
        """Let an active lease end `ttl_s` from now; None keeps its own length."""

    async def release(self, allocation_id: str, principal: str, used: Mapping[str, int]) -> Changed:
        """End an active lease; budgets settle at what was used, else at what was reserved."""

    async def resize(self, allocation_id: str, resource: str, parts: int, room: Room) -> Changed:
        """Let an active lease, whoever holds it, hold another amount of one resource.

        It grows only by what `room` says is free, and never beyond what was requested; else it is
        not applied.
        """

    async def move(
        self, loses: str | None, gains: str, resource: str, parts: int, room: Room
    ) -> bool:
        """Let parts of a resource change hands between two active leases, or come from `room`.

        Returns:
            Whether they did; else nothing was changed.
        """

    async def held(self, principal: str | None, *, limit: int) -> Holdings:
        """Active leases of a principal, or of everybody."""

    async def find(self, allocation_id: str) -> Lease | None:
        """The lease of that id, active or not, whoever has it."""

    async def spent(self, principal: str, resource: str, since: datetime) -> int:
        """Parts of a budget that a principal's leases settled which ended since a moment."""

    async def sweep(self) -> Moment:
        """End what is over, and note that the ledger is being watched."""

    async def refit(self, pools: Mapping[str, ResourcePool]) -> None:
        """Let pools be as large as these are; no decision is made in between.

        What is leased stays leased: a pool that is smaller than that has nothing free.
        """

    async def audit(self) -> tuple[PoolAudit, ...]:
        """Add up every pool from the log of grants and from the leases, all of one moment."""
