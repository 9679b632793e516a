"""Cells (I/O): control groups that hold strangers to an amount of memory, and to nothing else.

The kernel itself keeps the bound, so it holds between two looks of whoever watches, too.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from optimizer.enforcement.groups import Home, taken_away
from optimizer.enforcement.limits import Limits, v1_values, v2_values


@dataclass(frozen=True)
class Cell:
    """A control group of memory.

    Attributes:
        folder: Whoever writes itself to `cgroup.procs` below it is held, and all that it starts.
    """

    folder: Path

    def starved(self) -> bool:
        """Whether the kernel ended something in it because there was no memory left."""
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                rows = (line.split() for line in (self.folder / name).read_text().splitlines())
                return any(int(number) > 0 for word, number in rows if word == "oom_kill")
        return False

    def remove(self) -> None:
        """Take it away once it is empty; it stays where something lives on in it."""
        taken_away([self.folder])


class Cells:
    """Makes cells where control groups are ours to make.

    Args:
        home: Answers where control groups may be made.
    """

    def __init__(self, home: Callable[[], Home]) -> None:
        self._home = home
        self._numbers = count()

    def make(self, most_bytes: int) -> Cell | None:
        """A new cell of so many bytes; None where none can be made."""
        home = self._home()
        if home.reason:
            return None
        version = home.version
        above = home.folders["" if version == 2 else "memory"]
        values = (v2_values if version == 2 else v1_values)(Limits(most_bytes=most_bytes))
        folder = above / f"cell-{os.getpid()}-{next(self._numbers)}"
        try:
            folder.mkdir()
            for name in ("memory.max", "memory.limit_in_bytes"):
                if name in values:
                    (folder / name).write_text(values[name])
        except OSError:
            return None
        with suppress(OSError):  # what is swapped out would not count
            (folder / "memory.swap.max").write_text("0")
        return Cell(folder)
