"""Strategies: which share to grant when less than everything is acceptable.

A strategy is an objective over the shares x that fit and that the asker accepts, never a multiplier
of the request. It cannot grant more than is free or less than is accepted: admission holds both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Room:
    """One pool, as a strategy sees it, in whole parts.

    Attributes:
        demand: What is asked for, at least 1.
        free: What is free now; None without a known limit.
        leasable: The capacity without its reserve; None when it is not known.
    """

    demand: int
    free: int | None
    leasable: int | None


@dataclass(frozen=True)
class Scope:
    """What may be chosen.

    Attributes:
        least: Least share that the asker accepts.
        most: Greatest share that is free, at most 1.
        rooms: The pools that the request touches.
    """

    least: float
    most: float
    rooms: Mapping[str, Room]


@dataclass(frozen=True)
class Choice:
    """A share, and what choosing it changed.

    Attributes:
        fraction: Share of the request, within the scope.
        effect: One sentence for the asker.
    """

    fraction: float
    effect: str


class AllocationStrategy(Protocol):
    """Anything that has a name and chooses a share."""

    @property
    def name(self) -> str:
        """The name that requests use."""

    def choose(self, scope: Scope) -> Choice:
        """The share to grant."""


@dataclass(frozen=True)
class PerformancePriority:
    """Minimises latency, which only falls with more: the greatest share that is free."""

    name: str = "performance_priority"

    def choose(self, scope: Scope) -> Choice:
        """All that is free, up to the request."""
        return Choice(
            scope.most, f"as much as is free: {scope.most:.0%}; you accept {scope.least:.0%}"
        )


@dataclass(frozen=True)
class CostPriority:
    """Minimises price times share, which only rises with more: the least that is accepted."""

    name: str = "cost_priority"

    def choose(self, scope: Scope) -> Choice:
        """The least that is accepted."""
        return Choice(
            scope.least, f"the least that you accept: {scope.least:.0%}; {scope.most:.0%} was free"
        )


@dataclass(frozen=True)
class ReliabilityPriority:
    """Grants as much as leaves headroom in every pool, so that no pool is close to exhaustion.

    Attributes:
        headroom: Share of a pool's leasable capacity that stays free. The default is what the
            product's CPU alert leaves: it is critical from 85 %.
    """

    headroom: float = 0.15
    name: str = "reliability_priority"

    def choose(self, scope: Scope) -> Choice:
        """The greatest share that leaves the headroom; if none does, the least accepted one."""
        safe = min(
            (
                (room.free - self.headroom * room.leasable) / room.demand
                for room in scope.rooms.values()
                if room.free is not None and room.leasable is not None
            ),
            default=scope.most,
        )
        share = max(scope.least, min(scope.most, safe))
        if share > safe + 1e-9:
            effect = f"the least that you accept; it leaves less than {self.headroom:.0%} headroom"
        else:
            effect = f"{share:.0%}, which leaves {self.headroom:.0%} headroom in every pool"
        return Choice(share, effect)


@dataclass(frozen=True)
class Balanced:
    """Weighs this request against those to come: the Nash bargaining point between the two.

    With both sides worth what they get, log(x d) + log(free - x d) is greatest at x d = free / 2:
    a request that needs no more than half of what is free gets all of it, a larger one leaves as
    much as it takes.

    Source: Nash, Econometrica 18 (1950) 155-162.
    """

    name: str = "balanced"

    def choose(self, scope: Scope) -> Choice:
        """All, or half of what is free where that is less."""
        half = min(
            (room.free / (2 * room.demand) for room in scope.rooms.values() if room.free),
            default=scope.most,
        )
        share = max(scope.least, min(scope.most, half))
        if share >= scope.most:
            return Choice(share, "nothing: the request takes no more than half of what is free")
        if share > half + 1e-9:
            return Choice(share, "the least that you accept; it is more than half of what is free")
        return Choice(share, f"{share:.0%} of the request: half of what is free stays for others")


BUILT_IN: tuple[AllocationStrategy, ...] = (
    Balanced(),
    PerformancePriority(),
    CostPriority(),
    ReliabilityPriority(),
)
