"""`stdio`: the same MCP server over our own pipe.

The transport takes stdout for itself and points file descriptor 1 at stderr while it serves, so a
stray print, ours or a library's, cannot land on the wire.
"""

import anyio
from mcp.server.stdio import stdio_server

from optimizer.settings import Settings
from server.logs import configure_logging
from server.mcp_surface import create_mcp_surface
from server.operation import Optimizer


def serve_stdio(optimizer: Optimizer, settings: Settings) -> int:
    """Serve MCP on stdin and stdout until stdin ends.

    Args:
        optimizer: Does the work; it is started and stopped here.
        settings: The log level and the secrets to mask; LOG_FILE is not written.

    Returns:
        The exit code, 0.
    """
    configure_logging(settings, to_file=False)
    anyio.run(run_stdio, optimizer)
    return 0


async def run_stdio(optimizer: Optimizer) -> None:
    """Serve one connection over the process's stdin and stdout."""
    surface = create_mcp_surface(optimizer, lasting=True)
    async with stdio_server() as (read, write), optimizer, surface.notices.running():
        await surface.server.run(read, write, surface.server.create_initialization_options())
        surface.listen.close()
