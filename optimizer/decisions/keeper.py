"""What this room needs of a store."""

from typing import Protocol

from optimizer.decisions.decision import Decision, Record


class DecisionKeeper(Protocol):
    """Keeps decisions with what they were computed from."""

    async def save(self, record: Record) -> None:
        """Keep a decision; the oldest beyond what is kept are dropped."""

    async def replace(self, record: Record) -> None:
        """Keep a decision in the place of the one with its id."""

    async def recent(self, limit: int) -> tuple[Decision, ...]:
        """The newest decisions, newest first."""

    async def count(self) -> int:
        """How many decisions are kept."""

    async def find(self, decision_id: str) -> Record | None:
        """One decision with its inputs; None when it is not kept."""
