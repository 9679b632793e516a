"""A start in less time, and a process that stays small: what a server does differently."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

THRESHOLDS = (20_000, 20, 20)
"""New objects before the collector looks at the new ones, such looks before it looks at those that
outlived one, and such before it looks at all. Python's own 700, 10 and 10 are of its first years:
two thousand requests at once are a hundred thousand objects that all are still needed, and looking
at them took as long as answering them."""

M_ARENA_MAX = -8
"""What mallopt(3) calls the number of arenas (malloc.h of glibc)."""

ARENAS = 2
"""Of the allocator, for the event loop and for workers. Eight a core are glibc's own; each keeps
what its threads once needed, and in days every worker has made a forecast."""


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import the doors inside, for a process that serves and does nothing else.

    The collector waits until `settle`: it would walk what the imports made again and again, and
    nearly nothing of it is garbage. The models of the MCP SDK, several hundred for all eras of the
    protocol, are built when a message first needs one.
    """
    _share_arenas()
    gc.disable()
    config = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        import mcp_types.methods  # noqa: F401
    finally:
        BaseModel.model_config = config
    yield


def settle() -> None:
    """Let the collector run from now on, and leave what the start made out of its walks."""
    if not gc.isenabled():
        gc.set_threshold(*THRESHOLDS)
        gc.freeze()
        gc.enable()


def _share_arenas() -> None:
    """Let threads that begin from now on share arenas, where the allocator is glibc's."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_ARENA_MAX, ARENAS)
