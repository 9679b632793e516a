"""Statements that run often: their text is made once, which costs more than running them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Update


class Prepared:
    """A statement of which only the values change.

    Values go to the driver as they are, so the types of its columns must not translate any.

    Args:
        statement: With named parameters; an insert names a column for each.
    """

    def __init__(self, statement: Insert | Update | Delete) -> None:
        self._statement = statement
        self._texts: dict[str, tuple[str, tuple[str, ...]]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Run it inside the connection's transaction."""
        text, names = self._texts.get(connection.dialect.name) or self._make(connection)
        connection.exec_driver_sql(text, tuple(values[name] for name in names))

    def _make(self, connection: Connection) -> tuple[str, tuple[str, ...]]:
        compiled = self._statement.compile(dialect=connection.dialect)
        made = self._texts[connection.dialect.name] = (
            str(compiled),
            tuple(compiled.positiontup or ()),
        )
        return made
