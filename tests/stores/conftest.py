"""The same tests over every kind of store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from optimizer.store.engine import MEMORY_URL, Database


@pytest.fixture(params=["memory", "file", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of its own is: SQLite in memory, SQLite on a file, or PostgreSQL."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("cluster").new_url()
        return url
    return MEMORY_URL if request.param == "memory" else f"sqlite:///{tmp_path / 'sro.db'}"


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    """A store of its own, in each of the three."""
    store = Database(store_url)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "file"])
async def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A store of its own for what only SQLite has: a thread that writes for all who wait."""
    url = MEMORY_URL if request.param == "memory" else f"sqlite:///{tmp_path / 'sro.db'}"
    store = Database(url)
    yield store
    await store.close()
