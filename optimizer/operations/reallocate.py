"""Let leases that got less than they asked for grow: from what is free, idle, or lower."""

import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool

from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.lease import Lease, public_name
from optimizer.allocation.reallocation import Move, Why
from optimizer.clock import Clock
from optimizer.due import Due
from optimizer.events import Event, LeaseChanged, SampleTaken
from optimizer.identity import Principal
from optimizer.machine.attribution import LeaseUse
from optimizer.quantities import Unit, format_amount, from_parts, to_parts
from optimizer.thinking.question import Reasoning

logger = logging.getLogger("sequential_resource_optimization.allocation")

Mode = Literal["off", "propose", "apply"]

LOOKS = 64
"""Samples of a lease's use that are remembered: half an hour at 30 s."""

APART_S = 1.0
"""Between two looks: leases of single tool calls come and go a hundred times a second."""

FEWEST_LOOKS = 3
"""With fewer nobody knows what a lease uses."""


class Seen:
    """What each bound lease was seen to use, sample by sample."""

    def __init__(self) -> None:
        self._used: dict[str, dict[str, deque[float]]] = {}

    def add(self, uses: Mapping[str, LeaseUse]) -> None:
        """Remember one sample; leases that are not in it are forgotten."""
        self._used = {lease: self._used.get(lease, {}) for lease in uses}
        for lease, use in uses.items():
            for resource, amount in use.used.items():
                kept = self._used[lease].setdefault(resource, deque(maxlen=LOOKS))
                kept.append(amount)

    def of(self, lease: str, resource: str) -> tuple[float, ...]:
        """Amounts in the unit of the pool, oldest first; empty when nobody looked often enough."""
        used = self._used.get(lease, {}).get(resource, ())
        return tuple(used) if len(used) >= FEWEST_LOOKS else ()

    def peaks(self, units: Mapping[str, Unit]) -> dict[str, dict[str, int]]:
        """The most of each lease and resource, in whole parts."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for lease, resources in self._used.items():
            for resource in resources:
                used = self.of(lease, resource)
                if used and resource in units:
                    found[lease][resource] = to_parts(max(used), units[resource])
        return dict(found)


class ReallocateRequest(BaseModel):
    """Whether to act on the proposals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    apply: bool = Field(False, description="Carry the proposals out; operators only.")
    use_sequential_thinking: StrictBool = Field(
        False, description="Whether it is thought over if one of the proposals is to be left out."
    )


class Party(BaseModel):
    """A lease as everybody may see it."""

    model_config = ConfigDict(frozen=True)

    lease: str = Field(description="Its public name.")
    priority_level: str
    from_amount: float = Field(description="What it holds.")
    to_amount: float = Field(description="What it would hold.")


class Proposal(BaseModel):
    """One change: who gains, who loses, and why."""

    model_config = ConfigDict(frozen=True)

    resource: str
    unit: Unit
    amount: float = Field(description="How much changes hands.")
    gains: Party
    loses: Party | None = Field(description="null when the amount is free.")
    why: str
    applied: bool | None = Field(
        None, description="Whether it was carried out; null while only proposed."
    )


class ReallocationReport(BaseModel):
    """What should change hands between leases."""

    model_config = ConfigDict(frozen=True)

    mode: Mode = Field(description="AUTO_REALLOCATE: what happens after each sample by itself.")
    summary: str
    proposals: tuple[Proposal, ...]
    left_out: Proposal | None = Field(
        None, description="What thinking left out, and so is neither proposed nor carried out."
    )
    reasoning: Reasoning | None = Field(
        None, description="With use_sequential_thinking: how that came about; else null."
    )
    computed_at: AwareDatetime


@dataclass(frozen=True)
class Choice:
    """What thinking made of the proposals.

    Attributes:
        leaves_out: Index of the proposal that is left out; None when all stand.
        reasoning: How that came about.
    """

    leaves_out: int | None
    reasoning: Reasoning


Choose = Callable[[tuple[Proposal, ...]], Awaitable[Choice | None]]
"""Thinks the proposals over; None where there is nothing to choose."""


class Reallocation:
    """The controller: looks after each sample and each change of a lease.

    Args:
        allocator: Answers the allocator; asked on the first look.
        mode: Answers AUTO_REALLOCATE as it is now.
        uses: Answers what bound leases used in the latest sample.
        are_leases: Answers whether anything is leased; if not, a sample is no reason to look.
        clock: Says what time it is.

    Attributes:
        latest: What was last proposed or done; None before.
    """

    def __init__(
        self,
        allocator: Callable[[], ResourceAllocator],
        *,
        mode: Callable[[], Mode],
        uses: Callable[[], Mapping[str, LeaseUse]],
        are_leases: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self.seen = Seen()
        self.latest: ReallocationReport | None = None
        self._allocator = allocator
        self._mode = mode
        self._uses = uses
        self._are_leases = are_leases
        self._clock = clock
        self._due = Due()

    def hear(self, event: Event) -> None:
        """Look again after a sample, or when room may have come or gone."""
        is_news = isinstance(event, LeaseChanged) and event.state != "resized"
        if isinstance(event, SampleTaken):
            self.seen.add(self._uses())
            is_news = self._are_leases()
        if is_news and self._mode() != "off":
            self._due.set()

    async def run(self) -> None:
        """Look whenever it is due, until cancelled."""
        await self._due.keep_looking(
            lambda: self.look(apply=self._mode() == "apply"),
            logger=logger,
            trouble="leases cannot be looked at",
            apart_s=APART_S,
        )

    async def look(self, *, apply: bool, choose: Choose | None = None) -> ReallocationReport:
        """Propose, and carry out what was proposed if asked to.

        Args:
            apply: Whether to carry it out.
            choose: May leave one of the proposals out; None leaves them as they are.
        """
        allocator = self._allocator()
        units = {name: pool.unit for name, pool in allocator.pools.items()}
        moves = await allocator.moves(self.seen.peaks(units))
        left_out, choice = None, None
        if choose is not None:
            proposed = _proposals(moves, units, [None] * len(moves))
            choice = await choose(proposed)
            if choice is not None and choice.leaves_out is not None:
                left_out = proposed[choice.leaves_out]
                moves = tuple(m for at, m in enumerate(moves) if at != choice.leaves_out)
        done = [await allocator.move(move) if apply else None for move in moves]
        proposals = _proposals(moves, units, done)
        self.latest = ReallocationReport(
            mode=self._mode(),
            summary=_summary(proposals),
            proposals=proposals,
            left_out=left_out,
            reasoning=None if choice is None else choice.reasoning,
            computed_at=self._clock(),
        )
        return self.latest


async def reallocate(
    request: ReallocateRequest,
    *,
    controller: Reallocation,
    principal: Principal,
    choose: Choose | None = None,
) -> ReallocationReport:
    """Answer who should gain and who lose, and do it if asked to.

    Args:
        request: Whether to do it, and whether to think it over.
        controller: Looks and does.
        principal: Who asks.
        choose: Thinks it over; None where nobody thinks.

    Raises:
        ForbiddenError: To apply takes an operator.
    """
    if request.apply:
        principal.require_operator("reallocate")
    thinks = choose if request.use_sequential_thinking else None
    return await controller.look(apply=request.apply, choose=thinks)


def _summary(proposals: tuple[Proposal, ...]) -> str:
    if not proposals:
        return "Nothing to change: every lease has what it asked for, or nothing can be moved."
    done = [proposal for proposal in proposals if proposal.applied]
    if any(proposal.applied is not None for proposal in proposals):
        return f"{len(done)} of {len(proposals)} changes were carried out."
    return f"{len(proposals)} changes are proposed; apply=true carries them out."


def _proposals(
    moves: Sequence[Move], units: Mapping[str, Unit], done: Sequence[bool | None]
) -> tuple[Proposal, ...]:
    """The moves in the order in which they are made, each after those before it."""
    holds: dict[tuple[str, str], int] = {}
    return tuple(
        _proposal(move, units[move.resource], holds, applied)
        for move, applied in zip(moves, done, strict=True)
    )


def _proposal(
    move: Move, unit: Unit, holds: dict[tuple[str, str], int], applied: bool | None
) -> Proposal:
    def party(lease: Lease, change: int) -> Party:
        key = (lease.allocation_id, move.resource)
        held = next(g.granted for g in lease.grants if g.resource == move.resource)
        before = holds.get(key, held)
        holds[key] = before + change
        return Party(
            lease=public_name(lease.allocation_id),
            priority_level=lease.priority_level,
            from_amount=from_parts(before, unit),
            to_amount=from_parts(before + change, unit),
        )

    gains = party(move.gains, move.parts)
    loses = None if move.loses is None else party(move.loses, -move.parts)
    return Proposal(
        resource=move.resource,
        unit=unit,
        amount=from_parts(move.parts, unit),
        gains=gains,
        loses=loses,
        why=_why(move, unit, gains, loses),
        applied=applied,
    )


def _why(move: Move, unit: Unit, gains: Party, loses: Party | None) -> str:
    amount = format_amount(from_parts(move.parts, unit), unit)
    said = f"{gains.lease} got less {move.resource} than it asked for"
    reasons: dict[Why, str] = {"free": f"{amount} became free"}
    if loses is not None:
        seen = "" if move.seen is None else format_amount(from_parts(move.seen, unit), unit)
        reasons["idle"] = f"{loses.lease} was seen to use at most {seen} of what it holds"
        reasons["lower"] = (
            f"{loses.lease} has {loses.priority_level} priority, below {gains.priority_level}, and "
            "keeps the least that it accepts"
        )
    return f"{said}; {reasons[move.why]}."
