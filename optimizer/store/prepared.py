"""Statements that run often: their text is made once, which costs more than running them."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Table, Update, bindparam, insert

Pick = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Answers the values of a statement's places, in their order."""


class Prepared:
    """A statement of which only the values change.

    Values go to the driver as they are, so the types of its columns must not translate any.

    Args:
        statement: With named parameters; an insert names a column for each.
    """

    def __init__(self, statement: Insert | Update | Delete) -> None:
        self._statement = statement
        self._texts: dict[str, tuple[str, Pick]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Run it inside the connection's transaction."""
        connection.exec_driver_sql(*self.in_words_of(connection.dialect, values))

    def run_all(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run it for each of the rows, in one call of the driver.

        Args:
            connection: The transaction.
            rows: Values in the order of the statement: for an insert, that of the table's columns.
        """
        dialect = connection.dialect
        text, _ = self._texts.get(dialect.name) or self._make(dialect)
        connection.exec_driver_sql(text, list(rows))

    def in_words_of(
        self, dialect: Dialect, values: Mapping[str, Any]
    ) -> tuple[str, tuple[Any, ...]]:
        """The text for a driver, and the values in the order of its places."""
        text, pick = self._texts.get(dialect.name) or self._make(dialect)
        return text, pick(values)

    def _make(self, dialect: Dialect) -> tuple[str, Pick]:
        compiled = self._statement.compile(dialect=dialect)
        made = self._texts[dialect.name] = (str(compiled), _picker(compiled.positiontup or ()))
        return made


def _picker(names: Sequence[str]) -> Pick:
    """Answers the values of these names; `itemgetter` answers no tuple for a single one."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def insert_of(table: Table, *names: str) -> Prepared:
    """An insert of these columns, named in the order in which the table has them."""
    return Prepared(insert(table).values({name: bindparam(name) for name in names}))


Writing = Sequence[tuple[Prepared, Mapping[str, Any]]]
"""Statements with their values, in the order in which they run."""
