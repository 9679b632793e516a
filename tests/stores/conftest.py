"""The same tests over every kind of store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from optimizer.store.engine import MEMORY_URL, Database


@pytest.fixture(params=["memory", "file"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A store of its own, in memory and on a file."""
    url = MEMORY_URL if request.param == "memory" else f"sqlite:///{tmp_path / 'sro.db'}"
    store = Database(url)
    yield store
    await store.close()
