"""What the tests of this room share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prometheus import running_prometheus


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URL of a real server, and the instance that it scrapes every second."""
    with running_prometheus(tmp_path) as running:
        yield running
