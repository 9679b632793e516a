import os
import socket
import subprocess
import sys

import pytest

from server.cli.main import _is_piped


def test_the_way_to_stdio_imports_the_standard_library_only() -> None:
    """Hosts start it many times; click alone would cost 30 ms."""
    listing = "import sys, server.cli.main; print([m for m in sys.modules if m in "
    heavy = "('click', 'rich', 'pydantic', 'numpy', 'mcp', 'anyio', 'httpx', 'sqlalchemy')])"

    done = subprocess.run(
        [sys.executable, "-c", listing + heavy], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_a_pipe_and_a_socket_are_a_host() -> None:
    reading, writing = os.pipe()
    one, other = socket.socketpair()
    try:
        assert _is_piped(reading)
        assert _is_piped(one.fileno())
    finally:
        os.close(reading)
        os.close(writing)
        one.close()
        other.close()


@pytest.mark.parametrize("path", ["/dev/null", __file__])
def test_a_file_and_nothing_are_no_host(path: str) -> None:
    with open(path) as file:
        assert not _is_piped(file.fileno())


def test_a_terminal_is_no_host() -> None:
    ours, theirs = os.openpty()
    try:
        assert not _is_piped(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_module_that_serves_takes_the_options_of_serve() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sequential_resource_optimization", "--help"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    assert "--port" in done.stdout
