import re
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from tests.serving import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
LOCKS = ("requirements/run.lock", "requirements/dev.lock")
FURTHER_LOCKS = ("requirements/model.lock", "requirements/bench.lock")
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; .+?)? \\$", re.MULTILINE)


def pins(lock: str) -> dict[str, set[str]]:
    """Versions by package; some have one for each Python."""
    found: dict[str, set[str]] = {}
    for pin in PIN.finditer((CHECKOUT / lock).read_text()):
        found.setdefault(pin["name"], set()).add(pin["version"])
    return found


@pytest.mark.parametrize("declared", PROJECT["project"]["dependencies"])
def test_what_the_project_needs_is_locked_run_make_lock(declared: str) -> None:
    requirement = Requirement(declared)

    locked = pins(LOCKS[0])[requirement.name.lower()]

    assert all(requirement.specifier.contains(one) for one in locked)


@pytest.mark.parametrize(
    "declared", [item for item in PROJECT["dependency-groups"]["dev"] if isinstance(item, str)]
)
def test_what_the_tests_need_is_locked_run_make_lock(declared: str) -> None:
    assert Requirement(declared).name.lower() in pins(LOCKS[1])


def test_both_locks_name_the_same_versions() -> None:
    run, dev = map(pins, LOCKS)

    assert {name: dev[name] for name in run} == run


@pytest.mark.parametrize("lock", [*LOCKS, *FURTHER_LOCKS, "package-lock.json"])
def test_locks_name_no_address_to_download_from(lock: str) -> None:
    text = (CHECKOUT / lock).read_text()

    assert '"resolved"' not in text
    assert lock.endswith(".json") or "://" not in text


def test_every_pin_has_hashes() -> None:
    for lock in (*LOCKS, *FURTHER_LOCKS):
        text = (CHECKOUT / lock).read_text()
        entries = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
        assert all("--hash=sha256:" in entry for entry in entries)


def test_the_version_is_the_one_of_the_changelog() -> None:
    changelog = (CHECKOUT / "CHANGELOG.md").read_text()

    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)

    assert newest is not None
    assert newest[1] == PROJECT["project"]["version"] == version("sequential-resource-optimization")
