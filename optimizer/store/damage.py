"""A SQLite file that is damaged: noticed when it is opened, and set aside, never deleted."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def check(engine: Engine) -> None:
    """Look through the whole file once: about 1 ms a megabyte.

    Raises:
        DatabaseError: It is damaged; `is_damaged` says so.
    """
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        cause = sqlite3.DatabaseError(f"database disk image is malformed: {found}")
        cause.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise DatabaseError("PRAGMA quick_check(1)", None, cause)


def is_damaged(error: DatabaseError) -> bool:
    """Whether an error means that the file itself is broken, not that it is full or locked."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED


def set_aside(path: Path) -> Path:
    """Rename a database and its log files; answers the new place of the database."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(target.with_name(target.name + suffix))
    return target
