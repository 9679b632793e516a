from collections.abc import Iterator

import pytest

from tests.serving import serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that was started as the documents say."""
    with serving(tmp_path_factory.mktemp("served")) as address:
        yield address
