import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.serving import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

DECLARED = {
    canonicalize_name(Requirement(line).name)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
}

DISTRIBUTIONS = {
    package: {canonicalize_name(name) for name in names}
    for package, names in packages_distributions().items()
}
"""Names of distributions by the packages that they bring."""

OURS = {"optimizer", "server", "sequential_resource_optimization"}

SOURCES = [
    *(CHECKOUT / "optimizer").rglob("*.py"),
    *(CHECKOUT / "server").rglob("*.py"),
    CHECKOUT / "sequential_resource_optimization.py",
]


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_every_package_that_is_imported_is_declared(source: Path) -> None:
    foreign = set(imported(source)) - set(sys.stdlib_module_names) - OURS

    undeclared = {
        package for package in foreign if not DISTRIBUTIONS.get(package, set()) & DECLARED
    }

    assert undeclared == set()


def test_every_declared_package_is_imported() -> None:
    used = {name for source in SOURCES for name in imported(source)}
    needed = {name for package in used for name in DISTRIBUTIONS.get(package, ())}

    unimported = DECLARED - needed

    # uvicorn and SQLAlchemy find these by name; pynvml is looked for where there is a driver.
    assert unimported <= {"httptools", "asyncpg", "greenlet", "nvidia-ml-py"}
