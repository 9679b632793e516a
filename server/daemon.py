"""The daemon: one optimizer for everybody on this machine, behind a socket and, if asked, HTTP.

`python -m server.daemon --socket PATH` is what a shim starts. Of many that start at once one
becomes the daemon; the others find the lock taken and end before they import anything heavy, once
that one listens. One that is ending listens no more, and is waited for.
"""

import argparse
import os
import sys
from datetime import timedelta

from optimizer.errors import ConfigurationError
from optimizer.places import data_folder
from server.daemon_lock import take_lock

IDLE_S = 900.0
"""A daemon that a shim started ends after this long without a client and without a lease."""

HANDOVER_S = 30.0
"""How long a daemon that is ending, or not listening yet, is waited for."""

HANDOVER_EVERY_S = 0.25
"""More patient than `serve`, which asks a daemon to end in order to be the next."""


def main() -> int:
    """Be the daemon of a socket until nobody needs it; 0 when another process is it already."""
    parser = argparse.ArgumentParser(prog="python -m server.daemon", description=__doc__)
    parser.add_argument("--socket", required=True, help="Path of the Unix socket.")
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="Seconds until an idle end.")
    arguments = parser.parse_args()
    lock = take_lock(
        arguments.socket,
        wait_s=HANDOVER_S,
        every_s=HANDOVER_EVERY_S,
        unless=lambda: os.path.exists(arguments.socket),
    )
    if lock is None:
        return 0
    from server.quick_start import quick_imports

    folder = data_folder(os.environ)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chdir(folder)

    with quick_imports():
        from server.serve import run_daemon

    try:
        return run_daemon(arguments.socket, idle=timedelta(seconds=arguments.idle_s))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main())
