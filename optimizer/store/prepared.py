"""Statements that run often: their text is made once, which costs more than running them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Table, Update, bindparam, insert

Row = tuple[Any, ...]
"""The values of a statement's places, in the order in which its text names them."""


class Prepared:
    """A statement of which only the values change.

    Values go to the driver as they are, so the types of its columns must not translate any.

    Args:
        statement: With named parameters; an insert names a column for each, in the order of the
            table.
    """

    def __init__(self, statement: Insert | Update | Delete) -> None:
        self._statement = statement
        self._texts: dict[str, str] = {}

    def run(self, connection: Connection, row: Row) -> None:
        """Run it inside the connection's transaction."""
        connection.exec_driver_sql(self.in_words_of(connection.dialect), row)

    def run_all(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it for each of the rows, in one call of the driver."""
        connection.exec_driver_sql(self.in_words_of(connection.dialect), list(rows))

    def in_words_of(self, dialect: Dialect) -> str:
        """The text for a driver."""
        return self._texts.get(dialect.name) or self._make(dialect)

    def _make(self, dialect: Dialect) -> str:
        text = self._texts[dialect.name] = str(self._statement.compile(dialect=dialect))
        return text


def insert_of(table: Table, *names: str) -> Prepared:
    """An insert of these columns, named in the order in which the table has them."""
    return Prepared(insert(table).values({name: bindparam(name) for name in names}))


Writing = Sequence[tuple[Prepared, Row]]
"""Statements with their values, in the order in which they run."""
