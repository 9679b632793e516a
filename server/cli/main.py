"""Where `sro` begins.

Hosts start `sro stdio` many times, so that way in imports the standard library only.
"""

import os
import stat
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console script: a command, MCP over stdio for a host, or help for a person.

    Args:
        arguments: What was typed behind `sro`; the process's own when None.

    Returns:
        The exit code.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    typed = typed or (["stdio"] if _is_piped(0) else ["--help"])
    if typed in (["stdio"], ["stdio", "--rest"]):
        from server.shim import main as join_daemon

        return join_daemon(rest="--rest" in typed)
    if typed[0] == "serve":
        from server.cli.serve import serve

        serve(typed[1:], prog_name="sro serve")
    if typed[0] == "run":
        from server.cli.run import main as run

        return run(typed[1:])
    from server.quick_start import quick_imports, settle

    with quick_imports():
        from server.cli.commands import sro
    settle()
    sro(typed, prog_name="sro")
    return 0


def _is_piped(descriptor: int) -> bool:
    """Whether a host is at the other end: a pipe or a socket, not a terminal, file or /dev/null."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


if __name__ == "__main__":
    sys.exit(main())
