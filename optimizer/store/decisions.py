"""Decisions in the database, as JSON with the version of its shape."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from optimizer.decisions.decision import SCHEMA_VERSION, Decision, Inputs, Record, Written
from optimizer.decisions.snapshot import Snapshot
from optimizer.store.engine import Database, UtcDateTime

MOST_KEPT = 1000
"""Decisions kept; the reference document's length of the optimisation history."""

decisions = Table(
    "decisions",
    MetaData(),
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("decision_id", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("decision", Text, nullable=False),
    Column("inputs", Text, nullable=False),
)

_NEWEST_FIRST = (decisions.c.created_at.desc(), decisions.c.sequence.desc())


@dataclass
class _Batch:
    """Decisions that are written together."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    written: anyio.Event = field(default_factory=anyio.Event)
    error: Exception | None = None


class DecisionStore:
    """Keeps the newest decisions; those that come while others are written are written together.

    Args:
        database: Where.
        keep: How many.
    """

    def __init__(self, database: Database, *, keep: int = MOST_KEPT) -> None:
        self._database = database
        self._keep = keep
        self._next: _Batch | None = None
        self._turn = anyio.Lock(fast_acquire=True)

    async def save(self, record: Record, written: Written | None = None) -> None:
        """Keep a decision; the oldest beyond what is kept are dropped.

        It proposes and changes nothing, so the disk is not waited for.
        """
        text = written or Written(record.decision.text(), record.inputs.text())
        row = {
            "decision_id": record.decision.decision_id,
            "created_at": record.decision.created_at,
            "schema_version": SCHEMA_VERSION,
            "decision": text.decision,
            "inputs": text.inputs,
        }
        batch = self._next
        if batch is not None:
            batch.rows.append(row)
            await batch.written.wait()
        else:
            batch = self._next = _Batch([row])
            with anyio.CancelScope(shield=True):  # others wait for it
                await self._write(batch)
        if batch.error is not None:
            raise batch.error

    async def _write(self, batch: _Batch) -> None:
        """Write what came until it is this batch's turn."""

        def change(connection: Connection) -> None:
            connection.execute(insert(decisions), batch.rows)
            _drop_oldest(connection, self._keep)

        async with self._turn:
            self._next = None
            try:
                await self._database.write(change, durable=False)
            except Exception as error:  # raised to everybody whose decision it was
                batch.error = error
            finally:
                batch.written.set()

    async def replace(self, record: Record) -> None:
        """Keep a decision in the place of the one with its id; one that was dropped stays so."""
        changed = update(decisions).where(decisions.c.decision_id == record.decision.decision_id)
        values = {
            "schema_version": SCHEMA_VERSION,
            "decision": record.decision.model_dump_json(),
            "inputs": record.inputs.model_dump_json(),
        }

        def change(connection: Connection) -> None:
            connection.execute(changed, values)

        await self._database.write(change, durable=False)

    async def recent(self, limit: int) -> tuple[Decision, ...]:
        """The newest decisions, newest first."""

        def query(connection: Connection) -> Sequence[str]:
            newest = select(decisions.c.decision).order_by(*_NEWEST_FIRST).limit(limit)
            return connection.scalars(newest).all()

        return tuple(
            Decision.model_validate_json(text) for text in await self._database.read(query)
        )

    async def starts(self, before: datetime, *, most: int) -> tuple[Snapshot, ...]:
        """What decisions started from that were made before a moment, at most one of each hour.

        Args:
            before: Only older ones.
            most: How many, the newest first.
        """

        def query(connection: Connection) -> list[str]:
            older = (
                select(decisions.c.sequence, decisions.c.created_at)
                .where(decisions.c.created_at < before)
                .order_by(*_NEWEST_FIRST)
            )
            by_hour: dict[datetime, int] = {}
            for row in connection.execute(older):
                hour = row.created_at.replace(minute=0, second=0, microsecond=0)
                by_hour.setdefault(hour, row.sequence)
            wanted = list(by_hour.values())[:most]
            inputs = select(decisions.c.inputs).where(decisions.c.sequence.in_(wanted))
            return list(connection.scalars(inputs.order_by(*_NEWEST_FIRST)))

        texts = await self._database.read(query)
        return await anyio.to_thread.run_sync(_snapshots, texts)

    async def count(self) -> int:
        """How many decisions are kept."""

        def query(connection: Connection) -> int:
            return connection.scalar(select(func.count()).select_from(decisions)) or 0

        return await self._database.read(query)

    async def find(self, decision_id: str) -> Record | None:
        """One decision with its inputs; None when it is not kept."""

        def query(connection: Connection) -> tuple[str, str] | None:
            wanted = select(decisions.c.decision, decisions.c.inputs).where(
                decisions.c.decision_id == decision_id
            )
            row = connection.execute(wanted).one_or_none()
            return None if row is None else (row.decision, row.inputs)

        found = await self._database.read(query)
        if found is None:
            return None
        return Record(
            decision=Decision.model_validate_json(found[0]),
            inputs=Inputs.model_validate_json(found[1]),
        )


def _snapshots(texts: Sequence[str]) -> tuple[Snapshot, ...]:
    return tuple(Inputs.model_validate_json(text).snapshot for text in texts)


def _drop_oldest(connection: Connection, keep: int) -> None:
    """Delete what is older than the newest `keep`."""
    first_to_go = select(decisions.c.sequence).order_by(*_NEWEST_FIRST).offset(keep)
    connection.execute(delete(decisions).where(decisions.c.sequence.in_(first_to_go)))
