"""The keeper of applications: what became of decisions that were carried out."""

from sqlalchemy import Column, Connection, MetaData, String, Table, Text, delete, insert, select

from optimizer.decisions.application import Application
from optimizer.store.engine import Database, UtcDateTime

_applications = Table(
    "applications",
    MetaData(),
    Column("decision_id", String(64), primary_key=True),
    Column("applied_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("application", Text, nullable=False),
)

MOST_KEPT = 1000
"""As many as decisions."""


class ApplicationStore:
    """Applications in the database; fits `ApplicationKeeper`.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, application: Application) -> None:
        """Keep what became of a decision, over what was kept of it before."""
        row = {
            "decision_id": application.decision_id,
            "applied_at": application.applied_at,
            "state": "measured" if application.effect is not None else application.state,
            "application": application.model_dump_json(),
        }
        table = _applications

        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.decision_id == application.decision_id))
            connection.execute(insert(table), row)
            newest = select(table.c.decision_id).order_by(table.c.applied_at.desc())
            connection.execute(
                delete(table).where(table.c.decision_id.in_(newest.offset(MOST_KEPT)))
            )

        await self._database.write(change)

    async def find(self, decision_id: str) -> Application | None:
        """What became of a decision; None when it was never carried out."""
        query = select(_applications.c.application).where(
            _applications.c.decision_id == decision_id
        )
        text = await self._database.read(lambda connection: connection.scalar(query))
        return None if text is None else Application.model_validate_json(text)

    async def recent(self, limit: int) -> tuple[Application, ...]:
        """The newest, newest first."""
        query = (
            select(_applications.c.application)
            .order_by(_applications.c.applied_at.desc())
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Application.model_validate_json(text) for text in rows)

    async def unfinished(self) -> tuple[Application, ...]:
        """Those whose predicates or effects are still to be judged, oldest first."""
        query = (
            select(_applications.c.application)
            .where(_applications.c.state.in_(("verifying", "applied")))
            .order_by(_applications.c.applied_at)
        )
        rows = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Application.model_validate_json(text) for text in rows)
