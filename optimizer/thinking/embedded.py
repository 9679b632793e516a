"""The embedded sequential-thinking server: it records and counts thoughts, in this process.

It counts as npm's @modelcontextprotocol/server-sequential-thinking 2026.8.31 does (a test writes
the same chain to both). Unlike that server it keeps the thoughts of each decision apart, and its
memory is bounded. Nothing stands between it and who thinks: a thought costs microseconds.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from optimizer.errors import McpServerError
from optimizer.thinking.question import ScratchpadKind, Thought

MAX_DECISIONS = 256
MAX_THOUGHTS = 256


@dataclass(frozen=True, slots=True)
class Count:
    """What a sequential-thinking server answers to a thought.

    Attributes:
        number: Of the thought.
        total: How many are expected.
        branches: Ids of the branches so far.
        held: How many thoughts the history holds.
    """

    number: int
    total: int
    branches: tuple[str, ...]
    held: int


@dataclass(slots=True)
class _Chain:
    """The thoughts of one decision."""

    thoughts: list[Thought] = field(default_factory=list)
    branches: dict[str, None] = field(default_factory=dict)


class ThoughtHistory:
    """Thoughts by decision; the decision that was written to longest ago goes first.

    Args:
        max_decisions: How many decisions are kept.
        max_thoughts: How many thoughts a decision may have.
    """

    def __init__(
        self, *, max_decisions: int = MAX_DECISIONS, max_thoughts: int = MAX_THOUGHTS
    ) -> None:
        self._max_decisions = max_decisions
        self._max_thoughts = max_thoughts
        self._chains: OrderedDict[str, _Chain] = OrderedDict()

    def __len__(self) -> int:
        return len(self._chains)

    def thoughts(self, decision: str) -> tuple[str, ...]:
        """The texts of a decision's thoughts, in the order in which they came."""
        chain = self._chains.get(decision)
        return tuple(thought.text for thought in chain.thoughts) if chain else ()

    def record(self, decision: str, thought: Thought, *, total: int) -> Count:
        """Keep a thought.

        Raises:
            McpServerError: The decision has as many thoughts as it may have.
        """
        chain = self._chains.get(decision)
        if chain is None:
            chain = self._chains[decision] = _Chain()
            while len(self._chains) > self._max_decisions:
                self._chains.popitem(last=False)
        else:
            self._chains.move_to_end(decision)
        if len(chain.thoughts) >= self._max_thoughts:
            raise McpServerError(
                server="embedded",
                problem="protocol",
                detail=f"a decision may have {self._max_thoughts} thoughts; begin another",
            )
        chain.thoughts.append(thought)
        if thought.branch_from is not None and thought.branch_id:
            chain.branches[thought.branch_id] = None
        return Count(
            number=thought.number,
            total=max(thought.number, total),
            branches=tuple(chain.branches),
            held=len(chain.thoughts),
        )


@dataclass(frozen=True, slots=True)
class EmbeddedPage:
    """One decision's page of a history.

    Attributes:
        history: Where the thoughts go.
        decision_id: Whose they are.
        stands_in: Why it is not the server that is configured, as a stable code.
    """

    kind: ClassVar[ScratchpadKind] = "embedded"
    history: ThoughtHistory
    decision_id: str
    stands_in: str | None = None

    async def write(self, thought: Thought, *, total: int, within: timedelta) -> None:
        """Record a thought; it takes no time that a deadline could cut."""
        self.history.record(self.decision_id, thought, total=total)
