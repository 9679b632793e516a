"""Pools: what this machine may lease, how much of it is out, and how much is free."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.allocation.window import Window, split_window
from optimizer.errors import ConfigurationError, InvalidRequestError
from optimizer.machine.capacity import Capacity
from optimizer.quantities import (
    MOST_COUNTED,
    RESOURCES,
    Kind,
    Resource,
    Unit,
    format_amount,
    from_parts,
    parse_amount,
    to_parts,
)

SHARED = "shared"
"""The host of a pool that all machines of a store share."""

INDEXED: tuple[Unit, ...] = ("device",)
"""What is leased by index unless the operator says otherwise."""

MOST_SLOTS = 4096

NO_LIMIT = "no limit known"
"""All that there is to say of a pool without a capacity of which nothing is out."""

_UNSEEN = "use of it without a lease is not measured here"

_METERED = "no limit is configured (sro.toml: pools.{name}); use is recorded"


@dataclass
class ResourcePool:
    """Something that is leased. Only `resize` changes one.

    Attributes:
        resource: Its name, unit and kind.
        host: The machine that has it.
        capacity: All of it, in the unit; None when nobody says how much there is. Such a pool is
            metered: every request is granted and recorded.
        capacity_source: Where the capacity is from.
        reason: Why the capacity is None.
        reserve: Share of the capacity that is never leased, 0 to below 1.
        window: When a budget is whole again; None for what is spent once.
        slots: How many indices it has, each of one unit; None where a lease holds an amount only.
    """

    resource: Resource
    host: str
    capacity: float | None
    capacity_source: str
    reason: str | None = None
    reserve: float = 0.0
    window: Window | None = None
    slots: int | None = None

    @property
    def name(self) -> str:
        """The word that requests use."""
        return self.resource.name

    @property
    def unit(self) -> Unit:
        """The unit of every amount."""
        return self.resource.unit

    @property
    def kind(self) -> Kind:
        """What happens when there is too little."""
        return self.resource.kind

    def resize(self, found: "ResourcePool") -> None:
        """Be as large as the same pool was found to be now, for everybody who holds this one."""
        self.capacity, self.capacity_source = found.capacity, found.capacity_source
        self.reason, self.slots = found.reason, found.slots
        for worked_out in ("capacity_parts", "leasable_parts"):
            self.__dict__.pop(worked_out, None)

    @cached_property
    def capacity_parts(self) -> int | None:
        """The capacity in whole parts of its unit."""
        return None if self.capacity is None else to_parts(self.capacity, self.unit)

    @cached_property
    def leasable_parts(self) -> int | None:
        """The capacity without its reserve, in whole parts."""
        if self.capacity is None:
            return None
        return to_parts(self.capacity * (1 - self.reserve), self.unit)


@dataclass(frozen=True)
class Holder:
    """A lease of a pool, in whole parts.

    Attributes:
        allocation_id: Which one.
        granted: What it holds.
        burst: The most that it may use; `granted` without a range.
    """

    allocation_id: str
    granted: int
    burst: int


@dataclass(frozen=True)
class Balance:
    """What the ledger says of one pool, in whole parts.

    Attributes:
        leased: Held by leases.
        spent: Of a budget: settled since the last reset.
        overdrawn: Of a budget: settled beyond what was left.
        resets_at: When a windowed budget is whole again.
        own: Held by the leases of who asks.
        slots: Of an indexed pool: parts that are free of each index, where it is asked for.
        holders: Every lease of it, where a range is asked for.
    """

    leased: int = 0
    spent: int = 0
    overdrawn: int = 0
    resets_at: datetime | None = None
    own: int = 0
    slots: Mapping[int, int] = field(default_factory=dict)
    holders: tuple[Holder, ...] = ()


def room_parts(pool: ResourcePool, balance: Balance, unmanaged: float = 0.0) -> int | None:
    """Capacity - reserve - unmanaged demand - leases - what is spent.

    Args:
        pool: The pool.
        balance: Its balance in the ledger.
        unmanaged: Demand that no lease covers, in the unit of the pool.

    Returns:
        Whole parts, below 0 where more is used than there is; None without a known limit, until so
        much is out that it can hardly be counted.
    """
    leasable = pool.leasable_parts
    out = balance.leased + balance.spent + balance.overdrawn
    if leasable is None:
        return None if out < MOST_COUNTED else 0
    return leasable - out - (to_parts(unmanaged, pool.unit) if unmanaged > 0 else 0)


class PoolState(BaseModel):
    """One pool now, in absolute units."""

    model_config = ConfigDict(frozen=True)

    resource: str = Field(description="The word that requests use.")
    host: str = Field(description="The machine that has it.")
    unit: Unit = Field(description="Unit of every figure here.")
    kind: Kind = Field(description="budget is spent; the others are given back.")
    total: float | None = Field(description="Capacity; null when nobody says how much there is.")
    allocated: float = Field(description="Held by leases.")
    spent: float | None = Field(
        description="Of a budget: settled since its last reset, overdraft included; else null."
    )
    unmanaged: float | None = Field(
        description="Measured demand that no lease covers; null where nobody measures it."
    )
    reserved: float | None = Field(description="Share of the capacity that is never leased.")
    available: float | None = Field(description="Free to lease now; null when no limit is known.")
    summary: str = Field(description="The same in words.")
    source: str = Field(description="Where the capacity is from.")
    resets_at: AwareDatetime | None = Field(None, description="When a budget is whole again.")
    unknown: dict[str, str] = Field(
        default_factory=dict, description="Why a figure is null, by field."
    )


def pool_state(pool: ResourcePool, balance: Balance, unmanaged: float | None = None) -> PoolState:
    """What agents read of a pool; demand that is not known takes nothing from it."""
    room = room_parts(pool, balance, unmanaged or 0.0)
    if pool.capacity == 0:
        unmanaged = 0.0
    free = None if room is None else max(0, room)
    unit = pool.unit
    spent = balance.spent + balance.overdrawn
    unknown = {}
    if pool.capacity is None:
        reason = pool.reason or _METERED.format(name=pool.name)
        unknown = dict.fromkeys(("total", "available", "reserved"), reason)
    if unmanaged is None:
        unknown["unmanaged"] = _UNSEEN
    return PoolState(
        resource=pool.name,
        host=pool.host,
        unit=unit,
        kind=pool.kind,
        total=pool.capacity,
        allocated=from_parts(balance.leased, unit),
        spent=from_parts(spent, unit) if pool.kind == "budget" else None,
        unmanaged=None if unmanaged is None else max(0.0, unmanaged),
        reserved=None if pool.capacity is None else pool.capacity * pool.reserve,
        available=None if free is None else from_parts(free, unit),
        summary=_summary(pool, balance, free),
        source=pool.capacity_source,
        resets_at=balance.resets_at,
        unknown=unknown,
    )


def _summary(pool: ResourcePool, balance: Balance, free: int | None) -> str:
    def text(parts: int) -> str:
        return format_amount(from_parts(parts, pool.unit), pool.unit)

    if pool.capacity is None or free is None:
        out = balance.leased + balance.spent
        return f"{NO_LIMIT}, {text(out)} leased or spent" if out else NO_LIMIT
    if pool.capacity == 0:
        return "there is none"
    whole = format_amount(pool.capacity, pool.unit)
    return f"{text(free)} free of {whole}" + (f" per {pool.window}" if pool.window else "")


class PoolConfiguration(Protocol):
    """What the operator says of a pool; `settings.PoolSetting` fits."""

    @property
    def capacity(self) -> float | str:
        """How much there is: 4, "8 GiB", "5000/h", "20 USD/day"."""

    @property
    def kind(self) -> Kind | None:
        """What too little does; None takes the resource's own kind."""

    @property
    def reserve(self) -> float | None:
        """Share that is never leased; None means 0."""

    @property
    def scope(self) -> Literal["host", "shared"]:
        """Whether every machine of the store has its own, or all share one."""

    @property
    def indexed(self) -> bool | None:
        """Whether a lease holds certain ones of it; None is as usual: gpu yes, others no."""


def build_pools(
    capacities: Mapping[str, Capacity], configured: Mapping[str, PoolConfiguration], *, host: str
) -> dict[str, ResourcePool]:
    """The pools of a machine: discovered, then corrected and completed by the operator.

    A resource that the product names and nobody limits (tokens, calls, cycles, dollars) becomes a
    metered pool without a capacity, so that leases of it are granted and recorded.

    Args:
        capacities: What the machine has, by resource.
        configured: What sro.toml says, by pool name.
        host: The machine.

    Raises:
        ConfigurationError: A configured capacity cannot be read.
    """
    pools = {name: _discovered(RESOURCES[name], capacities.get(name), host) for name in RESOURCES}
    for name, setting in configured.items():
        pools[name] = _configured(name, setting, capacities.get(name), host)
    return pools


def _discovered(resource: Resource, capacity: Capacity | None, host: str) -> ResourcePool:
    if capacity is None:
        reason = _METERED.format(name=resource.name)
        return ResourcePool(resource, host, None, "not configured", reason=reason)
    unknown = capacity.reason if capacity.amount is None else None
    slots = int(capacity.amount or 0) if resource.unit in INDEXED else None
    return ResourcePool(
        resource, host, capacity.amount, capacity.source, reason=unknown, slots=slots or None
    )


def _configured(
    name: str, setting: PoolConfiguration, found: Capacity | None, host: str
) -> ResourcePool:
    try:
        text, window = split_window(str(setting.capacity))
        resource = RESOURCES.get(name) or _named(name, text, windowed=window is not None)
        if resource.percent and isinstance(setting.capacity, int | float):
            raise ValueError("a bare number could be a percentage or an amount")
        known = found.amount if found else None
        amount = parse_amount(text, resource=resource, capacity=known, allow_zero=True)
    except (InvalidRequestError, ValueError) as error:
        raise ConfigurationError(
            setting=f"sro.toml: pools.{name}.capacity",
            problem=f"{setting.capacity!r} is not a capacity ({error})",
            fix='write for example 4, "8 GiB", "2 cores", "5000/h" or "20 USD/day at 06:00"',
        ) from None
    if setting.kind is not None:
        resource = replace(resource, kind=setting.kind)
    if window is not None and resource.kind != "budget":
        raise ConfigurationError(
            setting=f"sro.toml: pools.{name}",
            problem=f"{setting.capacity!r} refills, and what is {resource.kind} does not",
            fix='drop the window, or set kind = "budget"',
        )
    if amount.burst is not None:
        raise ConfigurationError(
            setting=f"sro.toml: pools.{name}.capacity",
            problem=f"{setting.capacity!r} is a range",
            fix="write one amount",
        )
    return ResourcePool(
        resource,
        SHARED if setting.scope == "shared" else host,
        amount.guaranteed,
        f"sro.toml pools.{name}",
        reserve=setting.reserve or 0.0,
        window=window,
        slots=_slots(name, setting, resource, amount.guaranteed),
    )


def _slots(
    name: str, setting: PoolConfiguration, resource: Resource, capacity: float
) -> int | None:
    """How many indices a configured pool has.

    Raises:
        ConfigurationError: It is said to be indexed and is not counted in whole ones.
    """
    indexed = resource.unit in INDEXED if setting.indexed is None else setting.indexed
    if not indexed or capacity == 0:
        return None
    is_counted = resource.unit in ("device", "slot") and resource.kind != "budget"
    if not is_counted or capacity != int(capacity) or capacity > MOST_SLOTS:
        raise ConfigurationError(
            setting=f"sro.toml: pools.{name}.indexed",
            problem=f"{setting.capacity!r} is not a whole number of devices or slots up to "
            f"{MOST_SLOTS}",
            fix="give a whole number, or indexed = false",
        )
    return int(capacity)


_UNITS_OF_NAMED: tuple[Unit, ...] = ("slot", "usd", "token", "call", "cycle", "byte", "core")


def _named(name: str, text: str, *, windowed: bool) -> Resource:
    """A resource that only sro.toml names; its unit is the first that the amount is written in."""
    kind: Kind = "budget" if windowed else "incompressible"
    for unit in _UNITS_OF_NAMED:
        resource = Resource(name, unit, "budget" if unit == "usd" else kind)
        try:
            parse_amount(text, resource=resource, capacity=None, allow_zero=True)
        except InvalidRequestError:
            continue
        return resource
    return Resource(name, "slot", kind)
