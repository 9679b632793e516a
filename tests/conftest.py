"""What every test shares."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import Cluster, running_cluster

settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
"""A busy machine finds no fault by being slow; in CI (CI=true) the examples are the same again."""


def pytest_configure() -> None:
    """Let signals reach what tests start, whatever ignores them: a background job, nohup."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _data_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps every test away from this user's database and tokens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _solvers_of_the_tests() -> Iterator[None]:
    """What is best is found on a busy machine too: a tenth of a second may be none there."""
    from optimizer.allocation import batch, placement, preemption
    from optimizer.cost_benefit import cover
    from optimizer.decisions import placing

    with pytest.MonkeyPatch.context() as patch:
        for module in (preemption, placing, cover):
            patch.setattr(module, "LIMIT_S", 60.0)
        patch.setattr(batch, "RELAXED_S", 60.0)
        for solve in (batch.select, placement.place):
            patch.setitem(solve.__kwdefaults__, "limit_s", 60.0)
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One PostgreSQL server for the whole run."""
    with running_cluster() as running:
        yield running


LONGEST_FIRST = ("test_schemathesis.py", "test_conformance.py")
"""Begun first, so that no worker is left alone with minutes of work at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST_FIRST)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On CI a skipped test is a failed run: the machine can do everything that the tests need."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
