"""`stdio --in-process`: the same MCP server over our own pipe.

A stray print, ours, a library's or a plug-in's, must not land on the wire. While the optimizer is
built stdout points at stderr; while it serves, the transport does the same.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import anyio
from mcp.server.stdio import stdio_server

from optimizer.settings import Settings
from server.lines import Streams, until_answered
from server.logs import configure_logging
from server.mcp_surface import create_mcp_surface
from server.operation import Operation, Optimizer
from server.operations import listed
from server.quick_start import settle

STDOUT, STDERR = 1, 2


def serve_stdio(build: Callable[[], Optimizer], settings: Settings) -> int:
    """Serve MCP on stdin and stdout until stdin ends.

    Args:
        build: Makes the optimizer, which is started and stopped here; plug-ins are loaded by it.
        settings: The toolsets, the log level and the secrets to mask; LOG_FILE is not written.

    Returns:
        The exit code, 0.
    """
    configure_logging(settings, to_file=False)
    with stdout_to_stderr():
        optimizer = build()
    anyio.run(run_stdio, optimizer, listed(settings.toolsets))
    return 0


async def run_stdio(optimizer: Optimizer, operations: Sequence[Operation]) -> None:
    """Serve one connection over the process's stdin and stdout."""
    surface = create_mcp_surface(optimizer, lasting=True, operations=operations)
    async with stdio_server() as (read, write), optimizer, surface.notices.running():
        settle()
        options = surface.server.create_initialization_options()
        async with until_answered(Streams(read, write)) as streams:
            await surface.server.run(streams.incoming, streams.outgoing, options)
        surface.listen.close()


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Let everything that is printed meanwhile, also by C code, go to stderr."""
    sys.stdout.flush()
    wire = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(wire, STDOUT)
        os.close(wire)
