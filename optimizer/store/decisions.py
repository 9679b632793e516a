"""Decisions in the database, as JSON with the version of its shape."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

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
    select,
    update,
)

from optimizer.decisions.decision import SCHEMA_VERSION, Decision, Inputs, Record, Written
from optimizer.decisions.snapshot import Snapshot
from optimizer.store.engine import Database, UtcDateTime, to_microseconds
from optimizer.store.prepared import insert_of
from optimizer.store.together import Together

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

_INSERT = insert_of(decisions, *(c.name for c in decisions.c if c.name != "sequence"))
_NEWEST_FIRST = (decisions.c.created_at.desc(), decisions.c.sequence.desc())


class DecisionStore:
    """Keeps the newest decisions; those that come while others are written are written together.

    Args:
        database: Where.
        keep: How many.
    """

    def __init__(self, database: Database, *, keep: int = MOST_KEPT) -> None:
        self._database = database
        self._keep = keep
        self._rows: Together[tuple[Any, ...]] = Together(
            database, self._write, name="decision writer"
        )

    async def save(self, record: Record, written: Written | None = None) -> None:
        """Keep a decision; the oldest beyond what is kept are dropped.

        It proposes and changes nothing, so the disk is not waited for.
        """
        text = written or Written(record.decision.text(), record.inputs.text())
        decision = record.decision
        row = (
            decision.decision_id,
            to_microseconds(decision.created_at),
            SCHEMA_VERSION,
            text.decision,
            text.inputs,
        )
        await self._rows.add(row, durable=False)

    def _write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> list[None]:
        _INSERT.run_all(connection, rows)
        _drop_oldest(connection, self._keep)
        return [None] * len(rows)

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
