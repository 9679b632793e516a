"""Where `sro` begins.

Hosts start `sro stdio` many times, so that way in imports the standard library only.
"""

import os
import stat
import sys


def main() -> None:
    """Run the console script: a command, MCP over stdio for a host, or help for a person."""
    arguments = sys.argv[1:] or (["stdio"] if _is_piped(0) else ["--help"])
    if arguments == ["stdio"]:
        from server.shim import main as join_daemon

        sys.exit(join_daemon())
    from server.cli.commands import sro

    sro(arguments)


def _is_piped(descriptor: int) -> bool:
    """Whether a host is at the other end: a pipe or a socket, not a terminal, file or /dev/null."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
