"""The store's clock: what all that share a store go by when a lease ends."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from optimizer.clock import Clock, utc_now

_NOW = select(func.clock_timestamp())


def now_of(connection: Connection, clock: Clock) -> datetime:
    """The present moment of a store.

    A SQLite file is of one machine, whose wall clock is its own. Hosts that share a PostgreSQL
    server may disagree about the time, so there the server's clock stands for their wall clocks; a
    clock that somebody sets, as tests and replays do, is taken everywhere.

    Args:
        connection: To the store.
        clock: Of this process.
    """
    if clock is utc_now and connection.dialect.name == "postgresql":
        moment: datetime = connection.execute(_NOW).scalar_one()
        return moment.astimezone(UTC)
    return clock()
