"""What this room needs of a store."""

from datetime import datetime
from typing import Protocol

from optimizer.decisions.application import Application
from optimizer.decisions.decision import Decision, Record, Written
from optimizer.decisions.snapshot import Snapshot


class DecisionKeeper(Protocol):
    """Keeps decisions with what they were computed from."""

    async def save(self, record: Record, written: Written | None = None) -> None:
        """Keep a decision; the oldest beyond what is kept are dropped.

        Args:
            record: The decision with its inputs.
            written: That as JSON, where it was made already.
        """

    async def replace(self, record: Record) -> None:
        """Keep a decision in the place of the one with its id."""

    async def recent(self, limit: int) -> tuple[Decision, ...]:
        """The newest decisions, newest first."""

    async def starts(self, before: datetime, *, most: int) -> tuple[Snapshot, ...]:
        """What decisions started from that are older, the newest first, at most one an hour."""

    async def count(self) -> int:
        """How many decisions are kept."""

    async def find(self, decision_id: str) -> Record | None:
        """One decision with its inputs; None when it is not kept."""


class ApplicationKeeper(Protocol):
    """Keeps what became of decisions that were carried out."""

    async def save(self, application: Application) -> None:
        """Keep it, over what was kept of that decision before."""

    async def find(self, decision_id: str) -> Application | None:
        """What became of a decision; None when it was never carried out."""

    async def recent(self, limit: int) -> tuple[Application, ...]:
        """The newest, newest first."""

    async def unfinished(self) -> tuple[Application, ...]:
        """Those whose predicates or effects are still to be judged, oldest first."""
