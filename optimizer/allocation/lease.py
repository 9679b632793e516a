"""What is asked for, what the ledger remembers of it, and what the asker reads."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.quantities import Unit

PriorityLevel = Literal["low", "normal", "high", "critical"]

PRIORITIES: tuple[PriorityLevel, ...] = ("low", "normal", "high", "critical")
"""Lowest first."""

LeaseState = Literal["active", "partial", "preempted", "released", "expired", "refused"]

MAX_TTL_S = 86_400
MAX_WAIT_S = 45.0
"""Desktop hosts cut calls at about 60 s."""

AmountText = Annotated[str, Field(min_length=1, max_length=64)]
AmountNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
ResourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,127}$")]
AllocationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
TtlSeconds = Annotated[int, Field(ge=1, le=MAX_TTL_S)]


def new_allocation_id() -> str:
    """An id that cannot be guessed: 144 random bits."""
    return "alloc_" + secrets.token_urlsafe(18)


class AllocationRequest(BaseModel):
    """What somebody wants to reserve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resources: dict[ResourceName, AmountNumber | AmountText] = Field(
        min_length=1,
        max_length=32,
        description="Amount by resource. A bare number is % of the machine for cpu, memory, "
        "storage, network, gpu; a count for mcp_tokens, api_calls, validation_cycles; USD for usd. "
        'Else "2 cores", "8 GiB", "50k", or guaranteed-burst "2-6 GiB".',
    )
    purpose: str = Field(
        "",
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="What it is for, in a few words.",
    )
    ttl_s: TtlSeconds = Field(
        900, description="Seconds until the lease ends by itself, 1 to 86400."
    )
    min_fraction: float = Field(
        1.0, gt=0, le=1, description="Least share of the request that is still of use."
    )
    wait_s: float = Field(
        0.0, ge=0, le=MAX_WAIT_S, description="Seconds to wait for room, at most 45."
    )
    priority_level: PriorityLevel = Field("normal", description="Who waits first.")
    strategy: str = Field(
        "balanced",
        max_length=64,
        description="How much between min_fraction and all: performance_priority, cost_priority, "
        "balanced, reliability_priority.",
    )
    allow_preemption: bool = Field(
        False,
        description="Whether leases of strictly lower priority may have to give way, after a "
        "notice to their holders; needs wait_s of at least the grace time.",
    )
    request_id: str | None = Field(
        None,
        pattern=r"^[!-~]{1,128}$",
        description="Your key: the same request sent again answers the same lease.",
    )

    @property
    def fingerprint(self) -> str:
        """The same for the same request, however long it would wait; empty without a key."""
        if self.request_id is None:
            return ""
        asked = self.model_dump(mode="json", exclude={"request_id", "wait_s"})
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def public_name(allocation_id: str) -> str:
    """What a lease is called where others read it: it tells leases apart and opens none."""
    return f"lease-{hashlib.sha256(allocation_id.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Grant:
    """One resource of a lease, in whole parts of its unit.

    Attributes:
        resource: Name of the pool.
        host: The machine that has the pool.
        unit: Unit of the pool.
        requested: What was asked for.
        granted: What is held, at most `requested`.
        burst: The most that the range allows, shared with others; None without a range.
        used: Of a budget: what was settled; None until then.
        slots: Of an indexed pool: parts by index; empty of others.
    """

    resource: str
    host: str
    unit: Unit
    requested: int
    granted: int
    burst: int | None = None
    used: int | None = None
    slots: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def in_full(self) -> "Grant":
        """The same, all of it granted; requests that ask for the same share it."""
        return replace(self, granted=self.requested)


@dataclass(frozen=True)
class Lease:
    """What the ledger remembers of an allocation.

    Attributes:
        allocation_id: Known to its holder alone.
        fencing_token: Larger than that of every lease granted before.
        principal: Name of the holder.
        request_id: The holder's idempotency key.
        fingerprint: Of the request, see `AllocationRequest.fingerprint`.
        purpose: As asked.
        priority_level: As asked.
        strategy: As asked.
        strategy_effect: What the strategy changed.
        ttl_s: Seconds from the grant, or from the last renewal, to the end.
        state: active; released by its holder; expired, or preempted: ended by itself.
        granted_at: Aware, UTC.
        expires_at: When it ends by itself.
        ended_at: When it ended; None while it is active.
        grants: What it holds.
        min_fraction: Least share of the request that is of use.
        yields_to: Priority of the request for which it has to give way at `expires_at`; None for
            none.
        would_expire_at: When it would have ended, had it not to give way.
    """

    allocation_id: str
    fencing_token: int
    principal: str
    request_id: str | None
    fingerprint: str
    purpose: str
    priority_level: PriorityLevel
    strategy: str
    strategy_effect: str
    ttl_s: int
    state: Literal["active", "released", "expired", "preempted"]
    granted_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    grants: tuple[Grant, ...]
    min_fraction: float = 1.0
    yields_to: str | None = None
    would_expire_at: datetime | None = None


class Alternative(BaseModel):
    """Another way to get something."""

    model_config = ConfigDict(frozen=True)

    granted: dict[str, float] = Field(description="What there would be, in absolute units.")
    granted_fraction: float = Field(description="Share of the request.")
    wait_s: float = Field(description="Seconds from now; 0 is at once.")
    available_at: AwareDatetime | None = Field(None, description="When, if not at once.")
    how: str = Field(description="What to ask.")


class Allocation(BaseModel):
    """A lease, or why there is none."""

    model_config = ConfigDict(frozen=True)

    allocation_id: str | None = Field(None, description="Name it to renew or release.")
    state: LeaseState = Field(
        description="active: all that was asked; partial: less, at least min_fraction; refused: "
        "nothing was reserved; released, expired and preempted: over."
    )
    summary: str = Field(description="What happened, in absolute units.")
    requested: dict[str, float] = Field(description="In the units named in `units`.")
    granted: dict[str, float] = Field(description="In the units named in `units`; empty if none.")
    burst: dict[str, float] = Field(
        default_factory=dict, description="Upper end of ranges: shared, not reserved."
    )
    burst_risk: dict[str, float] = Field(
        default_factory=dict,
        description="Of ranges: probability that all leases together want more than there is, so "
        "that bursts are throttled, 0 to 1.",
    )
    slots: dict[str, tuple[int, ...]] = Field(
        default_factory=dict, description="Which ones of an indexed resource (gpu), from 0."
    )
    units: dict[str, str] = Field(description="Unit of each resource.")
    granted_fraction: float = Field(description="Share of the request that was granted, 0 to 1.")
    strategy: str = Field(description="The strategy that chose the share.")
    strategy_effect: str = Field(description="What the strategy changed.")
    priority_level: PriorityLevel
    purpose: str = ""
    principal: str | None = Field(None, description="Who holds it.")
    granted_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = Field(None, description="When the lease ends by itself.")
    expires_in_s: float | None = Field(None, description="Seconds until then.")
    ttl_s: int | None = Field(None, description="Seconds that a renewal adds.")
    fencing_token: int | None = Field(
        None, description="Larger for every later lease; hand it to what you guard."
    )
    used: dict[str, float] = Field(
        default_factory=dict, description="Of budgets: what was settled at the end."
    )
    observed: dict[str, float] | None = Field(
        None, description="What its processes really use; null when none are bound."
    )
    binding_resource: str | None = Field(None, description="What there was too little of.")
    free_now: dict[str, float | None] = Field(
        default_factory=dict, description="Free of each requested resource; null without a limit."
    )
    fits_in_s: float | None = Field(
        None, description="Seconds until it fits if no lease is renewed; null if not foreseeable."
    )
    shortfalls: dict[str, float] = Field(
        default_factory=dict, description="What is missing of each resource."
    )
    alternatives: tuple[Alternative, ...] = ()
    preempted: tuple[str, ...] = Field(
        (), description="Which leases had to give way to this one, or will, and why those."
    )
    next: str = Field(description="What to do now.")
    notices: tuple[str, ...] = Field((), description="What else the holder should know.")
    unknown: dict[str, str] = Field(
        default_factory=dict, description="Why a figure is null, by field."
    )
