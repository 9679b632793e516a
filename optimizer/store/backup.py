"""A copy of the SQLite file before a newer program changes its schema. I/O."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

logger = logging.getLogger("sequential_resource_optimization.store")

KEEP = 3
"""Copies that are kept; the oldest go first."""


def back_up(path: Path, *, version: int) -> Path:
    """Copy the whole database as it is now, while others may use it.

    Args:
        path: The SQLite file.
        version: Its schema, for the name of the copy.

    Returns:
        Where the copy is; it appears there complete or not at all.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = path.with_name(f"{path.name}.schema-{version}-{stamp}")
    draft = target.with_name(f".{target.name}")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as copy:
        source.backup(copy)
    os.replace(draft, target)
    for old in copies(path)[:-KEEP]:
        old.unlink()
    logger.info("schema %d is copied to %s before it is migrated", version, target)
    return target


def copies(path: Path) -> list[Path]:
    """The copies of a database, oldest first."""
    found = path.parent.glob(f"{path.name}.schema-*")
    return sorted(found, key=lambda copy: copy.name.rpartition("-")[2])


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock beside a database: one process at a time copies and migrates."""
    descriptor = os.open(f"{path}.migrating", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
