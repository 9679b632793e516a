"""Keeps recorded calls of MCP servers, and answers what they say today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    case,
    delete,
    func,
    insert,
    select,
)

from optimizer.catalog.outcomes import CallOutcome, Measured, Witness, summarise
from optimizer.catalog.spent import Spent
from optimizer.store.engine import Database, UtcDateTime

ROWS_KEPT_PER_MCP = 1000
"""Five half-lives of calls and more: what is dropped weighed less than 1/32 of a new call."""

_outcomes = Table(
    "outcomes",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("mcp", String(200)),
    Column("tool", String(200)),
    Column("outcome", String(16)),
    Column("latency_ms", Float),
    Column("tokens", Float),
    Column("usd", Float),
    Column("n", Integer),
    Column("at", UtcDateTime),
    Column("witness", String(16)),
    Column("principal", String(200)),
)


@dataclass(frozen=True)
class _Summary:
    """A server's record, and the newest row that it includes."""

    last_id: int
    measured: Measured


class OutcomeKeeper:
    """Recorded calls in the database; summaries are kept in memory until a new call comes.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._summaries: dict[str, _Summary] = {}

    async def record(
        self, calls: Sequence[CallOutcome], *, witness: Witness, principal: str
    ) -> dict[str, int]:
        """Store calls, all or none.

        Args:
            calls: What happened.
            witness: Who saw it.
            principal: Whose report it is.

        Returns:
            For each server in `calls`, how many calls are now on record.

        Raises:
            StorageError: Nothing was stored.
        """
        rows = [
            call.model_dump() | {"witness": witness, "principal": principal[:200]} for call in calls
        ]
        mcps = sorted({call.mcp for call in calls})

        def change(connection: Connection) -> dict[str, int]:
            connection.execute(insert(_outcomes), rows)
            for mcp in mcps:
                _prune(connection, mcp)
            return _totals(connection, mcps)

        return await self._database.write(change, durable=False) if rows else {}

    async def measured(self, mcps: Sequence[str], *, now: datetime) -> dict[str, Measured]:
        """What is on record about these servers, discounted to `now`; absent where nothing is."""

        def query(connection: Connection) -> dict[str, _Summary]:
            newest = _newest_ids(connection, mcps)
            return {mcp: self._summary(connection, mcp, last) for mcp, last in newest.items()}

        found = await self._database.read(query)
        self._summaries.update(found)
        return {
            mcp: summary.measured.aged(now - summary.measured.last_at)
            for mcp, summary in found.items()
        }

    async def calls(self, mcp: str, *, limit: int = 100) -> list[CallOutcome]:
        """The newest calls of a server, newest first."""

        def query(connection: Connection) -> list[CallOutcome]:
            return _read(connection, mcp, limit)

        return await self._database.read(query)

    async def spent_since(self, start: datetime) -> Spent:
        """What the calls that ended since then used, as far as they are kept."""
        n = _outcomes.c.n
        query = select(
            func.sum(n),
            func.sum(case((_outcomes.c.tokens.is_not(None), n), else_=0)),
            func.sum(_outcomes.c.tokens * n),
            func.sum(case((_outcomes.c.usd.is_not(None), n), else_=0)),
            func.sum(_outcomes.c.usd * n),
        ).where(_outcomes.c.at >= start)
        row = await self._database.read(lambda connection: connection.execute(query).one())
        calls, with_tokens, tokens, with_usd, usd = (figure or 0 for figure in row)
        return Spent(int(calls), int(with_tokens), float(tokens), int(with_usd), float(usd))

    def _summary(self, connection: Connection, mcp: str, last_id: int) -> _Summary:
        known = self._summaries.get(mcp)
        if known is not None and known.last_id == last_id:
            return known
        measured = summarise(reversed(_read(connection, mcp, ROWS_KEPT_PER_MCP)))
        assert measured is not None, "a server with a newest row has a record"
        return _Summary(last_id=last_id, measured=measured)


def forget(connection: Connection, mcp: str) -> None:
    """Drop every recorded call of a server."""
    connection.execute(delete(_outcomes).where(_outcomes.c.mcp == mcp))


def _newest_ids(connection: Connection, mcps: Sequence[str]) -> dict[str, int]:
    """The id of the newest row of each server that has one."""
    newest: dict[str, int] = {}
    for start in range(0, len(mcps), 500):
        rows = connection.execute(
            select(_outcomes.c.mcp, func.max(_outcomes.c.id))
            .where(_outcomes.c.mcp.in_(mcps[start : start + 500]))
            .group_by(_outcomes.c.mcp)
        )
        newest.update({mcp: int(last) for mcp, last in rows})
    return newest


def _read(connection: Connection, mcp: str, limit: int) -> list[CallOutcome]:
    rows = connection.execute(
        select(_outcomes).where(_outcomes.c.mcp == mcp).order_by(_outcomes.c.id.desc()).limit(limit)
    )
    return [_outcome(row) for row in rows]


def _outcome(row: Row[Any]) -> CallOutcome:
    return CallOutcome.model_construct(
        mcp=row.mcp,
        tool=row.tool,
        outcome=row.outcome,
        latency_ms=row.latency_ms,
        tokens=row.tokens,
        usd=row.usd,
        n=row.n,
        at=row.at,
    )


def _prune(connection: Connection, mcp: str) -> None:
    """Drop the rows of a server beyond those that still weigh anything."""
    oldest_kept = connection.scalar(
        select(_outcomes.c.id)
        .where(_outcomes.c.mcp == mcp)
        .order_by(_outcomes.c.id.desc())
        .offset(ROWS_KEPT_PER_MCP - 1)
        .limit(1)
    )
    if oldest_kept is not None:
        connection.execute(
            delete(_outcomes).where(_outcomes.c.mcp == mcp, _outcomes.c.id < oldest_kept)
        )


def _totals(connection: Connection, mcps: Sequence[str]) -> dict[str, int]:
    rows = connection.execute(
        select(_outcomes.c.mcp, func.sum(_outcomes.c.n))
        .where(_outcomes.c.mcp.in_(mcps))
        .group_by(_outcomes.c.mcp)
    )
    return {mcp: int(total) for mcp, total in rows}
