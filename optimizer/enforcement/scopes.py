"""Scopes of systemd (I/O): they hold a command where control groups are systemd's to give.

Source: systemd-run(1), systemd.resource-control(5).
"""

import os
import subprocess
from pathlib import Path

from optimizer.enforcement.limits import Limits, weight

TRY_S = 5.0


def find_scopes(root: Path = Path("/")) -> tuple[str, ...]:
    """How a command is put into a scope here: what its command line begins with.

    Args:
        root: Root of the file tree that holds `run`.

    Returns:
        Empty where systemd does not run, or makes no scope for us; that is tried with `true`.
    """
    if not (root / "run/systemd/system").is_dir():
        return ()
    whose = () if os.getuid() == 0 else ("--user",)
    begin = ("systemd-run", *whose, "--scope", "--quiet", "--collect")
    try:
        subprocess.run([*begin, "--", "true"], check=True, capture_output=True, timeout=TRY_S)
    except (OSError, subprocess.SubprocessError):
        return ()
    return begin


def in_scope(begin: tuple[str, ...], lease: str, limits: Limits) -> tuple[str, ...]:
    """What stands before a command, so that it becomes the command in a scope of its own.

    Args:
        begin: As `find_scopes` found it.
        lease: Names the scope.
        limits: What the scope is held to.
    """
    properties = [f"CPUWeight={weight(limits.held_cores, version=2)}"]
    if limits.cores is not None:
        properties.append(f"CPUQuota={max(1, round(limits.cores * 100))}%")
    if limits.most_bytes is not None:
        properties.append(f"MemoryMax={limits.most_bytes}")
    return (*begin, f"--unit=sro-{lease}", *(f"--property={each}" for each in properties), "--")
